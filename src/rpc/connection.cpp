#include "rpc/connection.hpp"

#include <sched.h>

#include <array>

namespace tenon::inline v0::rpc {

connection::connection(loop::event_loop& loop) : pollable(true), loop_(loop) {}

connection::input connection::read_some() noexcept {
    const auto space = reader_.space();
    const transport::io_result r = link_->read(space);
    switch (r.state) {
        case transport::io_state::ok:
            reader_.commit(r.n);
            bytes_in_.store(bytes_in_.load(std::memory_order_relaxed) + r.n,
                            std::memory_order_relaxed);
            short_read_ = r.n < space.size();
            return input::more;
        case transport::io_state::would_block: return input::drained;
        default: return input::ended;
    }
}

std::optional<wire::frame> connection::next_frame(std::string_view& refused) {
    const auto bytes = reader_.next();
    if (!bytes) {
        refused = reader_.error();
        return std::nullopt;
    }
    auto frame = wire::parse_frame(*bytes);
    if (!frame) {
        refused_ = frame.error().message();
        refused = refused_;
        return std::nullopt;
    }
    return *frame;
}

void connection::kick(bool processing) {
    if (loop_.in_loop_thread()) {
        if (processing) return;
        if (loop::claim own(loop_); own) return loop_.defer(flush_work_);
    }
    flush();
}

loop::turn connection::flush_on_loop(loop::event_loop&) {
    flush();
    return loop::turn::done;
}

void connection::flush(bool has_room) noexcept {
    bool moved = false;
    bool stuck = false;
    {
        std::unique_lock lock(mutex_);
        if (writing_ || !connected_ || broken_ || !session_ || (blocked_ && !has_room)) return;
        writing_ = true;
        wire::output_queue& out = session_->out();
        std::array<base::segment, transport::link::max_segments> segments;
        while (!out.empty()) {
            const std::size_t n = out.gather(segments);
            lock.unlock();
            const transport::io_result r = link_->write({segments.data(), n});
            lock.lock();
            if (r.state == transport::io_state::ok) {
                out.consume(r.n);
                bytes_out_ += r.n;
                moved |= blocked_ || starved_;
                blocked_ = false;
                continue;
            }
            if (r.state == transport::io_state::would_block) {
                if (!blocked_) blocked_since_ = loop_.time().now();
                blocked_ = stuck = true;
            } else {
                // The reader finds out and closes.
                broken_ = true;
                link_->shutdown();
            }
            break;
        }
        writing_ = false;
    }
    if (stuck) output_blocked();
    else if (moved) output_moved();
}

void connection::close_link(std::unique_lock<base::mutex>& lock) noexcept {
    connected_ = false;
    while (writing_) {
        lock.unlock();
        sched_yield();
        lock.lock();
    }
    link_.reset();
    blocked_ = broken_ = false;
}

}  // namespace tenon::inline v0::rpc
