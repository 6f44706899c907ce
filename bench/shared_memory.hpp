#pragma once
// Plain shared memory for the floors: a segment that two processes map, a bell for who sleeps, and
// a ring of records. Both sides trust each other, which is what makes it a floor.

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>

#include "harness.hpp"

namespace bench {

/// How a side waits for the other: polling only, polling for floor_spin_time and then sleeping, or
/// sleeping at once.
enum class waiting { spin, hybrid, futex };

inline constexpr std::size_t page_size = 4096;

/// Memory that the server makes and the client, told the spelling, maps as well. It is faulted in.
class segment {
public:
    explicit segment(std::size_t size);
    explicit segment(const std::string& endpoint);
    segment(const segment&) = delete;
    segment& operator=(const segment&) = delete;

    /// For the client to open, while this process lives.
    std::string endpoint() const;
    int fd() const { return fd_; }
    std::byte* data() const { return data_; }
    std::size_t size() const { return size_; }

private:
    void map();

    int fd_;
    std::size_t size_;
    std::byte* data_ = nullptr;
};

/// One per side, in shared memory that is zero in the beginning.
struct alignas(64) bell {
    std::atomic<std::uint32_t> sleeping;
};

/// Waiting of one side, and waking of the other.
class bell_keeper {
public:
    bell_keeper(waiting how, bell& own, bell& others) : how_(how), own_(own), others_(others) {}

    /// Everything stored before is seen by the other side, which is awake then.
    void ring() {
        if (how_ == waiting::spin) return;
        // Pairs with the fence in sleep(): either this side sees that the other sleeps, or the
        // other sees what was stored.
        std::atomic_thread_fence(std::memory_order_seq_cst);
        if (others_.sleeping.load(std::memory_order_relaxed) != 0) wake();
    }

    template <class Ready>
    void wait_until(const Ready& ready) {
        if (ready() || (how_ != waiting::futex && spin(ready))) return;
        for (;;) {
            own_.sleeping.store(1, std::memory_order_relaxed);
            std::atomic_thread_fence(std::memory_order_seq_cst);
            if (ready()) break;
            sleep();
        }
        own_.sleeping.store(0, std::memory_order_relaxed);
    }

private:
    static constexpr int polls_per_reading = 64;  // of the clock

    template <class Ready>
    bool spin(const Ready& ready) {
        const auto end = spin_end();
        do {
            for (int i = 0; i < polls_per_reading; ++i) {
                if (ready()) return true;
                pause();
            }
        } while (how_ == waiting::spin || clock::now() < end);
        return false;
    }

    static clock::time_point spin_end();
    static void pause() {
#if defined(__x86_64__) || defined(__i386__)
        __builtin_ia32_pause();
#endif
    }
    void wake();
    void sleep();

    waiting how_;
    bell& own_;
    bell& others_;
};

/// Records from one side to the other. The data area is mapped twice in a row, so that no record
/// wraps.
class ring {
public:
    /// What a ring takes in a segment; the capacity is a power of two of at least a page.
    static std::size_t space(std::size_t capacity) { return page_size + capacity; }
    static std::size_t record_size(std::size_t payload) {
        return (sizeof(std::uint64_t) + payload + 7) & ~std::size_t{7};
    }

    /// At this offset of the segment; both sides make one.
    ring(const segment& in, std::size_t offset, std::size_t capacity);

    /// For the producer. False if there is no room.
    bool push(std::span<const std::byte> payload);
    bool has_room(std::size_t payload);
    /// Shows the consumer what has been pushed.
    void publish() { control_->written.store(written_, std::memory_order_release); }

    /// For the consumer. False if the ring is empty; the payload stays until it is popped.
    bool front(std::span<const std::byte>& payload);
    bool is_empty();
    void pop(std::span<const std::byte> payload) {
        consumed_ += record_size(payload.size());
        control_->consumed.store(consumed_, std::memory_order_release);
    }

private:
    struct control {
        alignas(64) std::atomic<std::uint64_t> written;
        alignas(64) std::atomic<std::uint64_t> consumed;
    };

    std::size_t capacity_;
    control* control_;
    std::byte* data_;
    std::uint64_t written_ = 0;         // producer only
    std::uint64_t known_consumed_ = 0;  // producer only
    std::uint64_t consumed_ = 0;        // consumer only
    std::uint64_t known_written_ = 0;   // consumer only
};

}  // namespace bench
