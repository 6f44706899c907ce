#pragma once
// direction: both ends of one direction of a stream within this process. Objects are handed over;
// nothing is encoded unless the two sides were compiled with different types.

#include "codec/codec.hpp"
#include "rpc/outgoing_call.hpp"
#include "rpc/stream/inlet.hpp"
#include "rpc/stream/outlet.hpp"
#include "rpc/stream/wire_stream.hpp"

namespace tenon::inline v0::rpc {

/// An outlet on one side, an inlet on the other. The outlet's mutex is taken before the inlet's.
class direction final : public stream_feeder {
public:
    direction(const detail::value_ops& sent, const detail::value_ops& taken, bool same_types,
              const detail::flow_settings& flow, codec c, const decode_options& decoding,
              loop::event_loop& loop, const loop::spin_policy& spin)
        : same_types_(same_types),
          codec_(c),
          loop_(loop),
          in(taken, flow.window != 0 ? flow.window : default_window(taken), wire::max_n, *this,
             spin),
          out(*this, sent, flow) {
        in.set_codec(c, decoding);
    }

    void consumed(std::uint32_t) noexcept override { (void)out.on_room(); }
    void stopped() noexcept override {
        (void)out.on_closed(stopped_error());
        if (stop_told_) stop_told_->on_cancel();
    }
    std::optional<error> cannot_seek() override {
        if (may_seek_) return std::nullopt;
        return error(errc::unsupported, "values of this stream have no positions");
    }
    void seek(std::uint32_t number, const stream_start& to) noexcept override {
        (void)out.on_seek(number, to);
    }
    void acknowledged(std::uint64_t number) noexcept override { out.on_acknowledged(number); }
    loop::event_loop* fallback() noexcept override { return &loop_; }

    /// Before the first value: told when the receiver wants no more.
    void tell_stop(cancel_hook& to) noexcept { stop_told_ = &to; }
    /// Before the first value: the receiver may ask to go on elsewhere.
    void let_seek() noexcept { may_seek_ = true; }
    /// Before the first value: an end without an error that comes later is one of the deadline.
    void set_deadline(base::time_point at) noexcept { deadline_ = at; }
    /// No more values come.
    void end_in(std::optional<error> why, const value_note& last) {
        const bool late = deadline_ != base::never && loop_.time().now() >= deadline_;
        (void)in.end(late && !why ? outgoing_call::expired() : std::move(why), last);
    }

    static error stopped_error() { return error(errc::cancelled, "the receiver takes no more"); }

    /// Both ends, at once.
    void shut(const error& why) {
        (void)out.on_closed(why);
        (void)in.end(why);
    }

private:
    class local_outlet final : public stream_outlet {
    public:
        local_outlet(direction& d, const detail::value_ops& ops, const detail::flow_settings& flow)
            : stream_outlet(ops, flow), d_(d) {}

    private:
        detail::departure transmit(void* value, bool movable, const value_note& note) override {
            std::optional<error> misfit;
            if (seek_to_tell() != 0) d_.in.reached(seek_to_tell());
            const detail::departure d = d_.pass(value, movable, note, misfit);
            if (misfit) unfit(*std::move(misfit));
            return d;
        }
        void transmit_end(const std::optional<error>& why, const value_note& last) override {
            d_.end_in(why, last);
        }
        loop::event_loop* fallback() noexcept override { return &d_.loop_; }

        direction& d_;
    };

    detail::departure pass(void* value, bool movable, const value_note& note,
                           std::optional<error>& misfit) {
        if (in.is_stopped()) return detail::departure::full;  // on_closed() follows
        loop::turn t;
        if (same_types_)
            return in.push_object(value, movable, note, t) ? detail::departure::sent
                                                           : detail::departure::full;
        if (!in.has_room()) return detail::departure::full;
        base::byte_buffer encoded;
        if (auto done = coding::encode_object(codec_, *out.ops().type, value, encoded); !done) {
            misfit = error(errc::internal,
                           "the value cannot be sent: " + std::string(done.error().message()));
            return detail::departure::closed;
        }
        bool refused = false;
        (void)in.push(encoded.view(), {}, note, &refused);
        if (refused) misfit = in.failure();
        return refused ? detail::departure::closed : detail::departure::sent;
    }

    const bool same_types_;
    const codec codec_;
    base::time_point deadline_ = base::never;
    bool may_seek_ = false;
    cancel_hook* stop_told_ = nullptr;
    loop::event_loop& loop_;

public:
    stream_inlet in;
    local_outlet out;
};

}  // namespace tenon::inline v0::rpc
