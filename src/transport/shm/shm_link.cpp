#include "transport/shm/shm_link.hpp"

#include <fcntl.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <bit>
#include <cerrno>
#include <charconv>
#include <new>
#include <string_view>

#include "transport/shm/memory.hpp"
#include "transport/shm/ring.hpp"
#include "transport/shm/segments.hpp"
#include "transport/socket_link.hpp"

namespace tenon::inline v0::transport::shm {
namespace {

// Beyond any address space, and a power of two.
constexpr std::size_t absurd_size = std::size_t{1} << 46;

bool is_ring_size(std::uint64_t n) noexcept {
    return n >= smallest_ring && n <= largest_ring && std::has_single_bit(n);
}

std::size_t size_class(std::size_t largest_segment) noexcept {
    return std::bit_ceil(std::clamp(largest_segment, smallest_segment, absurd_size));
}

// 0, EPROTO if it is no bell, or why that cannot be told. A bell must be nothing else: writing to a
// pipe or socket could raise SIGPIPE, or wait.
int check_bell(int fd) noexcept {
    constexpr std::string_view prefix = "/proc/self/fd/";
    std::array<char, 32> path{};
    char* const at = std::copy(prefix.begin(), prefix.end(), path.data());
    std::to_chars(at, path.data() + path.size() - 1, fd);
    std::array<char, 32> target{};
    const ssize_t n = ::readlink(path.data(), target.data(), target.size());
    if (n < 0) return errno;
    const std::string_view kind(target.data(), static_cast<std::size_t>(n));
    const int flags = ::fcntl(fd, F_GETFL);
    return kind == "anon_inode:[eventfd]" && flags >= 0 && (flags & O_NONBLOCK) != 0 ? 0 : EPROTO;
}

}  // namespace

// What this side brings: its memory, and the bell that wakes it.
struct shm_link::preparation {
    wire::budget_share budget;
    sealed_memory memory;
    base::unique_fd bell;

    int make(const shared_memory_options& options) noexcept {
        const std::size_t size = header_bytes + options.ring_size;
        if (!is_ring_size(options.ring_size)) return EINVAL;
        budget = wire::budget_share(options.budget.get());
        if (!budget.take(size)) return ENOMEM;
        memory = make_sealed(size);
        if (!memory.map) return memory.error;
        bell.reset(::eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC));
        return bell ? 0 : errno;
    }
};

struct shm_link::channel {
    channel(std::shared_ptr<const memory_pair> both, preparation& own, base::unique_fd peers_bell,
            int socket, const shared_memory_options& mine, const shared_memory_options& lent)
        : budget(std::move(own.budget)),
          memory(std::move(both)),
          own_bell(std::move(own.bell)),
          peer_bell(std::move(peers_bell)),
          out(memory->own_header(), memory->own.bytes().subspan(header_bytes),
              memory->peer_header(), peer_bell.get()),
          in(memory->own_header(), memory->peer_header(),
             memory->peer.bytes().subspan(header_bytes), peer_bell.get()),
          pool(std::make_shared<segment_pool>(memory, socket, lent)),
          borrowed(memory, mine) {}

    const wire::budget_share budget;
    const std::shared_ptr<const memory_pair> memory;
    const base::unique_fd own_bell;
    const base::unique_fd peer_bell;
    ring_writer out;
    ring_reader in;
    const std::shared_ptr<segment_pool> pool;
    borrowed_segments borrowed;
};

shm_link::shm_link(base::unique_fd fd, peer_identity peer, const shared_memory_options& options)
    : link(std::move(fd), std::move(peer)), options_(options), owner_(::getpid()) {}

shm_link::~shm_link() {
    // A forked child leaves the memory alone, which is still its parent's.
    if (!channel_ || owner_ != ::getpid()) return;
    channel_->out.finish();
    channel_->pool->detach();
}

bool shm_link::decide(mode from, mode to) noexcept {
    // Release: the channel is complete. Against a server's writer that does not wait for the first
    // read, and so makes the link plain.
    return mode_.compare_exchange_strong(from, to, std::memory_order_acq_rel);
}

io_result shm_link::fail(int error) noexcept {
    error_.store(error, std::memory_order_relaxed);
    ::shutdown(fd_.get(), SHUT_RDWR);
    return {io_state::failed, 0, error};
}

