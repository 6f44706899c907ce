// Random rounds of really concurrent use of streams: threads and coroutines that wait at both ends
// of one direction while others cancel them and end it, and both sides of channels that end in
// order while values still wait. Mostly for TSan. A round is a seed, which a failure prints;
// TENON_SIMULATION_SEED begins with that one, TENON_SIMULATION_SCHEDULES says how many there are.

#include <cstdio>
#include <random>
#include <set>

#include "rpc/runtime_core.hpp"
#include "rpc/stream_simulation.hpp"
#include "rpc/stream_test_support.hpp"

namespace {

using namespace rpc_test;
using tenon::rpc::stream_simulation::actor;
using tenon::rpc::stream_simulation::arrival;
using tenon::rpc::stream_simulation::departure;
using tenon::rpc::stream_simulation::next_value;
using tenon::rpc::stream_simulation::number_from;
using tenon::rpc::stream_simulation::sent_value;

/// Lets others go first, now and then.
void perhaps_yield() {
    thread_local std::minstd_rand random{std::random_device{}()};
    const auto n = random() % 64;
    if (n < 4) std::this_thread::yield();
    if (n == 5) std::this_thread::sleep_for(std::chrono::microseconds(random() % 50));
}

/// Values that take their time to be moved and copied, also under the mutexes of a stream.
struct jumpy {
    int number = -1;

    jumpy() = default;
    explicit jumpy(int n) : number(n) {}
    jumpy(const jumpy& o) : number(o.number) { perhaps_yield(); }
    jumpy(jumpy&& o) noexcept : number(std::exchange(o.number, -1)) { perhaps_yield(); }
    jumpy& operator=(const jumpy& o) {
        perhaps_yield();
        number = o.number;
        return *this;
    }
    jumpy& operator=(jumpy&& o) noexcept {
        perhaps_yield();
        number = std::exchange(o.number, -1);
        return *this;
    }
    ~jumpy() = default;
};

/// One direction, used by everybody at once, once.
class round_of_one_direction {
public:
    round_of_one_direction(std::uint64_t seed, tenon::detail::runtime_core& runtime)
        : random_(seed),
          direction_(ops(), ops(), true, flow(), tenon::codec::raw, {}, runtime.loop(0),
                     runtime.spin()) {
        for (auto& s : scopes_) s.call.cancel = &s.cancel;
    }

    void run() {
        const auto end = random_.below(4);
        std::vector<std::thread> threads;
        for (int i = 0; i < 2; ++i) {
            threads.emplace_back([this, i, r = random_()] { send_all(i, r); });
            threads.emplace_back([this, i, r = random_()] { take_some(i, r); });
        }
        for (int i = 2; i < 5; ++i) {
            send_async(i, &scopes_[4 + random_.below(2)].call);
            take_async(&scopes_[6 + random_.below(2)].call, 1 + random_.below(30));
        }
        threads.emplace_back([this, r = random_()] { cancel_all(r); });
        if (end == 0) direction_.in.stop();
        if (end == 1) direction_.shut(tenon::error(tenon::errc::unavailable, "cut"));
        const bool whole = end > 1;
        // What nobody else takes is taken here, so that all senders come to their end.
        threads.emplace_back([this] { take_rest(); });
        while (senders_ != 0) std::this_thread::yield();
        direction_.out.finish();
        for (auto& t : threads) t.join();
        EXPECT_TRUE(eventually([&] { return takers_ == 0; })) << takers_ << " still wait";
        check(whole);
    }

private:
    struct scope {
        tenon::cancellation cancel;
        tenon::call_scope call;
    };
    static constexpr int per_sender = 25;

    static const tenon::detail::value_ops& ops() { return tenon::detail::object_ops_of<jumpy>; }
    tenon::detail::flow_settings flow() {
        tenon::detail::flow_settings f;
        f.window = 1 + static_cast<std::uint32_t>(random_.below(3));
        f.buffer = static_cast<std::uint32_t>(random_.below(3));
        return f;
    }
    static tenon::detail::time_point soon(tenon::base::random_source& random) {
        const auto now = std::chrono::steady_clock::now();
        return random.below(3) == 0 ? tenon::base::never
                                    : now + std::chrono::microseconds(random.below(200));
    }

