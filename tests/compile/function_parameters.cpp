// Functions whose parameters cannot be told, or not be sent.
// error: with one operator() that is no template, cannot be called remotely: its parameters are
// error: cannot be called remotely: it takes a reference that is not const

#include "tenon/functions.hpp"

#include <string>

tenon::functions f() {
    return tenon::functions("test", "tools", "1.0.0")
#ifdef CORRECT
        .add("any", [](int x) { return x; })
        .add("fill", [](const std::string&) {});
#else
        .add("any", [](auto x) { return x; })
        .add("fill", [](std::string&) {});
#endif
}