// The handshake.

message shm_link::terms(message_type type) const noexcept {
    return {type, version, options_.ring_size, size_class(options_.largest_segment),
            options_.link_limit};
}

int shm_link::offer(bool insists, bool expected) noexcept {
    insists_ = insists;
    expected_ = expected;
    offered_.reset(new (std::nothrow) preparation);
    int error = offered_ ? offered_->make(options_) : ENOMEM;
    if (error == 0) {
        const std::array fds{offered_->memory.fd.get(), offered_->bell.get()};
        error = send_message(fd_.get(), terms(message_type::offer), fds);
    }
    if (offered_) offered_->memory.fd.reset();
    decide(mode::undecided, error == 0 ? mode::offered : mode::plain);
    if (error != 0) offered_.reset();
    return error;
}

io_result shm_link::attempt_failed(int error) noexcept {
    connect_error_ = error;
    offered_.reset();
    return {io_state::failed, 0, error};
}

io_result shm_link::finish_connect() noexcept {
    if (current() != mode::offered) return {};
    if (connect_error_ != 0) return {io_state::failed, 0, connect_error_};
    received r = receive_message(fd_.get());
    switch (r.what) {
        case received::outcome::nothing: return {io_state::would_block, 0, 0};
        case received::outcome::failed:
            if (r.error == EPROTO) return attempt_failed(EPROTO);
            [[fallthrough]];
        case received::outcome::end:
            // One that knows no offers takes it for a mistake and leaves.
            return attempt_failed(expected_ ? ECONNRESET : EPROTONOSUPPORT);
        case received::outcome::foreign:
            // A server that does not listen first says why it ends.
            decide(mode::offered, mode::plain);
            return {};
        case received::outcome::message: break;
    }
    if (r.message.type == message_type::refuse) {
        if (insists_)
            return attempt_failed(
                static_cast<refusal>(r.message.a) == refusal::resources ? ENOMEM : EPROTONOSUPPORT);
        offered_.reset();
        decide(mode::offered, mode::plain);
        return {};
    }
    if (r.message.type != message_type::accept || r.message.a != version)
        return attempt_failed(EPROTO);
    if (const int error = share(*offered_, r); error != 0) return attempt_failed(error);
    offered_.reset();
    decide(mode::offered, mode::shared);
    return {};
}

bool shm_link::awaits_reply() const noexcept { return current() == mode::offered; }

// Makes the channel from what both sides brought. EPROTO, or why this side cannot.
int shm_link::share(preparation& own, received& peers) noexcept {
    const message& m = peers.message;
    if (peers.error != 0) return peers.error;
    if (!is_ring_size(m.b)) return EPROTO;
    if (const int error = check_bell(peers.fds[1].get()); error != 0) return error;
    mapped_memory mapped = map_sealed(peers.fds[0].get(), header_bytes + m.b);
    if (!mapped.map) return mapped.error;
    // What we lend must fit what the peer accepts.
    shared_memory_options lent = options_;
    lent.largest_segment =
        std::min<std::uint64_t>(size_class(options_.largest_segment), std::bit_floor(m.c));
    lent.link_limit = std::min<std::uint64_t>(options_.link_limit, m.d);
    try {
        auto both = std::make_shared<memory_pair>();
        both->own = std::move(own.memory.map);
        both->peer = std::move(mapped.map);
        channel_ = std::make_unique<channel>(std::move(both), own, std::move(peers.fds[1]),
                                             fd_.get(), options_, lent);
    } catch (const std::bad_alloc&) {
        return ENOMEM;
    }
    bell_ = channel_->own_bell.get();
    return 0;
}

io_result shm_link::read_first(std::span<std::byte> into) noexcept {
    if (const int error = error_.load(std::memory_order_relaxed); error != 0)
        return {io_state::failed, 0, error};
    if (into.empty()) return {};
    received r = receive_message(fd_.get());
    switch (r.what) {
        case received::outcome::nothing: return {io_state::would_block, 0, 0};
        case received::outcome::failed: return fail(r.error);
        case received::outcome::message: return answer(r, into);
        case received::outcome::end:
        case received::outcome::foreign: break;
    }
    decide(mode::undecided, mode::plain);
    return read_socket(fd_.get(), into);
}

