#pragma once
// What the tests of links over shared memory share.

#include <fcntl.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <initializer_list>
#include <string>
#include <vector>

#include "transport/shm/layout.hpp"
#include "transport/shm/memory.hpp"
#include "transport/shm/message.hpp"
#include "transport/test_support.hpp"

namespace tenon::inline v0::transport::shm::test {

using namespace transport::test;

inline connect_options sharing(shared_memory_options o = {}) {
    o.allowed = true;
    return {o};
}

inline listen_options willing(shared_memory_options o = {}) {
    o.allowed = true;
    listen_options l;
    l.shared_memory = o;
    return l;
}

/// What a process must have given back in the end.
struct holdings {
    std::size_t fds = 0;
    std::size_t maps = 0;  ///< of shared memory

    static holdings now() {
        holdings h;
        for ([[maybe_unused]] const auto& e : std::filesystem::directory_iterator("/proc/self/fd"))
            ++h.fds;
        std::ifstream maps("/proc/self/maps");
        for (std::string line; std::getline(maps, line);)
            h.maps += line.find("memfd:tenon") != std::string::npos;
        return h;
    }
    friend bool operator==(const holdings&, const holdings&) = default;
};

inline void PrintTo(const holdings& h, std::ostream* out) {
    *out << h.fds << " descriptors, " << h.maps << " maps";
}

/// Moves a loan with `size` bytes of `what` from one link to the other.
inline base::block_ref hand_over(link& from, link& to, std::size_t size, std::byte what) {
    base::block_ref loan = from.memory()->lend(size);
    if (!loan) return {};
    std::memset(loan->room().data(), static_cast<int>(what), size);
    const auto reference = from.pass(*loan.get(), size);
    return reference ? to.borrow(*reference) : base::block_ref();
}

/// A client made by hand, which keeps to the rules only as far as a test wants it to.
class raw_client {
public:
    static constexpr std::size_t ring = 4096;

    explicit raw_client(const std::string& path) {
        socket.reset(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
        sockaddr_un address{};
        address.sun_family = AF_UNIX;
        std::strcpy(address.sun_path, path.c_str());
        EXPECT_EQ(::connect(socket.get(), reinterpret_cast<sockaddr*>(&address), sizeof address),
                  0);
    }

    static message honest_offer() {
        return {message_type::offer, version, ring, std::size_t{64} << 20, std::size_t{256} << 20};
    }
    int send(const message& m, std::initializer_list<int> fds = {}) {
        return send_message(socket.get(), m, {fds.begin(), fds.size()});
    }
    void offer() { ASSERT_EQ(send(honest_offer(), {memory.fd.get(), bell.get()}), 0); }

    header& own() { return *reinterpret_cast<header*>(memory.map.data()); }

    base::unique_fd socket;
    sealed_memory memory = make_sealed(header_bytes + ring);
    base::unique_fd bell{eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC)};
};

inline base::unique_fd memfd(std::size_t size, int seals) {
    base::unique_fd fd(::memfd_create("tenon", MFD_CLOEXEC | MFD_ALLOW_SEALING));
    EXPECT_EQ(::ftruncate(fd.get(), static_cast<off_t>(size)), 0);
    EXPECT_EQ(::fcntl(fd.get(), F_ADD_SEALS, seals), 0);
    return fd;
}

}  // namespace tenon::inline v0::transport::shm::test
