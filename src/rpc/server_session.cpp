// How the session of a server's connection begins, and what users are told of it and its streams.

#include "rpc/hello.hpp"
#include "rpc/server_connection.hpp"
#include "rpc/server_core.hpp"
#include "rpc/stream/wire_stream.hpp"

namespace tenon::inline v0::rpc {

namespace {

constexpr std::string_view shared_transport = "shm";

}  // namespace

loop::turn server_connection::on_setup(const wire::frame& f) {
    const wire::setup_fields s = wire::setup_of(f);
    format_ = wire::metadata_format_of(s.metadata_mime);
    codec_ = codec_from_mime_type(s.data_mime);
    if (!s.token.empty() && !enlist(s.token)) return loop::turn::done;
    {
        const std::lock_guard lock(mutex_);
        begin_session(f);
    }
    return tell_connected();
}

// Mutex held.
void server_connection::begin_session(const wire::frame& f) {
    if (is_shared()) {  // an accepted link shows itself as such when it is first read
        note_memory();
        peer_.transport = shared_transport;
    }
    prepare_reader();
    if (format_ == wire::metadata_format::composite && has_hello(f.metadata)) {
        tenon_peer_ = true;
        base::byte_buffer hello;
        put_hello_entry(hello, server_->instance());
        session_->push_metadata(hello.view());
        session_->expect_acknowledgements();
        if (draining_) refuse_requests();  // until now it was nobody in particular
    }
    arm();
}

// --- what users want to be told of ---

loop::turn server_connection::tell_connected() {
    const server_callbacks& told = server_->to_be_told();
    if (!told.noted.empty() && format_ == wire::metadata_format::composite) {
        notes_in_ = std::make_shared<note_receiver>(loop_, [this] { release(); });
        notes_in_->add([this](const tenon::note& n) {
            server_->tell<tenon::session, const tenon::note&>(server_->to_be_told().noted, *this,
                                                              n);
        });
    }
    if (told.connected.empty() && told.disconnected.empty()) return loop::turn::done;
    has_told_ = true;
    hold();  // another thread may end the connection while user code runs
    loop::event_loop& loop = loop_;
    const loop::ticket ticket = loop.enter();
    server_->tell(told.connected, static_cast<tenon::session&>(*this));
    const bool lost = !loop.leave(ticket);
    release();
    return lost ? loop::turn::lost : loop::turn::done;
}

// Whoever tells has a share meanwhile.
void server_connection::take_note(bytes_view metadata) {
    if (!notes_in_) return;
    const note_entry n = find_note(metadata);
    if (n.number == 0) return;
    hold();
    if (!notes_in_->take(n.number, n.content)) release();
}

result<void> server_connection::note(const value& content) {
    base::byte_buffer encoded;
    TENON_TRY(encode_note(content, encoded));
    {
        const std::lock_guard lock(mutex_);
        // Between two links it may not be detached yet.
        if (session_->closed() || (!connected_ && !session_->is_resumable()))
            return error(errc::unavailable, "the client has gone").set_may_have_run(false);
        if (!tenon_peer_)
            return error(errc::unsupported, "the client knows no notes: it is not Tenon's")
                .set_may_have_run(false);
    }
    send_note(encoded.view());
    return {};
}

// Behind what streams of the connection still have to tell.
void server_connection::tell_disconnected() {
    if (!std::exchange(has_told_, false)) return;
    hold();
    loop_.post(disconnected_work_);
}

loop::turn server_connection::tell_disconnected_on_loop(loop::event_loop& loop) {
    const loop::ticket ticket = loop.enter();
    server_->tell(server_->to_be_told().disconnected, static_cast<tenon::session&>(*this));
    const bool lost = !loop.leave(ticket);
    release();
    return lost ? loop::turn::lost : loop::turn::done;
}

// In user code. If that takes long the receive buffer goes its own way, so the call gets a copy of
// what lies in it.
void server_connection::tell_opened(wire_stream& stream, service_call& call) {
    const server_callbacks& told = server_->to_be_told();
    if (told.opened.empty() && told.closed.empty()) return;
    if (call.storage.empty() && !call.lies_in) {
        call.storage.append(call.data);
        call.data = call.storage.view();
    }
    stream.note_told();
    server_->tell(told.opened, static_cast<served_stream&>(stream));
}

}  // namespace tenon::inline v0::rpc