io_result shm_link::refuse(refusal why, std::span<std::byte> into) noexcept {
    if (decide(mode::undecided, mode::plain)) {
        const message m{message_type::refuse, static_cast<std::uint32_t>(why)};
        if (const int error = send_message(fd_.get(), m, {}); error != 0) return fail(error);
    }
    return read_socket(fd_.get(), into);
}

io_result shm_link::answer(received& offer, std::span<std::byte> into) noexcept {
    if (offer.message.type != message_type::offer) return fail(EPROTO);
    if (!peer_.has_credentials || peer_.uid != ::geteuid())
        return refuse(refusal::other_user, into);
    if (offer.message.a != version) return refuse(refusal::version, into);
    preparation own;
    if (offer.error != 0 || own.make(options_) != 0) return refuse(refusal::resources, into);
    if (const int error = share(own, offer); error != 0)
        return error == EPROTO ? fail(error) : refuse(refusal::resources, into);
    if (!decide(mode::undecided, mode::shared)) {
        bell_ = -1;
        channel_.reset();
        return read_socket(fd_.get(), into);
    }
    const std::array fds{own.memory.fd.get(), bell_};
    if (const int error = send_message(fd_.get(), terms(message_type::accept), fds); error != 0)
        return fail(error);
    return read_shared(into);
}

// Both kinds.

io_result shm_link::read(std::span<std::byte> into) noexcept {
    switch (current()) {
        case mode::shared: return read_shared(into);
        case mode::undecided: return read_first(into);
        case mode::offered: return {io_state::would_block, 0, 0};
        case mode::plain: break;
    }
    return read_socket(fd_.get(), into);
}

io_result shm_link::write(std::span<const base::segment> segments) noexcept {
    mode m = current();
    if (m == mode::undecided) {
        if (const int error = error_.load(std::memory_order_relaxed); error != 0)
            return {io_state::failed, 0, error};
        decide(mode::undecided, mode::plain);
        m = current();
    }
    if (m == mode::shared) return write_shared(segments);
    if (m == mode::offered) return {io_state::would_block, 0, 0};
    return write_socket(fd_.get(), segments);
}

void shm_link::finish_writes() noexcept {
    // First the flag: who finds the socket at its end finds the flag, and takes it for order.
    if (current() == mode::shared) channel_->out.finish();
    ::shutdown(fd_.get(), SHUT_WR);
}

void shm_link::shutdown() noexcept {
    if (current() == mode::shared) {
        down_.store(true, std::memory_order_relaxed);
        channel_->out.finish();
    }
    ::shutdown(fd_.get(), SHUT_RDWR);
}

// Shared memory.

io_result shm_link::read_shared(std::span<std::byte> into) noexcept {
    if (const int error = error_.load(std::memory_order_relaxed); error != 0)
        return {io_state::failed, 0, error};
    if (into.empty()) return {};
    ring_reader& in = channel_->in;
    const bool slept = in.is_asleep();
    const ring_reader::outcome r = in.read(into);
    switch (r.what) {
        case ring_reader::state::ok: return {io_state::ok, r.n, 0};
        case ring_reader::state::broken: return fail(EPROTO);
        case ring_reader::state::finished:
            peer_finished_.store(true, std::memory_order_relaxed);
            return {io_state::closed, 0, 0};
        case ring_reader::state::empty: break;
    }
    // Nothing in memory: it was the socket that woke us, if anything did.
    if (slept || socket_ended_) return look_at_socket(into);
    if (down_.load(std::memory_order_relaxed)) return {io_state::closed, 0, 0};
    return {io_state::would_block, 0, 0};
}

io_result shm_link::look_at_socket(std::span<std::byte> into) noexcept {
    drain_socket();
    if (const int error = error_.load(std::memory_order_relaxed); error != 0)
        return {io_state::failed, 0, error};
    if (!socket_ended_) return {io_state::would_block, 0, 0};
    // What the peer did before its end is all in memory now.
    const ring_reader::outcome r = channel_->in.read(into);
    if (r.what == ring_reader::state::ok) return {io_state::ok, r.n, 0};
    if (r.what == ring_reader::state::broken) return fail(EPROTO);
    if (r.what == ring_reader::state::empty && !down_.load(std::memory_order_relaxed))
        return fail(ECONNRESET);
    peer_finished_.store(true, std::memory_order_relaxed);
    return {io_state::closed, 0, 0};
}

