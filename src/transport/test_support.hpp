#pragma once
// What the transport tests share: a scratch directory, waiting, and whole transfers over links.

#include <gtest/gtest.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/epoll.h>

#include <cerrno>
#include <cstdio>
#include <filesystem>
#include <string>
#include <utility>
#include <vector>

#include "transport/link.hpp"
#include "transport/listener.hpp"

namespace tenon::inline v0::transport::test {

class scratch_directory {
public:
    scratch_directory() {
        std::string name = "/tmp/tenon-test.XXXXXX";
        path_ = mkdtemp(name.data());
    }
    ~scratch_directory() { std::filesystem::remove_all(path_); }
    const std::string& path() const { return path_; }
    std::string operator/(const std::string& leaf) const { return path_ + "/" + leaf; }
    std::size_t count_files() const {
        std::size_t n = 0;
        for ([[maybe_unused]] const auto& e : std::filesystem::directory_iterator(path_)) ++n;
        return n;
    }

private:
    std::string path_;
};

inline endpoint at(const std::string& text) { return parse_endpoint(text).value(); }

inline bool wait_for(int fd, short events) {
    pollfd p{fd, events, 0};
    int n;
    do n = poll(&p, 1, 10'000);
    while (n < 0 && errno == EINTR);
    return n == 1;
}

inline std::unique_ptr<listener> must_listen(const std::string& text,
                                             const listen_options& options = {}) {
    return open_listener(at(text), options).value();
}

/// Waits as a loop does: until fd() has `events`, or until the bell of a shared link rings.
inline bool wait_for(link& l, short events) {
    if (!l.is_shared()) return wait_for(l.fd(), events);
    const base::unique_fd epoll(epoll_create1(EPOLL_CLOEXEC));
    epoll_event bell{EPOLLIN | EPOLLET, {}};
    epoll_event socket{events == POLLIN ? EPOLLIN : 0U, {}};
    epoll_event got[2];
    if (epoll_ctl(epoll.get(), EPOLL_CTL_ADD, l.bell(), &bell) != 0) return false;
    epoll_wait(epoll.get(), got, 2, 0);  // rings from before do not count
    if (events == POLLIN ? !l.prepare_to_sleep() : l.has_news()) return true;
    if (epoll_ctl(epoll.get(), EPOLL_CTL_ADD, l.fd(), &socket) != 0) return false;
    int n;
    do n = epoll_wait(epoll.get(), got, 2, 10'000);
    while (n < 0 && errno == EINTR);
    if (n == 0)
        std::fprintf(stderr, "no bell, waiting to %s; there is %s\n",
                     events == POLLIN ? "read" : "write", l.has_news() ? "news" : "none");
    return n > 0;
}

/// Waits until the attempt is decided; returns its errno, 0 if the link is up.
inline int finish(link& l) {
    io_result r;
    while ((r = l.finish_connect()).state == io_state::would_block)
        wait_for(l.fd(), l.awaits_reply() ? POLLIN : POLLOUT);
    return r.state == io_state::ok ? 0 : r.error;
}

inline std::unique_ptr<link> must_accept(listener& l) {
    for (;;) {
        auto a = l.accept();
        if (a.state == io_state::ok) return std::move(a.link);
        if (a.state != io_state::would_block || !wait_for(l.fd(), POLLIN)) return nullptr;
    }
}

struct link_pair {
    std::unique_ptr<link> client;
    std::unique_ptr<link> server;
};

inline link_pair connect_through(listener& l, const connect_options& options = {}) {
    link_pair pair;
    pair.client = open_link(l.local(), options).value();
    pair.server = must_accept(l);
    // The first read answers the offer of shared memory, if there is one.
    std::byte none;
    EXPECT_EQ(pair.server->read({&none, 1}).state, io_state::would_block);
    EXPECT_EQ(finish(*pair.client), 0);
    return pair;
}

/// Sends everything; false if the connection ends first.
inline bool send_all(link& l, bytes_view data) {
    while (!data.empty()) {
        const base::segment segment{data.data(), data.size()};
        const io_result r = l.write({&segment, 1});
        if (r.state == io_state::would_block) {
            if (!wait_for(l, POLLOUT)) return false;
        } else if (r.state != io_state::ok) {
            return false;
        }
        data = data.subspan(r.n);
    }
    return true;
}

/// Receives `n` bytes, fewer if the connection ends first.
inline bytes receive(link& l, std::size_t n) {
    bytes out(n);
    std::size_t have = 0;
    while (have < n) {
        const io_result r = l.read(std::span(out).subspan(have));
        if (r.state == io_state::would_block) {
            if (!wait_for(l, POLLIN)) break;
        } else if (r.state != io_state::ok) {
            break;
        }
        have += r.n;
    }
    out.resize(have);
    return out;
}

/// The first state of read() other than would_block.
inline io_result read_end(link& l) {
    std::byte b;
    io_result r;
    while ((r = l.read({&b, 1})).state == io_state::would_block)
        if (!wait_for(l, POLLIN)) break;
    return r;
}

}  // namespace tenon::inline v0::transport::test
