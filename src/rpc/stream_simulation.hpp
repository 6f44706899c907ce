#pragma once
// What simulations of streams are made of: the plan of a schedule, the two ends of one direction with
// what is between them, and coroutines that wait at either end.

#include <gtest/gtest.h>

#include <cstdlib>
#include <deque>
#include <string>

#include "base/random.hpp"
#include "rpc/stream/direction.hpp"
#include "tenon/tenon.hpp"

namespace tenon::inline v0::rpc::stream_simulation {

using detail::arrival;
using detail::departure;

struct numbered {
    std::uint32_t number = 0;
    std::uint32_t key = 0;
    std::string filling;
};
TENON_STRUCT(numbered, number, key, filling)

inline const detail::value_ops& numbered_ops() { return detail::value_ops_of<numbered>; }

inline bool same_key(const void* a, const void* b) {
    return static_cast<const numbered*>(a)->key == static_cast<const numbered*>(b)->key;
}

/// What a schedule is about.
struct plan {
    enum class way : std::uint8_t { objects, encoded, distant };
    way over{};
    detail::flow_settings flow;
    std::uint32_t first_grant = 1;
    std::size_t pipe_room = 1;  // values on their way before the sender has to wait for that
    std::uint32_t keys = 1;
    std::size_t largest = 0;
    unsigned steps = 0;
    bool one_receiver = false;  // then every single gap can be checked
    bool positions = false;     // one sender, that never waits
    bool ends_early = false;    // in the middle, in any way
    bool skips = false;
    bool cancels = false;  // often, and many at a time
};

inline plan make_plan(base::random_source& random) {
    const auto below = [&](std::uint64_t n) { return static_cast<std::uint32_t>(random.below(n)); };
    plan p;
    p.over = static_cast<plan::way>(below(3));
    p.flow.overflow = static_cast<overflow>(below(5));
    p.flow.window = 1 + below(below(2) != 0 ? 4 : 40);
    p.flow.buffer = below(6);
    p.flow.same_key = below(4) != 0 ? same_key : nullptr;
    p.first_grant = 1 + below(p.flow.window);
    p.pipe_room = 1 + below(12);
    p.keys = 1 + below(5);
    p.largest = below(8) == 0 ? 9'000 : 60;
    p.steps = 20 + below(400);
    p.one_receiver = below(2) == 0;
    p.positions = below(3) == 0;
    p.ends_early = below(3) == 0;
    p.skips = below(4) == 0;
    p.cancels = below(3) == 0;
    return p;
}

/// The two ends, and what is between them.
class passage {
public:
    virtual ~passage() = default;
    virtual stream_inlet& in() = 0;
    virtual stream_outlet& out() = 0;
    /// Something that is under way may arrive.
    virtual void move(base::random_source&) {}
    virtual bool is_empty() { return true; }
    virtual void cut(const error& why) = 0;
};

class local_passage final : public passage {
public:
    local_passage(const plan& p, loop::event_loop& loop, const loop::spin_policy& spin)
        : d_(numbered_ops(), numbered_ops(), p.over == plan::way::objects, p.flow, codec::msgpack,
             {}, loop, spin) {}
    stream_inlet& in() override { return d_.in; }
    stream_outlet& out() override { return d_.out; }
    void cut(const error& why) override { d_.shut(why); }

private:
    direction d_;
};

/// Values take their time, and so do grants.
class distant_passage final : public passage, public stream_feeder {
public:
    distant_passage(const plan& p, loop::event_loop& loop, const loop::spin_policy& spin)
        : plan_(p),
          loop_(loop),
          in_(numbered_ops(), p.flow.window, p.first_grant, *this, spin),
          out_(*this, p.flow) {
        in_.set_connected(nullptr);
        credit_ = in_.first_grant();
        granted_ = credit_;
    }

    stream_inlet& in() override { return in_; }
    stream_outlet& out() override { return out_; }
    bool is_empty() override { return forth_.empty() && back_.empty(); }
    void cut(const error& why) override {
        forth_.clear();
        back_.clear();
        (void)out_.on_closed(why);
        (void)in_.end(why);
    }

    void move(base::random_source& random) override {
        if (random.below(2) == 0) return arrive_back();
        for (auto n = random.below(4); n != 0; --n) arrive();
        // As connections tell those that wait for it.
        if (wants_room_ && forth_.size() < plan_.pipe_room) {
            wants_room_ = false;
            (void)out_.on_room();
        }
    }

