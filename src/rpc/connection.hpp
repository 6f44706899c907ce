#pragma once
// connection: a link and a session, driven by whoever reads it. The part that clients and servers
// share: cutting input into frames, and output that any thread may add to.
//
// Two kinds of state. The *reader's* (link reads, frame_reader) belongs to one thread at a time:
// the loop, or on a client a caller that holds the connection. Everything else is guarded by
// mutex(). Output is appended under the mutex and written by the first thread that finds no other
// writing, without the mutex; what others add meanwhile goes out with the same writer.

#include <array>
#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>

#include "base/clock.hpp"
#include "base/mutex.hpp"
#include "loop/loop.hpp"
#include "rpc/notes.hpp"
#include "rpc/stream/wire_stream.hpp"
#include "tenon/limits.hpp"
#include "transport/link.hpp"
#include "wire/frame_reader.hpp"
#include "wire/session.hpp"

namespace tenon::inline v0::rpc {

class connection : public loop::pollable {
public:
    connection(const connection&) = delete;
    connection& operator=(const connection&) = delete;

    loop::event_loop& loop() const noexcept { return loop_; }

protected:
    friend class wire_stream;

    static constexpr std::size_t most_read_in_turn = std::size_t{256} * 1024;
    static constexpr unsigned frames_per_flush = 32;

    /// How read_some() ended.
    enum class input : std::uint8_t {
        drained,  ///< nothing more for now
        more,     ///< frames may be waiting
        ended,    ///< the peer has closed, or the link is broken
    };

    explicit connection(loop::event_loop& loop);
    ~connection() { loop_.remove_tenant(); }

    /// One read. Reader.
    input read_some() noexcept;
    /// Whether the last read has surely emptied the socket, because it did not fill its space: what
    /// comes later raises a new edge, so that the read that would only say so can be saved. Not if
    /// the edge of the peer's end has been here already. Reader.
    bool just_emptied() noexcept { return std::exchange(short_read_, false) && !end_behind_; }
    /// Enough was read in one turn: others wait for it to end, and with them what is to be written.
    /// Reader.
    bool has_read_enough() const noexcept { return read_in_turn_ >= most_read_in_turn; }
    /// At the begin of on_ready(). Reader.
    void note_edge(loop::ready_flags flags) noexcept {
        read_in_turn_ = 0;
        short_read_ = false;  // of before this edge
        if (flags & loop::ready::end) end_behind_ = true;
        if (flags & loop::ready::hang_up) hung_up_ = true;
    }

    /// The next frame of what has been read; nothing if it is incomplete. `refused` is set to the
    /// reason, which lives as long as the connection, if the bytes break the protocol. Reader.
    std::optional<wire::frame> next_frame(std::string_view& refused);

    /// Whether the link is over shared memory; does not change while it is up. Reader.
    bool is_shared() const noexcept { return link_ && link_->is_shared(); }
    /// Once the link is up, or has become shared. Mutex held. A session that can be resumed sends
    /// nothing by reference, which another link could not repeat.
    void note_memory() noexcept {
        if (!session_->is_resumable()) memory_ = link_->memory();
    }
    /// At the end of on_ready(), because what comes over shared memory raises no event while this
    /// side is awake. False: the connection cannot go on. Owner of the loop.
    bool keep_looking() noexcept;

    /// Without the mutex, before data is sent: over shared memory large data is copied to memory
    /// that the peer sees, unless it lies there. Null: it goes the ordinary way.
    base::block_ref place(const wire::outgoing& data);
    /// What to hand to the session for data that was placed. `reference` is room for it. Mutex held.
    wire::outgoing passed(const base::block_ref& placed, const wire::outgoing& data,
                          std::array<std::byte, wire::reference_size>& reference) noexcept;

    /// After a write found no room: on_ready(write) once there is. Owner of the loop.
    bool watch_room() noexcept { return is_shared() || loop_.want_write(*this); }

    /// To be called without the mutex after something was added to the session's output;
    /// `processing` as read under the mutex. On the loop the output goes out once per turn, on
    /// other threads at once.
    void kick(bool processing);

    // Streams.

