// Member functions that look like streams, but cannot be any.
// error: desk::behind cannot be called remotely: a stream's reader, writer or duplex stands first
// error: desk::both cannot be called remotely: a stream's reader, writer or duplex stands first
// error: desk::answer cannot be called remotely: with a writer or duplex it returns nothing
// error: desk::borrow cannot be called remotely: it takes a reference that is not const
// error: desk::count has another number of parameters than TENON_SERVICE names

#include "tenon/service.hpp"
#include "tenon/stream_members.hpp"

class desk {
public:
    void count(tenon::writer<int> out, int n);
#ifndef CORRECT
    void behind(int n, tenon::writer<int> out);
    tenon::generator<int> both(tenon::reader<int> in);
    int answer(tenon::writer<int> out);
    void borrow(tenon::reader<int>& in);
#endif
};

#ifdef CORRECT
TENON_SERVICE(desk, "test", "desk", "1.0.0", (count, n))
#else
TENON_SERVICE(desk, "test", "desk", "1.0.0", (count, out, n), (behind, n), both, answer, borrow)
#endif

void f(tenon::server& server) { server.add<desk>(); }
