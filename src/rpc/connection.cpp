#include "rpc/connection.hpp"

#include <sched.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <utility>

#include "wire/endian.hpp"

namespace tenon::inline v0::rpc {

namespace {

// Larger data goes by reference over shared memory.
constexpr std::size_t inline_limit = std::size_t{64} * 1024;
// Streams that wait for room go on when less waits to be written.
constexpr std::size_t low_water = std::size_t{64} * 1024;
// Read along with the rest of a long frame, to be copied if it is the next one's data.
constexpr std::size_t ahead_of_part = std::size_t{8} * 1024;

transport::block_reference parse_reference(bytes_view data) noexcept {
    const std::byte* p = data.data();
    return {wire::load_be32(p), wire::load_be32(p + 4), wire::load_be64(p + 8)};
}

}  // namespace

connection::connection(loop::event_loop& loop) : pollable(true), loop_(loop) { loop_.add_tenant(); }

connection::input connection::read_some() noexcept {
    const std::size_t missing = reader_.part_missing();
    return missing != 0 ? read_part(missing) : read_ahead();
}

connection::input connection::read_ahead() noexcept {
    const auto space = reader_.space();
    const transport::io_result r = link_->read(space);
    return note_read(r, r.n, space.size());
}

// `ahead` of what was read went to the reader's space; there was room for `most`.
connection::input connection::note_read(const transport::io_result& r, std::size_t ahead,
                                        std::size_t most) noexcept {
    switch (r.state) {
        case transport::io_state::ok:
            reader_.commit(ahead);
            bytes_in_.store(bytes_in_.load(std::memory_order_relaxed) + r.n,
                            std::memory_order_relaxed);
            read_in_turn_ += r.n;
            short_read_ = r.n < most;
            return input::more;
        case transport::io_state::would_block: return input::drained;
        default: return input::ended;
    }
}

// The rest of a long frame goes to where its message is put together.
connection::input connection::read_part(std::size_t missing) noexcept {
    wire::session::room place;
    {
        const std::lock_guard lock(mutex_);
        if (session_) place = session_->take_room(reader_.part_stream(), missing);
    }
    if (place.n == 0) return read_ahead();
    const auto ahead = reader_.space().first(ahead_of_part);
    const transport::io_result r = link_->scatter(place.span(), ahead);
    const std::size_t wanted = place.n;
    const std::size_t n = r.state == transport::io_state::ok ? std::min(r.n, wanted) : 0;
    {
        const std::lock_guard lock(mutex_);
        if (session_) session_->put_room(std::move(place), n);
    }
    reader_.skip(n);
    // Filled to the brim: the link may have stopped there.
    return note_read(r, r.n - n, r.n == wanted ? wanted : wanted + ahead.size());
}

std::optional<wire::frame> connection::next_frame(std::string_view& refused) {
    incoming_.reset();
    const auto bytes = reader_.next();
    if (!bytes) {
        refused = reader_.error();
        if (reader_.has_part()) return reader_.next_part();
        return std::nullopt;
    }
    auto frame = wire::parse_frame(*bytes);
    if (!frame) {
        refused_ = frame.error().message();
        refused = refused_;
        return std::nullopt;
    }
    if (frame->has(wire::flag::by_reference) && wire::may_be_cut(frame->type) && is_shared() &&
        !look_up(*frame)) {
        refused = "a reference to memory that was not passed";
        return std::nullopt;
    }
    return *frame;
}

// The data of the frame becomes what it refers to.
bool connection::look_up(wire::frame& f) {
    if (f.data.size() != wire::reference_size || f.has(wire::flag::follows)) return false;
    const transport::block_reference r = parse_reference(f.data);
    if (r.size > longest_reference_) return false;
    incoming_ = link_->borrow(r);
    if (!incoming_) return false;
    f.data = incoming_->room().first(r.size);
    return true;
}

bool connection::keep_looking() noexcept {
    if (!loop_.watch_bell(*this, link_->bell())) return false;
    loop_.keep_looking(*this);
    return true;
}

base::block_ref connection::lend(std::size_t size) {
    std::shared_ptr<transport::lending> memory;
    {
        const std::lock_guard lock(mutex_);
        memory = memory_;
    }
    return memory ? memory->lend(size) : base::block_ref();
}

blob connection::loan(std::size_t size) {
    base::block_ref lent = lend(size);
    if (!lent) return blob(size);
    const bytes_view part = lent->room().first(size);
    return base::make_blob(std::move(lent), part);
}

base::block_ref connection::place(const wire::outgoing& data) {
    if (data.data.size() <= inline_limit) return {};
    if (data.block && data.block->kind() == base::block::memory::lent_out &&
        data.block->room().data() == data.data.data())
        return base::block_ref::share(data.block);
    base::block_ref placed = lend(data.data.size());
    if (placed) std::memcpy(placed->room().data(), data.data.data(), data.data.size());
    return placed;
}

wire::outgoing connection::passed(const base::block_ref& placed, const wire::outgoing& data,
                                  std::array<std::byte, wire::reference_size>& reference) noexcept {
    if (!placed || !link_) return data;
    const auto r = link_->pass(*placed.get(), data.data.size());
    if (!r) return data;
    std::byte* p = wire::store_be32(reference.data(), r->segment);
    wire::store_be64(wire::store_be32(p, r->use), r->size);
    wire::outgoing out(reference);
    out.by_reference = true;
    return out;
}

void connection::not_sent(const wire::outgoing& data) noexcept {
    if (data.by_reference && link_) link_->recall(parse_reference(data.data));
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
    bool drained = false;
    {
        std::unique_lock lock(mutex_);
        if (writing_ && has_room) room_seen_ = true;
        if (writing_ || !connected_ || broken_ || !session_ || (blocked_ && !has_room)) return;
        writing_ = true;
        room_seen_ = false;
        wire::output_queue& out = session_->out();
        std::array<base::segment, transport::link::max_segments> segments;
        while (!out.empty()) {
            const std::size_t n = out.gather(segments);
            lock.unlock();
            const transport::io_result r = link_->write({segments.data(), n});
            lock.lock();
            ++writes_;
            if (r.state == transport::io_state::ok) {
                out.consume(r.n);
                bytes_out_ += r.n;
                moved |= blocked_ || starved_;
                blocked_ = false;
                continue;
            }
            if (r.state == transport::io_state::would_block) {
                const bool is_new = !std::exchange(blocked_, true);
                if (is_new) blocked_since_ = loop_.time().now();
                // A bell rings once. Whoever heard it before just now did not know that it was for
                // this, or found this thread writing.
                if (std::exchange(room_seen_, false) || (is_new && link_->is_shared())) continue;
                stuck = true;
            } else {
                // The reader finds out and closes.
                broken_ = true;
                link_->shutdown();
            }
            break;
        }
        writing_ = false;
        if (!room_queue_.empty() || notes_) [[unlikely]]
            drained = (!room_queue_.empty() || have_notes()) && has_drained();
    }
    if (drained) ask_for_flush();
    if (stuck) output_blocked();
    else if (moved) output_moved();
}

// While others wait for this loop there is enough to do on both sides, and on one CPU nothing runs
// beside: there it is better to write less often.
bool connection::peer_may_run_beside() const noexcept {
    static const bool several_cpus = [] {
        cpu_set_t ours;
        return ::sched_getaffinity(0, sizeof ours, &ours) != 0 || CPU_COUNT(&ours) > 1;
    }();
    return several_cpus && !loop_.has_runnable();
}

void connection::flush_soon(bool processing, bool now) {
    if (now || loop_.in_loop_thread()) return kick(processing);
    // Who processes looks for output afterwards.
    if (!processing) ask_for_flush();
}

// Mutex held.
bool connection::has_drained() const noexcept {
    return !session_->out().exceeds(low_water) && session_->has_room();
}

void connection::may_have_room() noexcept {
    {
        const std::lock_guard lock(mutex_);
        if (room_queue_.empty() && !have_notes()) return;
    }
    ask_for_flush();
}

void connection::send_note(bytes_view content) {
    bool processing;
    {
        const std::lock_guard lock(mutex_);
        if (!notes_) notes_ = std::make_unique<notes_to_send>();
        notes_->push(content);
        if (!connected_) return;
        send_waiting_notes();
        processing = processing_;
    }
    kick(processing);
}

void connection::send_waiting_notes() {
    base::byte_buffer entry;
    while (have_notes() && connected_ && session_ && !session_->closed() && has_drained()) {
        const numbered_note n = notes_->pop();
        entry.clear();
        put_note_entry(entry, n.number, n.content.view());
        session_->push_metadata(entry.view());
        notes_sent_ = n.number;
    }
}

void connection::enter_room_queue(wire_stream& s) noexcept {
    if (!s.linked()) room_queue_.push_back(s);
}

void connection::leave_room_queue(wire_stream& s) noexcept { s.unlink(); }

loop::turn connection::resume_streams() {
    for (;;) {
        wire_stream* next;
        {
            const std::lock_guard lock(mutex_);
            if (have_notes()) {
                send_waiting_notes();
                loop_.defer(flush_work_);
            }
            if (room_queue_.empty() || !session_ || !has_drained()) return loop::turn::done;
            next = &room_queue_.pop_front();
            next->add_ref();
            if (!room_queue_.empty()) ask_for_flush();  // in case the loop is lost
        }
        const loop::turn t = next->on_room();
        next->release();
        if (t == loop::turn::lost) return t;
    }
}

void connection::reclaim(bytes_view memory) noexcept {
    std::unique_lock lock(mutex_);
    if (session_) session_->out().take_back(memory);
    // A write that is under way may have been given it. Writes do not wait for anything.
    const std::uint64_t before = writes_;
    while (writing_ && writes_ == before) {
        lock.unlock();
        sched_yield();
        lock.lock();
    }
}

void connection::close_link(std::unique_lock<base::mutex>& lock) noexcept {
    connected_ = false;
    while (writing_) {
        lock.unlock();
        sched_yield();
        lock.lock();
    }
    link_.reset();
    memory_.reset();
    blocked_ = broken_ = false;
}

}  // namespace tenon::inline v0::rpc
