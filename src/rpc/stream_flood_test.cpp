// Producers at full speed against consumers that stop: what each policy does, that gaps add up to
// exactly what was not delivered, that one slow consumer holds up no other, and that memory stays
// within what docs/operate.md says.

#include <array>
#include <cstdio>
#include <numeric>

#include "rpc/stream_test_support.hpp"

namespace {

using namespace rpc_test;
using tenon::errc;
using tenon::overflow;

constexpr std::uint32_t window = 32, buffer = 16;

struct flood {
    tenon::source<int()> waits;
    tenon::source<int()> drops_new;
    tenon::source<int()> drops_old;
    tenon::source<int()> keeps_latest;
    tenon::source<int()> fails;
    tenon::source<tenon::bytes()> large;
    tenon::source<tenon::bytes()> large_latest;

    static void describe(tenon::description<flood>& d);
};
TENON_INTERFACE(flood, "test", "flood", "1.0.0", waits, drops_new, drops_old, keeps_latest, fails,
                large, large_latest)

void flood::describe(tenon::description<flood>& d) {
    d[&flood::waits].window(window);
    d[&flood::drops_new].overflow(overflow::drop_new, buffer).window(window);
    d[&flood::drops_old].overflow(overflow::drop_old, buffer).window(window);
    d[&flood::keeps_latest].latest([](int v) { return v % 4; }, buffer).window(window);
    d[&flood::fails].overflow(overflow::fail, buffer).window(window);
    d[&flood::large].window(window);
    d[&flood::large_latest].overflow(overflow::drop_old, buffer).window(window);
}

/// Keeps what the handlers are given.
template <class T>
class writers {
public:
    auto keeper() {
        return [this](tenon::writer<T> out) {
            const std::lock_guard lock(mutex_);
            all_.push_back(std::move(out));
        };
    }
    std::vector<tenon::writer<T>> take(std::size_t n) {
        EXPECT_TRUE(eventually([&] {
            const std::lock_guard lock(mutex_);
            return all_.size() >= n;
        }));
        const std::lock_guard lock(mutex_);
        return std::exchange(all_, {});
    }

private:
    std::mutex mutex_;
    std::vector<tenon::writer<T>> all_;
};

class floods : public testing::TestWithParam<const char*> {
protected:
    floods() : s_(GetParam()) {
        flood& f = *s_.members;
        f.waits = ints_.keeper();
        f.drops_new = ints_.keeper();
        f.drops_old = ints_.keeper();
        f.keeps_latest = ints_.keeper();
        f.fails = ints_.keeper();
        f.large = large_.keeper();
        f.large_latest = large_.keeper();
        s_.start();
        c_.emplace(s_.connect());
    }

    /// What comes until the end; after the first value in the middle of the flood.
    struct outcome {
        std::vector<int> got;
        std::uint64_t lost;
        std::optional<errc> failed;
    };
    static outcome drain(tenon::reader<int>& r) {
        outcome o{};
        o.failed = code_thrown_by([&] {
            while (auto v = r.get()) o.got.push_back(*v);
        });
        o.lost = r.stats().lost;
        EXPECT_EQ(r.stats().passed, o.got.size());
        return o;
    }
    /// Sends 0 … n-1 as fast as it goes, with a pause in the middle in which the reader wakes up.
    outcome overrun(tenon::reader<int> r, int n) {
        auto all = ints_.take(1);
        auto& w = all.at(0);
        outcome o{};
        for (int i = 0; i < n / 2; ++i) (void)w.send(i);
        std::thread reader([&] { o = drain(r); });
        for (int i = n / 2; i < n; ++i) {
            if (i % 1000 == 0) std::this_thread::sleep_for(1ms);
            (void)w.send(i);
        }
        sent_ = w.stats();
        w.finish();
        reader.join();
        // Those that waited then have been sent since.
        EXPECT_EQ(w.stats().lost, o.lost);
        EXPECT_EQ(w.stats().passed, o.got.size());
        EXPECT_FALSE(o.failed);
        return o;
    }