// Reader. False: the socket has ended, the link has failed, or there is more.
bool shm_link::drain_socket() noexcept {
    // A peer cannot keep us here by sending without end.
    constexpr int most_messages = 4 * static_cast<int>(max_segment_slots);
    if (socket_ended_) return false;
    for (int i = 0; i < most_messages; ++i) {
        received r = receive_message(fd_.get());
        switch (r.what) {
            case received::outcome::nothing: return true;
            case received::outcome::foreign: fail(EPROTO); return false;
            case received::outcome::failed:
                if (r.error == EPROTO) {
                    fail(EPROTO);
                    return false;
                }
                [[fallthrough]];
            case received::outcome::end: socket_ended_ = true; return false;
            case received::outcome::message: break;
        }
        if (const int error = take_message(r); error != 0) {
            fail(error);
            return false;
        }
    }
    return false;
}

int shm_link::take_message(received& r) noexcept {
    if (r.error != 0) return r.error;
    borrowed_segments& segments = channel_->borrowed;
    if (r.message.type == message_type::segment)
        return segments.announce(r.message.a, r.message.b, std::move(r.fds[0]));
    if (r.message.type == message_type::forget) return segments.forget(r.message.a);
    return EPROTO;
}

// Whether the peer has closed its socket; asked only where memory does not tell.
bool shm_link::is_gone() const noexcept {
    pollfd p{fd_.get(), 0, 0};
    return ::poll(&p, 1, 0) == 1 && (p.revents & (POLLHUP | POLLERR)) != 0;
}

io_result shm_link::write_shared(std::span<const base::segment> segments) noexcept {
    if (const int error = error_.load(std::memory_order_relaxed); error != 0)
        return {io_state::failed, 0, error};
    constexpr io_result closed{io_state::closed, 0, EPIPE};
    if (peer_gone_ || down_.load(std::memory_order_relaxed)) return closed;
    if (peer_finished_.load(std::memory_order_relaxed) && (peer_gone_ = is_gone())) return closed;
    const ring_writer::outcome r =
        channel_->out.write(segments.first(std::min(segments.size(), max_segments)));
    switch (r.what) {
        case ring_writer::state::ok: return {io_state::ok, r.n, 0};
        case ring_writer::state::full:
            // There will never be room if nobody reads.
            if ((peer_gone_ = is_gone())) return closed;
            return {io_state::would_block, 0, 0};
        case ring_writer::state::broken: break;
    }
    return fail(EPROTO);
}

bool shm_link::has_news() const noexcept {
    return current() == mode::shared &&
           (channel_->in.has_bytes() || channel_->out.has_room_again());
}

bool shm_link::prepare_to_sleep() noexcept {
    // After the end of the peer's stream there is nothing more to come.
    if (current() != mode::shared || peer_finished_.load(std::memory_order_relaxed)) return true;
    if (!channel_->in.sleep()) return false;
    if (drain_socket()) return true;
    channel_->in.wake();
    return false;
}

std::shared_ptr<lending> shm_link::memory() const noexcept {
    return current() == mode::shared ? channel_->pool : nullptr;
}

std::optional<block_reference> shm_link::pass(base::block& b, std::size_t size) noexcept {
    if (current() != mode::shared) return std::nullopt;
    return channel_->pool->pass(b, size);
}

void shm_link::recall(const block_reference& r) noexcept {
    if (current() == mode::shared) channel_->pool->recall(r);
}

base::block_ref shm_link::borrow(const block_reference& r) noexcept {
    if (current() != mode::shared || error_.load(std::memory_order_relaxed) != 0) return {};
    // It was announced before the reference was sent.
    if (!channel_->borrowed.knows(r.segment)) drain_socket();
    base::block_ref b = channel_->borrowed.borrow(r);
    if (!b && error_.load(std::memory_order_relaxed) == 0) fail(EPROTO);
    return b;
}

void shm_link::trim() noexcept {
    if (current() == mode::shared) channel_->pool->trim();
}

}  // namespace tenon::inline v0::transport::shm