    void note_sent(int number, departure d) {
        EXPECT_NE(d, departure::dropped);
        const std::lock_guard lock(mutex_);
        (d == departure::sent ? sent_ : refused_).insert(number);
    }
    void note_taken(int number) {
        perhaps_yield();
        const std::lock_guard lock(mutex_);
        EXPECT_TRUE(taken_.insert(number).second) << number << " came twice";
    }

    void send_all(int who, std::uint64_t seed) {
        tenon::base::random_source random(seed);
        for (int i = 0; i < per_sender; ++i) {
            const tenon::loop::scope_guard guard(i < 15 ? &scopes_[who].call : nullptr);
            jumpy v(who * per_sender + i);
            const int number = v.number;
            note_sent(number, direction_.out.send(&v, true, soon(random)));
            perhaps_yield();
        }
        --senders_;
    }
    void take_some(int who, std::uint64_t seed) {
        tenon::base::random_source random(seed);
        const tenon::loop::scope_guard guard(&scopes_[2 + who].call);
        int last[5] = {-1, -1, -1, -1, -1};
        for (int i = 0; i < 100; ++i) {
            jumpy v;
            const arrival a = direction_.in.wait(&v, soon(random));
            if (a == arrival::ended || a == arrival::given_up) break;
            if (a != arrival::value) continue;
            note_taken(v.number);
            int& before = last[v.number / per_sender];
            EXPECT_LT(before, v.number);
            before = v.number;
        }
    }
    void take_rest() {
        for (jumpy v; direction_.in.wait(&v, tenon::base::never) == arrival::value; v = jumpy())
            note_taken(v.number);
    }
    actor send_async(int who, const tenon::call_scope* s) {
        for (int i = 0; i < per_sender; ++i) {
            sent_value<jumpy> sending{
                direction_.out, i < 15 ? s : nullptr, jumpy(who * per_sender + i), true, {}};
            const departure d = co_await sending;
            note_sent(who * per_sender + i, d);
        }
        --senders_;
    }
    actor take_async(const tenon::call_scope* s, std::uint64_t n) {
        for (bool on = true; on && n != 0; --n) {
            next_value<jumpy> next{direction_.in, s, {}, {}};
            const arrival a = co_await next;
            EXPECT_NE(a, arrival::none);
            on = a == arrival::value;
            if (on) note_taken(next.value.number);
        }
        --takers_;
    }
    void cancel_all(std::uint64_t seed) {
        tenon::base::random_source random(seed);
        for (int i = 0; i < 12; ++i) {
            std::this_thread::sleep_for(std::chrono::microseconds(random.below(100)));
            scopes_[random.below(std::size(scopes_))].cancel.cancel();
        }
    }

    void check(bool whole) {
        EXPECT_EQ(sent_.size() + refused_.size(), std::size_t{5 * per_sender});
        for (const int n : taken_) EXPECT_TRUE(sent_.contains(n)) << n << " came, but was not sent";
        EXPECT_TRUE(!whole || taken_.size() == sent_.size());
        const auto in = direction_.in.stats();
        EXPECT_EQ(in.passed, taken_.size());
        EXPECT_EQ(in.lost, 0u);
    }

    tenon::base::random_source random_;
    scope scopes_[8];  // of threads that send and take, and of coroutines
    tenon::rpc::direction direction_;
    std::atomic<int> senders_{5};
    std::atomic<int> takers_{3};

