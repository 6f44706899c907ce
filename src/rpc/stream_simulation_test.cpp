// Random schedules of the two ends of one direction, on one thread: senders and receivers that wait,
// are cancelled and go on in the middle of each other's steps, credit and values that are under way,
// ends of every kind. Afterwards everything adds up.
//
// A schedule is a seed, which a failure prints; TENON_SIMULATION_SEED repeats that one alone, and
// TENON_SIMULATION_SCHEDULES says how many there are.

#include <algorithm>
#include <cstdio>
#include <map>
#include <memory>
#include <vector>

#include "rpc/stream_simulation.hpp"

namespace tenon::inline v0::rpc {
namespace {

using namespace stream_simulation;

class simulation {
public:
    simulation(std::uint64_t seed, loop::event_loop& loop)
        : random_(seed), plan_(make_plan(random_)), loop_(loop) {
        if (plan_.over == plan::way::distant)
            passage_ = std::make_unique<distant_passage>(plan_, loop, spin_);
        else passage_ = std::make_unique<local_passage>(plan_, loop, spin_);
    }

    void run() {
        loop_.post(stepping_);
        while (!is_done_) loop_.run_ready();
        if (!testing::Test::HasFailure()) check();
    }

    /// Of all that has happened.
    std::uint64_t digest() const { return digest_; }
    std::uint64_t received() const { return received_.size(); }
    std::uint64_t lost() { return in().stats().lost; }

private:
    /// How a value came out, where its sender knows.
    struct fate {
        std::optional<departure> how;
        std::uint32_t key = 0;
        std::uint64_t passed_over = 0;  // positions, before it
        std::uint64_t position = 0;
        bool may_be_cancelled = false;
    };
    struct receipt {
        std::uint32_t number;
        std::uint64_t lost;  // up to then
        std::uint64_t position;
    };
    struct scope {
        cancellation cancel;
        call_scope call;
    };

    stream_inlet& in() { return passage_->in(); }
    stream_outlet& out() { return passage_->out(); }
    bool one_of(unsigned n) { return random_.below(n) == 0; }

    // --- steps ---

    loop::turn step(loop::event_loop& loop) {
        // Outside a bracket those who waited go on in the middle of the step, inside after it. In
        // process values are handed over under a mutex, by user code, which is inside.
        if (one_of(2) && plan_.over == plan::way::distant) {
            act();
        } else if (one_of(8)) {
            cancel();
        } else {
            const loop::ticket t = loop.enter();
            act();
            EXPECT_TRUE(loop.leave(t));
        }
        if (testing::Test::HasFailure() || is_over() || ++steps_ > most_steps) {
            is_done_ = true;
            return loop::turn::done;
        }
        return loop::turn::again;
    }

    bool settles() const { return steps_ > plan_.steps; }
    bool is_over() {
        return settles() && actors_ == 0 && passage_->is_empty() && (has_ended_ || is_stopped_) &&
               !out().is_open() && out().stats().waiting == 0;
    }

    void act() {
        if (settles()) return settle();
        switch (random_.below(16)) {
            case 0:
            case 1:
            case 2: return try_send();
            case 3:
            case 4: return (void)sender(1 + random_.below(6));
            case 5: return send_in_time();
            case 6:
            case 7: return poll();
            case 8:
            case 9: return (void)receiver(1 + random_.below(8));
            case 10: return wait_in_time();
            case 11: return cancel();
            case 12: return (void)(one_of(10) && plan_.ends_early ? end_somehow() : rarely());
            default: return passage_->move(random_);
        }
    }

    // All that was begun comes to its end.
    void settle() {
        if (senders_ == 0) finish();
        passage_->move(random_);
        poll();
    }

    void rarely() {
        if (plan_.skips && one_of(4)) {
            const auto n = random_.below(4);
            skipped_ += n;
            in().skip(n);
        }
        if (one_of(4)) {
            const std::uint64_t n = random_.below(100);
            acknowledged_ = std::max(acknowledged_, n);
            in().acknowledge(n);
            EXPECT_EQ(out().acknowledged(), acknowledged_);
        }
        if (plan_.positions && senders_ == 0 && one_of(2)) {
            // Forward only: what a log does.
            const std::uint64_t over = position_ == 0 ? 0 : random_.below(3);
            position_ = (position_ == 0 ? 1 + random_.below(5) : position_) + over;
            if (out().is_open()) passed_over_ += over;
            out().place_next(position_, epoch);
        }
    }