    /// After something was added for a stream: as kick(), but a thread that is not the loop's leaves
    /// the writing to the loop, so that many values go out together, unless it is to be done `now`.
    void flush_soon(bool processing, bool now);
    /// The stream waits until output has drained. Mutex held.
    void enter_room_queue(wire_stream& s) noexcept;
    void leave_room_queue(wire_stream& s) noexcept;
    /// After an acknowledgement, of which output need not know. Without the mutex.
    void may_have_room() noexcept;
    bool has_drained() const noexcept;
    /// Lets those that wait go on. Owner of the loop.
    loop::turn resume_streams();
    /// Sends a note, once the peer has said hello and takes what is sent. Any thread.
    void send_note(bytes_view content);
    /// Sends those that wait. Mutex held.
    void send_waiting_notes();
    /// Mutex held: they wait for output to drain.
    bool have_notes() const noexcept { return notes_ && !notes_->empty() && peer_is_tenon(); }
    /// The peer has said hello. Mutex held.
    virtual bool peer_is_tenon() const noexcept = 0;
    /// A stream is no longer in the session. Any thread, without the mutex.
    virtual void stream_ended() noexcept = 0;
    /// Between these two the connection is there, even if the thread loses the loop. The first by who
    /// owns the loop, or knows otherwise that the connection is there.
    virtual void hold() noexcept = 0;
    virtual void release() noexcept = 0;
    /// On the loop, soon: a flush, and resume_streams(). Any thread.
    virtual void ask_for_flush() noexcept = 0;

    /// Writes what there is, unless another thread does already, or the last write found no room
    /// and the caller does not know of any since.
    void flush(bool has_room = false) noexcept;
    loop::turn flush_on_loop(loop::event_loop&);

    /// In the middle of a turn, after a frame: now and then what there is goes out, so that the peer,
    /// on a CPU of its own, has something to do meanwhile. Owner of the loop.
    void flush_early(unsigned frames) noexcept {
        if (frames % frames_per_flush == 0 && peer_may_run_beside()) flush();
    }

    /// For memory that was lent to the session's output: when it returns, nothing refers to it.
    void reclaim(bytes_view memory) noexcept;

    /// Waits until no thread writes, then closes the link. Mutex held by `lock`.
    void close_link(std::unique_lock<base::mutex>& lock) noexcept;

    bool peer_may_run_beside() const noexcept;
    bool look_up(wire::frame& f);
    /// Mutex held: what passed() made was not sent.
    void not_sent(const wire::outgoing& data) noexcept;
    input read_ahead() noexcept;
    input read_part(std::size_t missing) noexcept;
    input note_read(const transport::io_result& r, std::size_t ahead, std::size_t most) noexcept;

    /// Called by the writer, on any thread, without the mutex: a write found no room, so the owner
    /// of the loop has to want_write(); and: output has moved on after that, or while starved_.
    virtual void output_blocked() noexcept = 0;
    virtual void output_moved() noexcept {}

    /// Memory that the peer sees, to build a message of this size in; null if there is none. Any
    /// thread.
    base::block_ref lend(std::size_t size);
    /// The same, or memory of its own.
    blob loan(std::size_t size);

    loop::event_loop& loop_;
    mutable base::mutex mutex_;

    // Guarded by mutex_.
    std::unique_ptr<transport::link> link_;       // the reader may use it without the mutex
    std::shared_ptr<transport::lending> memory_;  // where large messages are placed
    std::optional<wire::session> session_;
    bool connected_ = false;  // the link is up; changed by the reader only
    bool writing_ = false;
    bool blocked_ = false;    // the last write found no room
    bool room_seen_ = false;  // somebody has heard of room while another thread was writing
    bool starved_ = false;    // the reader waits until output has moved
    bool broken_ = false;     // writing failed
    base::list<wire_stream> room_queue_;
    bool processing_ = false;  // the loop is in this connection's on_ready() and will flush
    base::time_point blocked_since_{};
    std::uint64_t bytes_out_ = 0;
    std::uint64_t writes_ = 0;  // that have ended
    std::unique_ptr<notes_to_send> notes_;
    std::uint64_t notes_sent_ = 0;  // the number of the last one, in this session

    // Written by the reader, so without a read-modify-write; relaxed, because it orders nothing.
    std::atomic<std::uint64_t> bytes_in_{0};

    // The reader's.
    wire::frame_reader reader_;
    base::block_ref incoming_;  // where the data of the last frame lies, if it came by reference
    std::size_t longest_reference_ = 0;
    std::size_t read_in_turn_ = 0;
    bool short_read_ = false;
    bool end_behind_ = false;  // the end of input has raised its edge
    bool hung_up_ = false;     // the end of both directions has
    std::string refused_;      // why a frame could not be read

    loop::member_work<&connection::flush_on_loop> flush_work_{*this};
};

}  // namespace tenon::inline v0::rpc
