// Codec marshal in calls: over each transport that may carry it, refused where it is not trusted,
// and between peers whose types differ.

#include "rpc/test_support.hpp"
#include "tenon/loaned.hpp"
#include "tenon/manifest.hpp"

namespace wave {

struct point {
    double x = 0;
    double y = 0;
    bool operator==(const point&) const = default;
};
TENON_STRUCT(point, x, y)

struct shape {
    tenon::method<point(point, double)> scale;
    tenon::method<double(std::vector<point>)> length;
    tenon::method<std::vector<double>(int)> ramp;
    tenon::method<void(std::string)> name;
    tenon::method<tenon::loaned<point>(tenon::loaned<point>)> turn;
    tenon::method<int(int)> plain;

    static void describe(tenon::description<shape>& d) {
        d[&shape::scale].codec(tenon::codec::marshal);
        d[&shape::length].codec(tenon::codec::marshal);
        d[&shape::ramp].codec(tenon::codec::marshal);
        d[&shape::name].codec(tenon::codec::marshal);
        d[&shape::turn].codec(tenon::codec::marshal);
    }
};
TENON_INTERFACE(shape, "test", "shape", "1.0.0", (scale, p, by), (length, path), (ramp, n),
                (name, text), (turn, p), (plain, n))

void implement(shape& s) {
    s.scale = [](point p, double by) { return point{p.x * by, p.y * by}; };
    s.length = [](const std::vector<point>& path) { return static_cast<double>(path.size()); };
    s.ramp = [](int n) {
        std::vector<double> all;
        for (int i = 0; i < n; ++i) all.push_back(i);
        return all;
    };
    s.name = [](std::string) {};
    s.turn = [](tenon::loaned<point> p) {
        std::swap(p.edit().x, p.edit().y);
        return p;
    };
    s.plain = [](int n) { return n; };
}

}  // namespace wave

namespace other {

struct point {
    double x = 0;
    double y = 0;
    double z = 0;
};
TENON_STRUCT(point, x, y, z)

struct shape {
    tenon::method<point(point, double)> scale;
    tenon::method<std::vector<float>(int)> ramp;
    tenon::method<int(int)> plain;

    static void describe(tenon::description<shape>& d) {
        d[&shape::scale].codec(tenon::codec::marshal);
        d[&shape::ramp].codec(tenon::codec::marshal);
    }
};
TENON_INTERFACE(shape, "test", "shape", "1.0.0", (scale, p, by), (ramp, n), (plain, n))

struct unfit {
    tenon::method<int(std::map<std::string, int>)> count;
    static void describe(tenon::description<unfit>& d) {
        d[&unfit::count].codec(tenon::codec::marshal);
    }
};
TENON_INTERFACE(unfit, "test", "unfit", "1.0.0", (count, words))

struct unfit_result {
    tenon::method<std::optional<int>()> find;
    static void describe(tenon::description<unfit_result>& d) {
        d[&unfit_result::find].codec(tenon::codec::marshal);
    }
};
TENON_INTERFACE(unfit_result, "test", "unfit", "1.0.0", find)

}  // namespace other

namespace {

using namespace rpc_test;
using tenon::codec;
using tenon::errc;
using wave::point;

/// A server of wave::shape, and its clients.
class shapes {
public:
    explicit shapes(std::string_view transport, bool forced = false) : runtime(test_runtime()) {
        tenon::server_options o;
        o.runtime = &runtime;
        o.force_insecure_serialisation = forced;
        server.emplace(o);
        implement(server->publish<wave::shape>());
        server->listen(fresh_endpoint(transport)).start();
    }
    template <class Contract = wave::shape>
    tenon::stub<Contract> connect(bool forced = false) {
        return tenon::connect<Contract>(server->endpoints().at(0), options(forced));
    }
    tenon::client_options options(bool forced = false) {
        tenon::client_options o;
        o.runtime = &runtime;
        o.force_insecure_serialisation = forced;
        return o;
    }