    void end_somehow() {
        switch (random_.below(4)) {
            case 0: return finish();
            case 1:
                if (out().is_open()) failed_ = true;
                return out().fail(error(errc::conflict, "enough"));
            case 2: is_stopped_ = true; return in().stop();
            default: is_cut_ = true; return passage_->cut(error(errc::unavailable, "cut"));
        }
    }
    void finish() { out().finish(); }

    // --- sending ---

    numbered make(const scope* s) {
        numbered v;
        v.number = static_cast<std::uint32_t>(fates_.size());
        v.key = static_cast<std::uint32_t>(random_.below(plan_.keys));
        v.filling.assign(random_.below(one_of(4) ? plan_.largest : 30), 'x');
        fate& f = fates_.emplace_back();
        f.key = v.key;
        f.may_be_cancelled = s != nullptr;
        return v;
    }
    void note(std::uint32_t number, departure how) {
        fate& f = fates_[number];
        EXPECT_FALSE(f.how) << number << " came out twice";
        f.how = how;
        digest_ = digest_ * 31 + number * 8 + static_cast<unsigned>(how);
        if (how == departure::closed) {
            EXPECT_FALSE(out().is_open());
        }
        if (how != departure::sent && how != departure::dropped) return;
        f.passed_over = std::exchange(passed_over_, 0);
        f.position = position_;
        if (position_ != 0) ++position_;
    }

    void try_send() {
        numbered v = make(nullptr);
        const std::uint32_t number = v.number;
        note(number, out().try_send(&v, one_of(2)));
    }
    // Its time is over before it begins to wait.
    void send_in_time() {
        if (plan_.positions) return;
        numbered v = make(nullptr);
        const std::uint32_t number = v.number;
        note(number, out().send(&v, one_of(2), base::time_point{}));
    }
    actor sender(std::uint64_t n) {
        if (plan_.positions) co_return;
        ++actors_;
        ++senders_;
        const scope* const s = new_scope();
        for (bool on = true; on && n != 0; --n) {
            numbered v = make(s);
            const std::uint32_t number = v.number;
            sent_value<numbered> sending{
                out(), s ? &s->call : nullptr, std::move(v), one_of(2), {}};
            const departure how = co_await sending;
            note(number, how);
            EXPECT_NE(how, departure::full);
            on = how != departure::closed && how != departure::given_up;
            if (on) amid();
        }
        --senders_;
        --actors_;
    }

    // --- receiving ---

    bool may_receive() const { return !plan_.one_receiver || receivers_ == 0; }

    void note(const numbered& v) {
        const stream_stats s = in().stats();
        received_.push_back({v.number, s.lost, s.position});
        digest_ = digest_ * 33 + v.number;
        ASSERT_LT(v.number, fates_.size());
        EXPECT_EQ(v.key, fates_[v.number].key);
        EXPECT_EQ(v.filling.find_first_not_of('x'), std::string::npos);
        EXPECT_LE(s.waiting, plan_.flow.window);
    }
    void note_end() {
        has_ended_ = true;
        digest_ = digest_ * 35 + received_.size();
    }
    void take(arrival a, const numbered& v) {
        if (a == arrival::value) note(v);
        else if (a == arrival::ended) note_end();
    }

    void poll() {
        if (!may_receive()) return;
        numbered v;
        const arrival a = in().poll(&v);
        EXPECT_NE(a, arrival::given_up);
        take(a, v);
    }
    void wait_in_time() {
        if (!may_receive()) return;
        numbered v;
        const arrival a = in().wait(&v, base::time_point{});
        take(a, v);
    }
    actor receiver(std::uint64_t n) {
        if (!may_receive()) co_return;
        ++actors_;
        ++receivers_;
        const scope* const s = new_scope();
        for (bool on = true; on && n != 0; --n) {
            next_value<numbered> next{in(), s ? &s->call : nullptr, {}, {}};
            const arrival a = co_await next;
            EXPECT_NE(a, arrival::none);
            EXPECT_TRUE(a != arrival::given_up || (s && s->cancel.is_cancelled()));
            take(a, next.value);
            on = a == arrival::value;
            if (on) amid();
        }
        --receivers_;
        --actors_;
    }