    std::mutex mutex_;  // guards all below
    std::set<int> sent_, refused_, taken_;
};

TEST(stream_rounds, waits_end_once_whoever_ends_them) {
    tenon::runtime runtime(test_runtime());
    const std::uint64_t first = number_from("TENON_SIMULATION_SEED", std::random_device{}());
    const std::uint64_t rounds = number_from("TENON_SIMULATION_SCHEDULES", 100);
    for (std::uint64_t i = 0; i < rounds && !HasFailure(); ++i) {
        SCOPED_TRACE("TENON_SIMULATION_SEED=" + std::to_string(first + i));
        round_of_one_direction(first + i, *runtime.shared_core()).run();
    }
    std::printf("%llu schedules of threads from seed %llu\n",
                static_cast<unsigned long long>(rounds), static_cast<unsigned long long>(first));
}

struct ends {
    tenon::channel<int, int> talk;
    tenon::sink<int, long> sum;
};
TENON_INTERFACE(ends, "test", "ends", "1.0.0", talk, sum)

/// What the handlers have seen.
struct counts {
    std::atomic<int> values{0};
    std::atomic<int> in_order{0};
    std::atomic<int> cut_short{0};
};

class stream_rounds_over : public testing::TestWithParam<const char*> {};
INSTANTIATE_TEST_SUITE_P(any, stream_rounds_over, testing::ValuesIn(every_transport), name_of);

tenon::task<void> talk(counts& seen, tenon::duplex<int, int> s) {
    // Says all it has to say first, and listens afterwards, slowly.
    for (int i = 0; i < 5; ++i) co_await s.send_async(i);
    s.finish();
    try {
        int last = -1;
        while (auto v = co_await s.next()) {
            EXPECT_EQ(*v, ++last);
            ++seen.values;
            perhaps_yield();
            if (*v % 8 != 0) continue;
            const bool slept = co_await tenon::sleep_for(100us);  // false: cancelled
            if (!slept) ++seen.cut_short;
        }
        ++seen.in_order;
    } catch (const tenon::failure&) {
        ++seen.cut_short;
        throw;
    }
}
tenon::task<long> sum_of(tenon::reader<int> in) {
    long all = 0;
    while (auto v = co_await in.next()) {
        all += *v;
        perhaps_yield();
    }
    co_return all;
}

// A side that has ended may have values that wait to be taken: nothing is cut short by that.
TEST_P(stream_rounds_over, both_sides_end_in_order_while_values_wait) {
    counts seen;
    stream_server<ends> s(GetParam());
    s.members->talk = [&](tenon::duplex<int, int> d) { return talk(seen, std::move(d)); };
    s.members->sum = sum_of;
    s.start();
    const std::uint64_t seed = number_from("TENON_SIMULATION_SEED", std::random_device{}());
    const std::uint64_t rounds = number_from("TENON_SIMULATION_SCHEDULES", 60);
    std::atomic<std::uint64_t> sent{0};
    std::vector<std::thread> threads;
    for (std::uint64_t t = 0; t < 3; ++t)
        threads.emplace_back([&, t] {
            tenon::base::random_source random(seed + t);
            auto c = s.connect();
            for (std::uint64_t i = 0; i < rounds / 3; ++i) {
                auto d = c.talk();
                auto all = c.sum();
                const auto n = static_cast<int>(random.below(40));
                for (int v = 0; v < n; ++v) d.send(v), all.send(v);
                sent += static_cast<std::uint64_t>(n);
                if (random.below(2) == 0) d.finish();
                for (int v = 0; v < 5; ++v) EXPECT_EQ(d.get(), v);
                d.finish();
                EXPECT_EQ(d.get(), std::nullopt);
                EXPECT_EQ(all.get_reply(), long{n} * (n - 1) / 2);
            }
        });
    for (auto& t : threads) t.join();
    EXPECT_TRUE(eventually([&] { return s.handlers() == 0; }));
    EXPECT_EQ(seen.cut_short, 0) << "seed " << seed;
    EXPECT_EQ(static_cast<std::uint64_t>(seen.in_order), rounds / 3 * 3);
    EXPECT_EQ(static_cast<std::uint64_t>(seen.values), sent);
    s.stop();
}

}  // namespace
