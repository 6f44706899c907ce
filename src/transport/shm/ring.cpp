#include "transport/shm/ring.hpp"

#include <unistd.h>

#include <algorithm>
#include <cstring>

#if defined(__SANITIZE_THREAD__)
#include <sanitizer/tsan_interface.h>
#endif

namespace tenon::inline v0::transport::shm {
namespace {

#if defined(__SANITIZE_THREAD__)
// The sanitizer does not see that both ends of a link within one process are the same memory, mapped
// twice. It is told what it knows of sockets: who reads comes after all who have written.
char written;
void note_write() noexcept { __tsan_release(&written); }
void note_read() noexcept { __tsan_acquire(&written); }
#else
void note_write() noexcept {}
void note_read() noexcept {}
#endif

}  // namespace

void ring_bell(int bell) noexcept {
    const std::uint64_t one = 1;
    // It fails only if the peer has filled its own bell: then it is up to it to look.
    [[maybe_unused]] const ssize_t n = ::write(bell, &one, sizeof one);
}

// Writer.

ring_writer::outcome ring_writer::write(std::span<const base::segment> segments) noexcept {
    std::size_t wanted = 0;
    for (const base::segment& s : segments) wanted += s.size;
    if (wanted == 0) return {};
    if (room() < wanted) {
        const state s = make_room();
        if (s != state::ok) return {s, 0};
    }
    std::size_t left = std::min(room(), wanted);
    const std::size_t n = left;
    for (const base::segment& s : segments) {
        const std::size_t part = std::min(s.size, left);
        copy_in(s.data, part);
        left -= part;
        if (left == 0) break;
    }
    if (published_ != produced_) publish();
    return {state::ok, n};
}

// Looks up how far the peer has read. False if that cannot be.
bool ring_writer::learn_consumed(std::memory_order order) noexcept {
    const std::uint64_t now = peer_.consumed.load(order);
    // At least what it was, at most what we have written; both differences are below the ring's size
    // otherwise, so unsigned arithmetic decides.
    if (now - consumed_ > produced_ - consumed_) return false;
    consumed_ = now;
    return true;
}

ring_writer::state ring_writer::make_room() noexcept {
    // Acquire: the reader has read the bytes that we are going to overwrite.
    if (!learn_consumed(std::memory_order_acquire)) return state::broken;
    if (room() == 0) {
        // The writer's half of the bell protocol; only this thread writes the word, so a store will do.
        if ((room_wanted_ & 1) == 0)
            own_.room_wanted.store(++room_wanted_, std::memory_order_seq_cst);
        if (!learn_consumed(std::memory_order_seq_cst)) return state::broken;
        if (room() == 0) {
            stuck_at_.store(consumed_, std::memory_order_relaxed);
            return state::full;
        }
    }
    if ((room_wanted_ & 1) != 0) {
        // Relaxed: seen late it costs one bell for nothing.
        own_.room_wanted.store(++room_wanted_, std::memory_order_relaxed);
        stuck_at_.store(not_stuck, std::memory_order_relaxed);
    }
    return state::ok;
}

void ring_writer::copy_in(const std::byte* from, std::size_t n) noexcept {
    while (n != 0) {
        const std::size_t at = produced_ & (ring_.size() - 1);
        const std::size_t part = std::min({n, ring_.size() - at, most_unpublished});
        std::memcpy(ring_.data() + at, from, part);
        produced_ += part;
        from += part;
        n -= part;
        if (produced_ - published_ >= most_unpublished) publish();
    }
}

void ring_writer::publish() noexcept {
    // The reader's bytes are complete before it can see them (release, as part of seq_cst), and the
    // index moves before we look whether the reader sleeps; see ring_reader::sleep.
    note_write();
    own_.produced.store(produced_, std::memory_order_seq_cst);
    published_ = produced_;
    const std::uint64_t asleep = peer_.asleep.load(std::memory_order_seq_cst);
    if ((asleep & 1) != 0 && asleep != rung_) {
        rung_ = asleep;
        ring_bell(bell_);
    }
}

// Reader.

ring_reader::outcome ring_reader::read(std::span<std::byte> into) noexcept {
    if (is_asleep()) wake();
    std::uint64_t at = consumed_.load(std::memory_order_relaxed);
    if (produced_ - at < into.size()) {
        // Before the bytes: what was written before the end is not missed.
        const bool finished = peer_.finished.load(std::memory_order_acquire) != 0;
        // Acquire: the bytes up to there are complete.
        const std::uint64_t now = peer_.produced.load(std::memory_order_acquire);
        note_read();
        // Not behind what it was, and no more than the ring holds.
        if (now - at > ring_.size() || now - at < produced_ - at) return {state::broken, 0};
        produced_ = now;
        if (now == at) {
            publish();
            return {finished ? state::finished : state::empty, 0};
        }
    }
    const std::size_t n = std::min(static_cast<std::size_t>(produced_ - at), into.size());
    for (std::size_t done = 0; done < n;) {
        const std::size_t from = at & (ring_.size() - 1);
        const std::size_t part = std::min({n - done, ring_.size() - from, ring_.size() / 4});
        std::memcpy(into.data() + done, ring_.data() + from, part);
        done += part;
        at += part;
        consumed_.store(at, std::memory_order_relaxed);
        // The writer learns of room in large steps; and at the latest when the ring is empty, by
        // the next read.
        if (at - published_ >= ring_.size() / 8) publish();
    }
    return {state::ok, n};
}

void ring_reader::publish() noexcept {
    const std::uint64_t at = consumed_.load(std::memory_order_relaxed);
    if (at == published_) return;
    published_ = at;
    const std::uint64_t before = peer_.room_wanted.load(std::memory_order_relaxed);
    // We have read the bytes before the writer may overwrite them (release, as part of seq_cst), and
    // the index moves before we look whether the writer wants room; see ring_writer::make_room.
    own_.consumed.store(at, std::memory_order_seq_cst);
    const std::uint64_t wanted = peer_.room_wanted.load(std::memory_order_seq_cst);
    if ((wanted & 1) != 0 && wanted != rung_) {
        // One that began to wait just now may have used this room before, and waits for more.
        if (wanted == before) rung_ = wanted;
        ring_bell(bell_);
    }
}

bool ring_reader::sleep() noexcept {
    publish();
    // The reader's half of the bell protocol; only this thread writes the word, so a store will do.
    if (!is_asleep()) own_.asleep.store(++asleep_, std::memory_order_seq_cst);
    const std::uint64_t at = consumed_.load(std::memory_order_relaxed);
    const bool news = peer_.produced.load(std::memory_order_seq_cst) != at ||
                      peer_.finished.load(std::memory_order_acquire) != 0;
    if (news) wake();
    return !news;
}

void ring_reader::wake() noexcept {
    // Relaxed: seen late it costs one bell for nothing.
    own_.asleep.store(++asleep_, std::memory_order_relaxed);
}

}  // namespace tenon::inline v0::transport::shm