    // --- both ---

    /// In the middle of what another does.
    void amid() {
        if (depth_ > 3 || settles() || !one_of(plan_.cancels ? 2 : 4)) return;
        ++depth_;
        if (plan_.cancels || one_of(3)) cancel();
        else act();
        --depth_;
    }
    const scope* new_scope() {
        if (one_of(plan_.cancels ? 6 : 2)) return nullptr;
        // Some share one, and are cancelled together.
        if (scopes_.empty() || one_of(2)) {
            scopes_.push_back(std::make_unique<scope>());
            scope& s = *scopes_.back();
            s.call.cancel = &s.cancel;
        }
        return scopes_.back().get();
    }
    void cancel() {
        if (scopes_.empty() || !one_of(2)) return;
        const std::size_t young = std::min<std::size_t>(scopes_.size(), 4);
        scopes_[scopes_.size() - 1 - random_.below(young)]->cancel.cancel();
    }

    // --- afterwards ---

    bool was_taken(const fate& f) const {
        return f.how == departure::sent || f.how == departure::dropped;
    }
    void check() {
        ASSERT_LE(steps_, most_steps)
            << actors_ << " still wait, " << senders_ << " to send; " << describe();
        EXPECT_EQ(in().stats().waiting, 0u);
        check_order();
        const bool whole = !is_stopped_ && !is_cut_;
        if (whole) check_sum();
        if (whole && plan_.one_receiver && !plan_.skips) check_gaps();
        const auto why = in().failure();
        EXPECT_TRUE(why || !whole || !failed_);
        EXPECT_TRUE(!why || !whole || failed_ || plan_.flow.overflow == overflow::fail)
            << why->message();
        if (testing::Test::HasFailure()) ADD_FAILURE() << describe();
    }

    // Nothing comes twice, out of order, or that was not sent.
    void check_order() {
        std::map<std::uint32_t, std::uint32_t> last;  // by key, where those take each other's place
        const bool by_key = plan_.flow.overflow == overflow::latest && plan_.flow.same_key;
        for (const receipt& r : received_) {
            const fate& f = fates_[r.number];
            EXPECT_TRUE(was_taken(f)) << r.number << " came, but was not sent";
            EXPECT_TRUE(plan_.flow.overflow != overflow::drop_new || f.how == departure::sent);
            const std::uint32_t key = by_key ? f.key : 0;
            if (!plan_.one_receiver) continue;  // one may be told of its value after another
            EXPECT_TRUE(!last.contains(key) || last[key] < r.number) << r.number << " is late";
            last[key] = r.number;
        }
        std::vector<bool> seen(fates_.size());
        for (const receipt& r : received_) {
            EXPECT_FALSE(seen[r.number]) << r.number << " came twice";
            seen[r.number] = true;
        }
        if (is_stopped_ || is_cut_ || plan_.skips || plan_.flow.overflow != overflow::block) return;
        for (std::uint32_t i = 0; i < fates_.size(); ++i)
            EXPECT_TRUE(seen[i] || fates_[i].how != departure::sent) << i << " did not come";
    }

    // What was sent has come, or has been announced as missing.
    void check_sum() {
        std::uint64_t taken = passed_over_;
        for (const fate& f : fates_) taken += was_taken(f) ? 1 + f.passed_over : 0;
        const stream_stats i = in().stats();
        const stream_stats o = out().stats();
        EXPECT_EQ(i.passed + i.lost, taken);
        EXPECT_EQ(o.passed + o.lost, taken);
        EXPECT_EQ(i.passed, o.passed);
        EXPECT_LE(i.passed - received_.size(), skipped_);
    }

    // Each gap says what is missing just there; how many were missing at the end may be known early.
    void check_gaps() {
        if (plan_.flow.overflow == overflow::latest) return;
        std::uint64_t missing = 0;
        std::vector<std::uint64_t> before(received_.size());
        std::size_t next = 0;
        for (std::uint32_t i = 0; i < fates_.size(); ++i) {
            if (!was_taken(fates_[i])) continue;
            missing += fates_[i].passed_over;
            if (next < received_.size() && received_[next].number == i) before[next++] = missing;
            else ++missing;
        }
        ASSERT_EQ(next, received_.size());
        missing += passed_over_;
        const std::uint64_t at_end = received_.empty() ? missing : missing - before.back();
        for (std::size_t n = 0; n < received_.size(); ++n) {
            const receipt& r = received_[n];
            EXPECT_TRUE(r.lost == before[n] || r.lost == before[n] + at_end)
                << r.lost << " missing up to " << r.number << ", not " << before[n];
            EXPECT_EQ(r.position, fates_[r.number].position) << "of " << r.number;
        }
    }

