#pragma once
// The link over a Unix socket that may turn into one over shared memory.
//
// A client offers, and is `offered` until the server has answered. A server is `undecided` until it
// has read the first byte: an offer, or the beginning of what goes over the socket as always. From
// then on the link is `plain` or `shared` for good. Once shared, bytes go through the rings; the
// socket carries segments, and its end is the end of the peer.

#include <sys/types.h>

#include <atomic>
#include <memory>

#include "transport/link.hpp"
#include "transport/shared_memory.hpp"
#include "transport/shm/message.hpp"

namespace tenon::inline v0::transport::shm {

class shm_link final : public link {
public:
    /// A connected Unix socket, undecided.
    shm_link(base::unique_fd fd, peer_identity peer, const shared_memory_options& options);
    ~shm_link() override;

    /// Client, first of all: makes the memory and offers it. `insists`: the link is to be shared or
    /// to fail. `expected`: the server has said that it answers offers. Else an errno, and the
    /// link is plain.
    int offer(bool insists, bool expected) noexcept;

    io_result read(std::span<std::byte> into) noexcept override;
    io_result write(std::span<const base::segment> segments) noexcept override;
    io_result finish_connect() noexcept override;
    void finish_writes() noexcept override;
    void shutdown() noexcept override;

    bool has_news() const noexcept override;
    bool prepare_to_sleep() noexcept override;
    bool awaits_reply() const noexcept override;

    std::shared_ptr<lending> memory() const noexcept override;
    std::optional<block_reference> pass(base::block& b, std::size_t size) noexcept override;
    void recall(const block_reference& r) noexcept override;
    base::block_ref borrow(const block_reference& r) noexcept override;
    void trim() noexcept override;

private:
    enum class mode : std::uint8_t { undecided, offered, plain, shared };
    struct preparation;
    struct channel;

    // Acquire: whoever finds it shared finds the channel complete.
    mode current() const noexcept { return mode_.load(std::memory_order_acquire); }
    bool decide(mode from, mode to) noexcept;
    io_result fail(int error) noexcept;
    io_result attempt_failed(int error) noexcept;

    io_result read_first(std::span<std::byte> into) noexcept;
    io_result refuse(refusal why, std::span<std::byte> into) noexcept;
    io_result answer(received& offer, std::span<std::byte> into) noexcept;
    int share(preparation& own, received& peers) noexcept;
    message terms(message_type type) const noexcept;

    io_result read_shared(std::span<std::byte> into) noexcept;
    io_result write_shared(std::span<const base::segment> segments) noexcept;
    io_result look_at_socket(std::span<std::byte> into) noexcept;
    bool drain_socket() noexcept;
    int take_message(received& r) noexcept;
    bool is_gone() const noexcept;

    const shared_memory_options options_;
    const pid_t owner_;
    std::atomic<mode> mode_{mode::undecided};
    bool insists_ = false;
    bool expected_ = false;
    int connect_error_ = 0;
    std::unique_ptr<preparation> offered_;
    std::unique_ptr<channel> channel_;  // complete before mode_ says shared, constant afterwards

    // Once shared.
    std::atomic<int> error_{0};               // the link has failed
    std::atomic<bool> down_{false};           // shutdown() was called
    std::atomic<bool> peer_finished_{false};  // the end of its stream has been read
    bool socket_ended_ = false;               // reader
    bool peer_gone_ = false;                  // writer
};

}  // namespace tenon::inline v0::transport::shm