    // stream_feeder
    void consumed(std::uint32_t n) noexcept override {
        granted_ += n;
        EXPECT_LE(granted_, in_.stats().passed + plan_.flow.window);
        back_.push_back(n);
    }
    void stopped() noexcept override { back_.push_back(stop_word); }
    void acknowledged(std::uint64_t number) noexcept override { out_.on_acknowledged(number); }
    std::optional<error> cannot_seek() override { return error(errc::unsupported, "not here"); }
    void seek(std::uint32_t, const stream_start&) noexcept override {}
    loop::event_loop* fallback() noexcept override { return &loop_; }

private:
    static constexpr std::uint32_t stop_word = 0;

    struct parcel {
        base::byte_buffer data;
        value_note note;
        bool is_end = false;
        std::optional<error> why;
    };

    class outgoing final : public stream_outlet {
    public:
        outgoing(distant_passage& p, const detail::flow_settings& flow)
            : stream_outlet(numbered_ops(), flow), p_(p) {}

    private:
        departure transmit(void* value, bool, const value_note& note) override {
            if (p_.credit_ == 0) return departure::full;
            if (p_.forth_.size() >= p_.plan_.pipe_room) {
                p_.wants_room_ = true;
                return departure::full;
            }
            --p_.credit_;
            parcel& next = p_.forth_.emplace_back();
            next.note = note;
            EXPECT_TRUE(coding::encode_object(codec::msgpack, *ops().type, value, next.data));
            return departure::sent;
        }
        void transmit_end(const std::optional<error>& why, const value_note& last) override {
            parcel& next = p_.forth_.emplace_back();
            next.note = last;
            next.is_end = true;
            next.why = why;
        }
        loop::event_loop* fallback() noexcept override { return &p_.loop_; }

        distant_passage& p_;
    };

    void arrive() {
        if (forth_.empty()) return;
        parcel p = std::move(forth_.front());
        forth_.pop_front();
        if (p.is_end) (void)in_.end(std::move(p.why), p.note);
        else (void)in_.push({p.data.view(), nullptr}, {}, p.note);
    }
    void arrive_back() {
        if (back_.empty()) return;
        const std::uint32_t word = back_.front();
        back_.pop_front();
        if (word == stop_word) return (void)out_.on_closed(direction::stopped_error());
        credit_ += word;
        (void)out_.on_room();
    }

    const plan& plan_;
    loop::event_loop& loop_;
    stream_inlet in_;
    outgoing out_;
    std::uint32_t credit_ = 0;
    std::uint64_t granted_ = 0;
    bool wants_room_ = false;
    std::deque<parcel> forth_;
    std::deque<std::uint32_t> back_;
};

/// A coroutine that lives until its end.
struct actor {
    struct promise_type {
        actor get_return_object() noexcept { return {}; }
        std::suspend_never initial_suspend() noexcept { return {}; }
        std::suspend_never final_suspend() noexcept { return {}; }
        void return_void() noexcept {}
        [[noreturn]] void unhandled_exception() noexcept { std::abort(); }
    };
};

/// `co_await` it once.
template <class T>
struct next_value {
    detail::inlet& in;
    const call_scope* scope;
    T value;
    detail::stream_wait wait;
    unsigned resumed = 0;

    arrival at_once = arrival::none;

    bool await_ready() { return (at_once = in.poll(&value)) != arrival::none; }
    bool await_suspend(std::coroutine_handle<> h) { return in.suspend(wait, &value, h, scope); }
    arrival await_resume() {
        EXPECT_EQ(++resumed, 1u);
        return at_once != arrival::none ? at_once : detail::inlet::outcome_of(wait);
    }
};

template <class T>
struct sent_value {
    detail::outlet& out;
    const call_scope* scope;
    T value;
    bool movable;
    detail::stream_wait wait;
    unsigned resumed = 0;

    bool await_ready() noexcept { return false; }
    bool await_suspend(std::coroutine_handle<> h) {
        return out.suspend(wait, &value, movable, h, scope);
    }
    departure await_resume() {
        EXPECT_EQ(++resumed, 1u);
        return detail::outlet::outcome_of(wait);
    }
};

/// What the environment says; for repeating a schedule.
inline std::uint64_t number_from(const char* name, std::uint64_t otherwise) {
    const char* text = std::getenv(name);
    return text != nullptr ? std::strtoull(text, nullptr, 10) : otherwise;
}

}  // namespace tenon::inline v0::rpc::stream_simulation