    std::string describe() {
        static constexpr const char* ways[] = {"objects", "encoded", "distant"};
        static constexpr const char* policies[] = {"block", "drop_new", "drop_old", "latest",
                                                   "fail"};
        const stream_stats i = in().stats();
        const stream_stats o = out().stats();
        return std::string(ways[static_cast<int>(plan_.over)]) + ", " +
               policies[static_cast<int>(plan_.flow.overflow)] + ", window " +
               std::to_string(plan_.flow.window) + ", buffer " + std::to_string(plan_.flow.buffer) +
               (plan_.one_receiver ? ", one receiver" : "") +
               (plan_.positions ? ", positions" : "") + (plan_.skips ? ", skips" : "") +
               (is_stopped_ ? ", stopped" : "") + (is_cut_ ? ", cut" : "") +
               (failed_ ? ", failed" : "") + "; sent " + std::to_string(o.passed) + " lost " +
               std::to_string(o.lost) + " waiting " + std::to_string(o.waiting) + "; taken " +
               std::to_string(i.passed) + " lost " + std::to_string(i.lost) + " waiting " +
               std::to_string(i.waiting);
    }

    static constexpr std::uint64_t epoch = 7;
    static constexpr unsigned most_steps = 50'000;

    base::random_source random_;
    const plan plan_;
    loop::event_loop& loop_;
    const loop::spin_policy spin_{false};
    std::vector<std::unique_ptr<scope>> scopes_;  // outlive those who wait
    std::unique_ptr<passage> passage_;
    loop::member_work<&simulation::step> stepping_{*this};

    unsigned steps_ = 0;
    bool is_done_ = false;
    unsigned depth_ = 0;
    unsigned actors_ = 0;
    unsigned senders_ = 0;
    unsigned receivers_ = 0;
    std::vector<fate> fates_;        // by number
    std::vector<receipt> received_;  // in order
    std::uint64_t position_ = 0;     // of the next value
    std::uint64_t passed_over_ = 0;  // before the next value
    std::uint64_t skipped_ = 0;
    std::uint64_t acknowledged_ = 0;
    bool has_ended_ = false;
    bool failed_ = false;
    bool is_stopped_ = false;
    bool is_cut_ = false;
    std::uint64_t digest_ = 0;
};

TEST(stream_simulation, everything_adds_up_in_any_order_of_events) {
    loop::event_loop loop;
    const std::uint64_t seed = number_from("TENON_SIMULATION_SEED", 0);
    const std::uint64_t first = seed != 0 ? seed : base::random_seed() >> 1 | 1;
    const std::uint64_t schedules =
        seed != 0 ? 1 : number_from("TENON_SIMULATION_SCHEDULES", 1'000);
    std::uint64_t received = 0;
    std::uint64_t lost = 0;
    for (std::uint64_t i = 0; i < schedules; ++i) {
        SCOPED_TRACE("TENON_SIMULATION_SEED=" + std::to_string(first + i));
        simulation s(first + i, loop);
        s.run();
        if (HasFailure()) return;
        received += s.received();
        lost += s.lost();
    }
    std::printf("%llu schedules from seed %llu, %llu values, %llu announced as missing\n",
                static_cast<unsigned long long>(schedules), static_cast<unsigned long long>(first),
                static_cast<unsigned long long>(received), static_cast<unsigned long long>(lost));
}

TEST(stream_simulation, a_seed_is_one_schedule) {
    loop::event_loop loop;
    for (std::uint64_t seed = 1; seed < 20; ++seed) {
        simulation a(seed, loop);
        a.run();
        simulation b(seed, loop);
        b.run();
        EXPECT_EQ(a.digest(), b.digest()) << seed;
    }
}

}  // namespace
}  // namespace tenon::inline v0::rpc
