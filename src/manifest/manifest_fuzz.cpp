// A manifest from elsewhere: read, written, hashed, and given to everything that works on manifests.

#include <cstdlib>

#include "manifest/model.hpp"
#include "tenon/manifest.hpp"

namespace {

using namespace tenon;

void require(bool holds) {
    if (!holds) std::abort();
}

const manifest& known() {
    static const manifest m = manifest::parse(R"({"manifest": 1, "publisher": "p", "name": "s",
        "version": "1", "purpose": "", "interfaces": {"s": {"purpose": "", "type": "send+recv",
        "to_server": {"value": "any"}, "to_client": {"value": "any"}}},
        "members": {"f": {"kind": "method", "params": [{"name": "a", "shape": "#S"}],
        "result": "#S"}, "g": {"kind": "source", "value": "#S", "flow": {"down": {"overflow":
        "latest", "key": "x"}}}, "h": {"kind": "channel", "up": "#S", "down": "int"}}, "shapes": {"S": {"is": "map", "fields": {"x": "int", "next":
        {"is": "array", "of": "#S"}, "u": {"is": "union", "of": ["int", "string", "#S"]}}}}})")
                                  .value();
    return m;
}

void check_calls(const manifest& m) {
    static const value some[] = {
        nullptr, value::list({}), value::list({1, "two", 3.5, nullptr}),
        parse_json(R"({"a": [[[1]], {"x": {"y": []}}]})").value(),
        parse_json(R"([{"x": 1, "next": [], "u": "v"}, [1, [2, [3]]], {"1": 2}])").value()};
    for (const auto* members : {&m.model().members, &m.model().operations}) {
        for (std::size_t i = 0; i < members->size() && i < 8; ++i) {
            for (const value& arguments : some) {
                (void)m.check_call((*members)[i].name, arguments);
                (void)m.check_call((*members)[i].name, arguments, codec::json);
                (void)m.check_open((*members)[i].name, arguments);
            }
        }
    }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const auto m = manifest::parse({reinterpret_cast<const char*>(data), size});
    if (!m) return 0;
    const auto again = manifest::parse(m->to_json(true));
    require(again && again->hash() == m->hash() && again->content() == m->content());
    check_calls(*m);
    (void)to_text(*m);
    require(manifest::from(m->content()).has_value());
    require(to_json(to_json_schema(*m)).size() > 2);
    (void)compare(*m, known());
    (void)compare(known(), *m);
    try {
        (void)to_cpp(*m);
    } catch (const failure& f) {
        require(f.code() == errc::unsupported);
    }
    return 0;
}
