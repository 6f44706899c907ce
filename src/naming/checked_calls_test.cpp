// A discovered client checks its calls by name against a manifest, like one that was connected.

#include <gtest/gtest.h>

#include "tenon/discover.hpp"
#include "tenon/manifest.hpp"
#include "tenon/tenon.hpp"

namespace {

struct sums {
    tenon::method<int(int, int)> plus;
};
TENON_INTERFACE(sums, "checked", "sums", "1.0.0", (plus, a, b))

TEST(checked_calls, of_a_discovered_client) {
    tenon::runtime runtime;
    tenon::server server({.runtime = &runtime});
    server.publish<sums>(tenon::scope::process).plus = [](int a, int b) { return a + b; };
    server.start();
    tenon::discover_options o;
    o.client.runtime = &runtime;
    tenon::client client = tenon::discover("checked/sums", o);
    EXPECT_EQ(client.manifest("checked/sums").value().hash(), tenon::manifest_of<sums>().hash());
    EXPECT_EQ(client.call("checked/sums.plus", 10, 20).as<int>(), 30);
    const auto wrong = client.try_call("checked/sums.plus", tenon::value::list({"ten", 20}));
    ASSERT_FALSE(wrong);
    EXPECT_EQ(wrong.error().message(), "a: expected number, got string");
    EXPECT_FALSE(wrong.error().may_have_run());
    EXPECT_EQ(server.status().calls, 1u);
}

}  // namespace
