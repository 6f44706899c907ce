// A receiver that goes on elsewhere: what it says, and what its sender hears.

#include "rpc/client_connection.hpp"
#include "rpc/stream/with_session.hpp"

namespace tenon::inline v0::rpc {

using detail::member_kind;
using loop::turn;

namespace {

error foreign_sender() { return error(errc::unsupported, "the sender cannot go on elsewhere"); }

}  // namespace

// --- the receiver ---

bool wire_stream::is_between_tenons() noexcept {
    bool yes = true;
    with_session([&](wire::session&) { yes = link_->peer_is_tenon(); });
    return yes;
}

std::optional<error> wire_stream::cannot_seek() {
    if (is_server() || plan_.types->kind != member_kind::source)
        return error(errc::unsupported, "values of this stream have no positions");
    // A Tenon server says hello before it sends anything else.
    const stream_stats so_far = in_.stats();
    if (so_far.passed + so_far.waiting != 0 && !is_between_tenons()) return foreign_sender();
    return std::nullopt;
}

void wire_stream::seek(std::uint32_t number, const stream_start& to) noexcept {
    has_sought_.store(true, std::memory_order_relaxed);
    with_session([&](wire::session& s) {
        if (static_cast<std::int32_t>(number - unsaid_seek_.number) > 0)
            unsaid_seek_ = {number, to};
        if (link_->peer_is_tenon()) say_seek(s);
        else static_cast<client_connection&>(*link_).await_hello(*this);
    });
}

void wire_stream::say_seek(wire::session& session) {
    base::byte_buffer data;
    put_seek(data, unsaid_seek_);
    session.extension(ref_, seek_extension, true, {}, data.view());
}

// False: the sender does not know what it was asked for.
bool wire_stream::note_reached(std::uint32_t number) {
    if (number != 0) in_.reached(number);
    return number != 0 || !in_.is_stale() || is_between_tenons();
}

turn wire_stream::refuse_seek() {
    const turn t = in_.end(foreign_sender());
    stopped();
    return t;
}

// --- the sender ---

turn wire_stream::on_seek(bytes_view data) {
    const auto asked = read_seek(data);
    if (!asked || plan_.types->kind != member_kind::source) return turn::done;
    const loop::ticket ticket = loop_.enter(member());
    (void)out_.on_seek(asked->number, asked->to);
    return loop_.leave(ticket) ? turn::done : turn::lost;
}

}  // namespace tenon::inline v0::rpc
