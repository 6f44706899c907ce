// What a server tells of the streams that are open now, and what operators do to them.

#include "rpc/server_connection.hpp"
#include "rpc/server_core.hpp"

namespace tenon::inline v0::rpc {

namespace {

std::optional<std::uint64_t> credit_of(std::uint32_t n) noexcept {
    if (n == wire::max_n) return std::nullopt;
    return n;
}

}  // namespace

void server_connection::list_streams(std::vector<stream_direction>& to) {
    struct open_stream {
        wire_stream* stream;
        std::uint32_t id, send_credit, receive_credit;
        bool sends, receives;
    };
    std::vector<open_stream> open;
    {
        const std::lock_guard lock(mutex_);
        session_->table_of_peer().for_each([&](const wire::stream_slot& slot) {
            const bool has_values =
                slot.kind == wire::request_kind::stream || slot.kind == wire::request_kind::channel;
            if (!has_values || !slot.user) return;
            auto* const s = static_cast<wire_stream*>(slot.user);
            s->add_ref();
            open.push_back({s, slot.id, slot.send_credit, slot.receive_credit, !slot.local_done,
                            !slot.remote_done});
        });
    }
    // The ends have mutexes of their own, which come before the connection's.
    for (const open_stream& o : open) {
        const wire_stream::totals now = o.stream->stats();
        stream_direction d;
        d.connection = id_;
        d.stream = o.id;
        d.member = o.stream->member()->route();
        d.paused = o.stream->is_paused();
        d.kind = detail::name_of(o.stream->member()->signature().stream->kind);
        const auto add = [&](const char* direction, const stream_stats& s, std::uint32_t credit) {
            d.direction = direction;
            d.passed = s.passed;
            d.lost = s.lost;
            d.position = s.position;
            d.waiting = s.waiting;
            d.credit = credit_of(credit);
            to.push_back(d);
        };
        if (now.in && o.receives) add("in", *now.in, o.receive_credit);
        if (now.out && o.sends) add("out", *now.out, o.send_credit);
        o.stream->release();
    }
}

wire_stream* server_connection::share_stream(std::uint32_t id) noexcept {
    const std::lock_guard lock(mutex_);
    const wire::stream_slot* const slot = session_->table_of_peer().find(id);
    const bool has_values = slot && (slot->kind == wire::request_kind::stream ||
                                     slot->kind == wire::request_kind::channel);
    if (!has_values || !slot->user) return nullptr;
    auto* const s = static_cast<wire_stream*>(slot->user);
    s->add_ref();
    return s;
}

result<void> server_core::act_on(std::uint64_t connection, std::uint32_t stream,
                                 stream_action what) {
    server_connection* at = nullptr;
    {
        const std::lock_guard lock(mutex_);
        for (server_connection& c : connections_)
            if (c.id() == connection) at = &c;
        if (at) at->hold();
    }
    wire_stream* const s = at ? at->share_stream(stream) : nullptr;
    if (s) s->act(what);
    if (s) s->release();
    if (at) at->release();
    if (s) return {};
    return error(errc::not_found, "no stream " + std::to_string(stream) +
                                      " is open on a connection " + std::to_string(connection));
}

std::vector<stream_direction> server_core::streams() {
    std::vector<server_connection*> all;
    {
        const std::lock_guard lock(mutex_);
        for (server_connection& c : connections_) {
            c.hold();
            all.push_back(&c);
        }
    }
    std::vector<stream_direction> streams;
    for (server_connection* c : all) {
        c->list_streams(streams);
        c->release();
    }
    return streams;
}

}  // namespace tenon::inline v0::rpc
