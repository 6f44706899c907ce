// The header of streams is not included by that of classes.
// error: desk::count is a stream: include tenon/stream_members.hpp

#include "tenon/generator.hpp"
#include "tenon/service.hpp"
#ifdef CORRECT
#include "tenon/stream_members.hpp"
#endif

class desk {
public:
    tenon::generator<int> count(int n);
};
TENON_SERVICE(desk, "test", "desk", "1.0.0", (count, n))

void f(tenon::server& server) { server.add<desk>(); }
