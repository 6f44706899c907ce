#include "wire/stream_table.hpp"

#include <gtest/gtest.h>

#include <map>
#include <random>

namespace tenon::inline v0::wire {
namespace {

TEST(stream_table, behaves_like_a_map) {
    const auto seed = std::random_device()();
    SCOPED_TRACE(seed);
    std::mt19937 random(seed);
    stream_table table;
    std::map<std::uint32_t, std::uint32_t> model;
    for (int i = 0; i < 20'000; ++i) {
        // Few low bits, so that ids collide.
        const std::uint32_t id = 1 + 2 * (random() % 4 + (random() % 8 << 20));
        if (const auto at = model.find(id); at != model.end()) {
            stream_slot* s = table.find(id);
            ASSERT_NE(s, nullptr);
            ASSERT_EQ(s->use, at->second);
            table.erase(*s);
            model.erase(at);
        } else {
            ASSERT_EQ(table.find(id), nullptr);
            stream_slot& s = table.insert(id);
            ASSERT_EQ(s.use, 0u);
            ASSERT_EQ(s.user, nullptr);
            s.use = random() | 1;
            model[id] = s.use;
        }
        ASSERT_EQ(table.size(), model.size());
    }
    std::size_t seen = 0;
    table.for_each([&](stream_slot& s) {
        EXPECT_TRUE(model.contains(s.id));
        ++seen;
    });
    EXPECT_EQ(seen, model.size());
    while (stream_slot* s = table.any()) {
        EXPECT_EQ(model.erase(s->id), 1u);
        table.erase(*s);
    }
    EXPECT_TRUE(model.empty());
    table.release_if_empty();
    EXPECT_EQ(table.find(1), nullptr);
    EXPECT_EQ(table.any(), nullptr);
}

TEST(stream_ids, wrap_and_skip_those_in_use) {
    for (const bool client : {true, false}) {
        const std::uint32_t first = client ? 1 : 2;
        const std::uint32_t last = client ? 0x7fffffff : 0x7ffffffe;
        stream_ids ids(client);
        stream_table used;
        EXPECT_EQ(ids.take(used), first);
        used.insert(first + 2);
        EXPECT_EQ(ids.take(used), first + 4);
        ids.start_at(last - 4);
        used.insert(last - 2);
        used.insert(first);
        EXPECT_EQ(ids.take(used), last - 4);
        EXPECT_EQ(ids.take(used), last);
        EXPECT_EQ(ids.take(used), first + 4);  // first and first + 2 are still open
    }
}

}  // namespace
}  // namespace tenon::inline v0::wire
