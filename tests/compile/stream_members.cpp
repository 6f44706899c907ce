// What streams cannot have, and what cannot serve them.
// error: a stream cannot be idempotent: it is not opened again by itself
// error: a stream cannot be serial: the next one would wait until it ends
// error: latest() takes a member of the stream's values, or a function of one
// error: values of streams outlive what they came in: use std::string or tenon::bytes instead
// error: tenon does not know this type: describe it with
// error: the handler does not take this member's values and arguments

#include "tenon/stream_members.hpp"

#include <string>
#include <string_view>

struct unknown {
    int x;
};

struct feed {
    tenon::source<std::string(int)> words;
#ifndef CORRECT
    tenon::source<std::string_view()> views;
    tenon::sink<unknown> things;
#endif

    static void describe(tenon::description<feed>& d) {
#ifdef CORRECT
        d[&feed::words].latest([](const std::string& s) { return s.size(); });
#else
        d[&feed::words].idempotent().serial();
        d[&feed::words].latest([](int n) { return n; });
#endif
    }
};
#ifdef CORRECT
TENON_INTERFACE(feed, "test", "feed", "1.0.0", (words, n))
#else
TENON_INTERFACE(feed, "test", "feed", "1.0.0", (words, n), views, things)
#endif

void f(feed& m) {
    (void)tenon::detail::contract_of<feed>();
#ifdef CORRECT
    m.words = [](tenon::writer<std::string> out, int n) { out.send(std::to_string(n)); };
#else
    m.words = [](tenon::writer<int> out, int n) { out.send(n); };
#endif
}
