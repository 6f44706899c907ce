// Calls without a contract: by name, with values whose type is known at run time only.

#include <cstdio>
#include <string>
#include <vector>

#include "tenon/tenon.hpp"

struct point {
    double x, y;
};
TENON_STRUCT(point, x, y)

struct geometry {
    tenon::method<double(std::vector<point>)> length;
    tenon::method<point(point, double)> scale;

    static void describe(tenon::description<geometry>& d) {
        d[&geometry::scale].default_value("factor", 2.0);
    }
};
TENON_INTERFACE(geometry, "demo", "geometry", "1.0.0", (length, path), (scale, p, factor))

int main() {
    tenon::server server;
    auto& g = server.publish<geometry>();
    g.length = [](const std::vector<point>& path) { return static_cast<double>(path.size()); };
    g.scale = [](point p, double factor) { return point{p.x * factor, p.y * factor}; };
    server.listen("tcp://127.0.0.1:0").start();
    tenon::client client = tenon::connect(server.endpoints().front());

    // By position. Described types and plain values may be mixed.
    const point p = client.call("demo/geometry.scale", point{1, 2}, 3).as<point>();
    std::printf("%g %g\n", p.x, p.y);

    // By name, and what is missing is the default.
    const auto corner = tenon::value::object({{"x", 5}, {"y", 6}});
    const auto arguments = tenon::value::object({{"p", corner}});
    const tenon::value doubled = client.try_call("demo/geometry.scale", arguments).value();
    std::printf("%s, x is %g\n", tenon::to_json(doubled).c_str(), doubled["x"].as_double());

    // Mistakes are named.
    for (const char* mistake : {R"([{"x": 1, "y": "two"}, 3])", R"({"q": 1})", "[]"}) {
        auto r = client.try_call("demo/geometry.scale", tenon::parse_json(mistake).value());
        std::printf("%s\n", std::string(r.error().message()).c_str());
    }
    auto r = client.try_call("demo/geometry.area", tenon::value::list({}));
    std::printf("%s\n", std::string(r.error().message()).c_str());
}
