#pragma once
// cutting_proxy: a process between clients and a server at Unix paths, which loses connections as
// networks do: with what is on its way, and at any byte.

#include <sys/types.h>

#include <string>

namespace e2e {

class cutting_proxy {
public:
    /// Listens at `path`; what connects there is connected with `target`.
    cutting_proxy(const std::string& path, const std::string& target);
    ~cutting_proxy();
    cutting_proxy(const cutting_proxy&) = delete;
    cutting_proxy& operator=(const cutting_proxy&) = delete;

    /// Ends all connections. What the proxy holds is lost.
    void cut() { tell('c'); }
    /// From here on connections end as soon as they are made; and: no more.
    void refuse() { tell('r'); }
    void admit() { tell('a'); }
    /// The process stands still, with its connections; and goes on.
    void freeze();
    void thaw();

private:
    void tell(char command);

    pid_t pid_ = 0;
    int commands_ = -1;
};

}  // namespace e2e
