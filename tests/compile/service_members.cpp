// A class whose members cannot be called remotely says which, and why.
// error: desk::plus is not a public member function, or overloaded, or static
// error: desk::secret is not a public member function, or overloaded, or static
// error: desk::missing is not a public member function, or overloaded, or static
// error: desk::made is not a public member function, or overloaded, or static
// error: desk::count is not a public member function, or overloaded, or static
// error: desk::fill cannot be called remotely: it takes a reference that is not const
// error: desk::strict cannot be called remotely: a parameter has no default constructor
// error: desk::printf cannot be called remotely: its parameters are unknown
// error: desk::move has another number of parameters than TENON_SERVICE names

#include "tenon/service.hpp"

struct exact {
    explicit exact(int);
};

class desk {
public:
    int plus(int a, int b);
    void move(int x, int y);
#ifndef CORRECT
    double plus(double a, double b);
    static desk made();
    int count = 0;
    void fill(std::string& out);
    void strict(exact e);
    void printf(const char* format, ...);

private:
    void secret();
#endif
};

#ifdef CORRECT
TENON_SERVICE(desk, "test", "desk", "1.0.0", plus, (move, x, y))
#else
TENON_SERVICE(desk, "test", "desk", "1.0.0", plus, secret, missing, made, count, (fill, out),
              strict, printf, (move, x))
#endif

void f(tenon::server& server) { server.add<desk>(); }
