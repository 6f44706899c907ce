// What server.add() cannot do says so.
// error: the class cannot be made from copies of these arguments for each request
// error: expose this class with TENON_SERVICE in its own namespace

#include "tenon/service.hpp"

struct engine {};

class desk {
public:
    explicit desk(engine& e);
    int count() const;
};
TENON_SERVICE(desk, "test", "desk", "1.0.0", count)

class plain {};

void f(tenon::server& server, engine& e) {
#ifdef CORRECT
    server.add<desk>(std::ref(e));
    server.add<desk>(tenon::shared, e);
#else
    server.add<desk>(e);
    server.add<plain>();
#endif
}