    tenon::runtime runtime;
    std::optional<tenon::server> server;
};

void expect_all_works(tenon::stub<wave::shape>& c) {
    EXPECT_EQ(c.scale(point{1, 2}, 3), (point{3, 6}));
    EXPECT_EQ(c.length(std::vector<point>(1000)), 1000);
    EXPECT_EQ(c.ramp(3), (std::vector<double>{0, 1, 2}));
    EXPECT_EQ(c.ramp(100'000).size(), 100'000u);
    EXPECT_NO_THROW(c.name("x"));
    EXPECT_EQ(*c.turn(tenon::loaned<point>(point{1, 2})), (point{2, 1}));
    EXPECT_EQ(get(c.scale.future(point{1, 2}, 3)).value(), (point{3, 6}));
    EXPECT_EQ(c.plain(1), 1);
}

class marshalled : public testing::TestWithParam<const char*> {};
INSTANTIATE_TEST_SUITE_P(over, marshalled, testing::Values("inproc", "unix"), name_of);

TEST_P(marshalled, calls_work) {
    shapes s(GetParam());
    auto c = s.connect();
    expect_all_works(c);
    // As the codec of the connection, for methods that do not declare one.
    auto o = s.options();
    o.codec = codec::marshal;
    auto d = tenon::connect<wave::shape>(s.server->endpoints().at(0), o);
    expect_all_works(d);
}

TEST_P(marshalled, peers_that_differ_fail_by_call) {
    shapes s(GetParam());
    auto c = s.connect<other::shape>();
    const auto scaled = c.scale.try_call(other::point{1, 2, 3}, 2);
    ASSERT_FALSE(scaled);
    EXPECT_EQ(scaled.error().code(), errc::invalid);
    EXPECT_FALSE(scaled.error().may_have_run());
    EXPECT_NE(scaled.error().message().find("lays these types out differently"),
              std::string_view::npos)
        << scaled.error().to_string();
    const auto ramp = c.ramp.try_call(3);
    ASSERT_FALSE(ramp);
    EXPECT_EQ(ramp.error().code(), errc::data_loss);
    EXPECT_EQ(c.plain(1), 1);
}

TEST(marshalled, is_refused_over_tcp_by_the_client) {
    shapes s("tcp", true);
    auto c = s.connect();
    const auto refused = c.scale.try_call(point{1, 2}, 3);
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().code(), errc::denied);
    EXPECT_FALSE(refused.error().may_have_run());
    EXPECT_NE(refused.error().message().find("client_options::force_insecure_serialisation"),
              std::string_view::npos);
    EXPECT_EQ(get(c.ramp.future(1)).error().code(), errc::denied);
    EXPECT_EQ(c.plain(1), 1);
    tenon::client dynamic = tenon::connect(s.server->endpoints().at(0), s.options());
    const auto encoded = tenon::encode(codec::marshal, 1).value();
    EXPECT_EQ(dynamic.try_call_encoded("test/shape.ramp", codec::marshal, encoded).error().code(),
              errc::denied);
    // Who knows no types calls in another codec.
    EXPECT_EQ(tenon::to_json(dynamic.call("test/shape.ramp", 2)), "[0.0,1.0]");
}

TEST(marshalled, is_refused_over_tcp_by_the_server) {
    shapes s("tcp");
    auto c = s.connect(true);
    for (int i = 0; i < 2; ++i) {
        const auto refused = c.scale.try_call(point{1, 2}, 3);
        ASSERT_FALSE(refused);
        EXPECT_EQ(refused.error().code(), errc::denied);
        EXPECT_FALSE(refused.error().may_have_run());
        EXPECT_NE(refused.error().message().find("server_options::force_insecure_serialisation"),
                  std::string_view::npos);
    }
    EXPECT_EQ(c.plain(1), 1);
    auto o = s.options(true);
    o.codec = codec::marshal;
    auto d = tenon::connect<wave::shape>(s.server->endpoints().at(0), o);
    EXPECT_EQ(d.plain.try_call(1).error().code(), errc::denied);
}

TEST(marshalled, works_over_tcp_where_both_sides_say_so) {
    shapes s("tcp", true);
    auto c = s.connect(true);
    expect_all_works(c);
}

template <class Contract>
void expect_unfit(std::string_view naming) {
    tenon::server server;
    try {
        server.publish<Contract>();
        FAIL() << "published";
    } catch (const tenon::failure& f) {
        EXPECT_EQ(f.error().code(), errc::unsupported);
        EXPECT_NE(f.error().message().find(naming), std::string_view::npos) << f.what();
    }
}

TEST(marshalled, what_it_cannot_carry_cannot_be_declared) {
    expect_unfit<other::unfit>("unfit.count: words: marshal cannot carry a map");
    expect_unfit<other::unfit_result>("unfit.find: result: marshal cannot carry a optional");
}

TEST(marshalled, manifests_name_it) {
    const tenon::value m = tenon::manifest_of<wave::shape>().content();
    EXPECT_EQ(m["members"]["turn"]["codec"], tenon::value("marshal"));
    EXPECT_EQ(m["interfaces"]["shape"]["codecs"],
              tenon::value::list({"msgpack", "json", "marshal"}));
    EXPECT_EQ(m["members"]["turn"]["result"], m["members"]["scale"]["result"]);
}

}  // namespace