    stream_server<flood> s_;
    std::optional<tenon::stub<flood>> c_;
    writers<int> ints_;
    writers<tenon::bytes> large_;
    tenon::stream_stats sent_;
};
INSTANTIATE_TEST_SUITE_P(over, floods, testing::ValuesIn(every_transport), name_of);

constexpr int many = 50'000;

bool is_increasing(const std::vector<int>& v) {
    return std::adjacent_find(v.begin(), v.end(), std::greater_equal<>()) == v.end();
}

TEST_P(floods, block_makes_the_sender_wait_and_loses_nothing) {
    auto r = c_->waits();
    auto all = ints_.take(1);
    std::atomic<int> sent{0};
    std::thread sender([&] {
        for (int i = 0; i < many; ++i) {
            EXPECT_TRUE(all[0].send(i));
            sent = i + 1;
        }
        all.clear();
    });
    EXPECT_TRUE(eventually([&] { return sent >= static_cast<int>(window); }));
    std::this_thread::sleep_for(20ms);
    EXPECT_EQ(sent, static_cast<int>(window));
    const outcome o = drain(r);
    sender.join();
    EXPECT_EQ(o.got.size(), std::size_t{many});
    EXPECT_TRUE(is_increasing(o.got));
    EXPECT_EQ(o.lost, 0u);
}

TEST_P(floods, block_tells_who_does_not_want_to_wait) {
    auto r = c_->waits();
    auto all = ints_.take(1);
    int sent = 0;
    EXPECT_TRUE(eventually([&] {
        const auto done = all[0].try_send(sent);
        if (done) ++sent;
        else EXPECT_EQ(done.error().code(), errc::overloaded);
        return sent == static_cast<int>(window);
    }));
    EXPECT_EQ(all[0].try_send(sent).error().code(), errc::overloaded);
    EXPECT_EQ(all[0].send_for(sent, 20ms).error().code(), errc::deadline);
    all.clear();
    const outcome o = drain(r);
    EXPECT_EQ(o.got.size(), window);
    EXPECT_EQ(o.lost, 0u);
}

TEST_P(floods, drop_new_keeps_what_came_first) {
    const outcome o = overrun(c_->drops_new(), many);
    EXPECT_EQ(o.got.size() + o.lost, std::size_t{many});
    EXPECT_TRUE(is_increasing(o.got));
    ASSERT_GE(o.got.size(), window + buffer);
    for (std::uint32_t i = 0; i < window + buffer; ++i) EXPECT_EQ(o.got[i], static_cast<int>(i));
    EXPECT_GT(o.lost, 0u);
}

TEST_P(floods, drop_old_keeps_what_came_last) {
    const outcome o = overrun(c_->drops_old(), many);
    EXPECT_EQ(o.got.size() + o.lost, std::size_t{many});
    EXPECT_TRUE(is_increasing(o.got));
    EXPECT_GT(o.lost, 0u);
    ASSERT_GE(o.got.size(), buffer);
    for (std::uint32_t i = 1; i <= buffer; ++i)
        EXPECT_EQ(o.got[o.got.size() - i], many - static_cast<int>(i));
}

TEST_P(floods, latest_keeps_the_last_of_every_key) {
    const outcome o = overrun(c_->keeps_latest(), many);
    EXPECT_EQ(o.got.size() + o.lost, std::size_t{many});
    EXPECT_GT(o.lost, 0u);
    std::array<int, 4> last{};
    for (const int v : o.got) {
        EXPECT_GE(v, last[v % 4]);  // of a key, in order
        last[v % 4] = v;
    }
    for (int i = 1; i <= 4; ++i) EXPECT_EQ(last[(many - i) % 4], many - i);
}

TEST_P(floods, fail_ends_the_stream) {
    auto r = c_->fails();
    auto all = ints_.take(1);
    int sent = 0;
    EXPECT_EQ(code_thrown_by([&] {
                  for (;; ++sent) all[0].send(sent);
              }),
              errc::overloaded);
    EXPECT_EQ(sent, static_cast<int>(window + buffer));
    const outcome o = drain(r);
    EXPECT_EQ(o.failed, errc::overloaded);
    EXPECT_EQ(o.got.size(), window);
    EXPECT_TRUE(is_increasing(o.got));
}

// 100 consumers, one of which does not take anything: the other 99 get every value, as fast as they
// take them, and the gaps of the stuck one add up.
TEST_P(floods, one_stuck_consumer_of_a_hundred_holds_up_nobody) {
    constexpr int consumers = 100, rounds = 500;
    constexpr int burst = static_cast<int>(buffer);
    std::vector<tenon::reader<int>> readers;
    struct tally {
        std::atomic<int> got{0};
        std::atomic<bool> in_order{true};
        std::atomic<bool> ended{false};
    };
    std::vector<tally> tallies(consumers);
    for (int i = 0; i < consumers; ++i) readers.push_back(c_->drops_new());
    for (int i = 1; i < consumers; ++i) {
        tally& t = tallies[i];
        readers[i].on_end([&t](const std::optional<tenon::error>& why) { t.ended = !why; });
        readers[i].on_value([&t](int v) {
            if (v != t.got) t.in_order = false;
            ++t.got;
        });
    }
    auto all = ints_.take(consumers);
    ASSERT_EQ(all.size(), std::size_t{consumers});
    const auto begin = std::chrono::steady_clock::now();
    for (int round = 0; round < rounds; ++round) {
        for (int i = round * burst; i < (round + 1) * burst; ++i)
            for (auto& w : all) (void)w.send(i);
        // The others are waited for, as a producer would that has nothing new to send.
        ASSERT_TRUE(eventually([&] {
            for (int i = 1; i < consumers; ++i)
                if (tallies[i].got != (round + 1) * burst) return false;
            return true;
        })) << "round "
            << round;
    }
    const std::chrono::duration<double> took = std::chrono::steady_clock::now() - begin;
    std::printf("[  %s  ] %d values to each of %d consumers, one of them stuck: %.0f values/s\n",
                GetParam(), rounds * burst, consumers,
                rounds * burst * (consumers - 1) / took.count());
    for (auto& w : all) w.finish();
    EXPECT_TRUE(eventually([&] {
        for (int i = 1; i < consumers; ++i)
            if (!tallies[i].ended) return false;
        return true;
    }));
    for (int i = 1; i < consumers; ++i) {
        EXPECT_TRUE(tallies[i].in_order) << i;
        EXPECT_EQ(readers[i].stats().lost, 0u) << i;
    }
    const outcome o = drain(readers[0]);
    EXPECT_EQ(o.got.size(), window + buffer);
    EXPECT_EQ(o.got.size() + o.lost, std::size_t{rounds * burst});
    all.clear();
    EXPECT_TRUE(s_.all_ended(*c_));
}

// --- handlers that block ---

struct sleepers {
    tenon::source<int()> sleeps;
    tenon::sink<int, int> sleeps_over;
};
TENON_INTERFACE(sleepers, "test", "sleepers", "1.0.0", sleeps, sleeps_over)

tenon::runtime_options wide_pool() {
    tenon::runtime_options o;
    o.pool.most = 256;
    return o;
}

// They all sleep at the same time: the pool grows as fast as threads can be made.
TEST(many_streams, a_hundred_and_twenty_eight_handlers_sleep_at_once) {
    constexpr int n = 128;
    for (const char* transport : every_transport) {
        stream_server<sleepers> s(transport, wide_pool());
        std::atomic<int> now{0}, most{0};
        const auto sleep = [&] {
            const int here = ++now;
            for (int seen = most; seen < here && !most.compare_exchange_weak(seen, here);) {}
            std::this_thread::sleep_for(1s);
            EXPECT_TRUE(eventually([&] { return most == n; }));
            --now;
        };
        s.members->sleeps = [&](tenon::writer<int> out) {
            sleep();
            out.send(1);
        };
        s.members->sleeps_over = [&](tenon::reader<int> in) {
            const auto v = in.get();
            sleep();
            return v.value_or(-1);
        };
        s.start();
        auto c = s.connect();
        const auto begin = std::chrono::steady_clock::now();
        std::vector<tenon::reader<int>> sources;
        std::vector<tenon::reply_writer<int, int>> sinks;
        for (int i = 0; i < n / 2; ++i) sources.push_back(c.sleeps());
        for (int i = 0; i < n / 2; ++i) {
            sinks.push_back(c.sleeps_over());
            sinks.back().send(i);
        }
        for (auto& r : sources) EXPECT_EQ(r.get(), 1);
        for (int i = 0; i < n / 2; ++i) EXPECT_EQ(sinks[i].get_reply(), i);
        const std::chrono::duration<double> took = std::chrono::steady_clock::now() - begin;
        std::printf("[  %s  ] %d handlers that sleep for 1 s: %.3f s, %d at once\n", transport, n,
                    took.count(), most.load());
        EXPECT_LT(took.count(), 5) << "the pool did not grow as they came";
        EXPECT_TRUE(s.all_ended(c));
    }
}

#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)

std::size_t resident() {
    std::size_t pages = 0, in_memory = 0;
    std::FILE* const f = std::fopen("/proc/self/statm", "r");
    if (std::fscanf(f, "%zu %zu", &pages, &in_memory) != 2) in_memory = 0;
    std::fclose(f);
    return in_memory * 4096;
}

constexpr std::size_t kib = 1024, mib = 1024 * kib;
constexpr std::size_t value_size = 64 * kib;
// What one stream may hold, both sides in this process: the window at the receiver, what waits by
// policy at the sender, and the output of a connection, beyond whose high water nothing is added;
// twice, because the allocator and the kernel keep some; and what a runtime needs to get going.
constexpr std::size_t bound(std::size_t waiting) {
    return 2 * ((window + waiting) * value_size + 256 * kib) + 12 * mib;
}

TEST_P(floods, memory_is_bounded_while_the_sender_waits) {
    auto r = c_->large();
    auto all = large_.take(1);
    const std::size_t before = resident();
    std::atomic<int> sent{0};
    std::thread sender([&] {
        const tenon::bytes value(value_size, std::byte{7});
        try {
            for (;; ++sent) all[0].send(value);
        } catch (const tenon::failure& e) {
            EXPECT_EQ(e.error().code(), errc::cancelled);
        }
    });
    EXPECT_TRUE(eventually([&] {
        const int seen = sent;
        std::this_thread::sleep_for(30ms);
        return seen == sent && seen > 0;
    }));
    EXPECT_LE(sent, static_cast<int>(window));
    EXPECT_LT(resident(), before + bound(0));
    // The same while the consumer crawls.
    for (int i = 0; i < 500; ++i) EXPECT_EQ(r.get()->size(), value_size);
    EXPECT_LT(resident(), before + bound(0));
    r.stop();
    sender.join();
}

TEST_P(floods, memory_is_bounded_while_values_are_dropped) {
    auto r = c_->large_latest();
    auto all = large_.take(1);
    const std::size_t before = resident();
    const tenon::bytes value(value_size, std::byte{7});
    constexpr int n = 20'000;
    std::size_t most = 0;
    for (int i = 0; i < n; ++i) {
        (void)all[0].send(value);
        if (i % 1000 == 0) most = std::max(most, resident());
    }
    EXPECT_LT(most, before + bound(buffer));
    all.clear();
    std::size_t got = 0;
    while (r.get()) ++got;
    EXPECT_EQ(got + r.stats().lost, std::size_t{n});
    EXPECT_EQ(got, window + buffer);
}

#endif

}  // namespace
