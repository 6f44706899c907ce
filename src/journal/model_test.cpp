// Logs beside a simple model of one, with the same things done to both by chance.

#include <deque>
#include <memory>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "base/random.hpp"
#include "journal/file_log.hpp"
#include "journal/memory_log.hpp"
#include "journal/sim_storage.hpp"
#include "journal/test_support.hpp"

namespace tenon::inline v0::journal {
namespace {

struct kept {
    timestamp time;
    tag t;
    std::string text;
};

class model {
public:
    model(record_log& log, base::random_source& random) : log_(&log), random_(random) {
        for (int i = 0; i < 5; ++i) readers_.push_back(log.read(1));
    }

    void replace(record_log& log) {
        log_ = &log;
        for (cursor& c : readers_) c = log.read(c.at());
    }

    void run(int steps) {
        for (int i = 0; i < steps && !::testing::Test::HasFatalFailure(); ++i) {
            switch (random_.below(10)) {
                case 0: check_time(); break;
                case 1: seek(); break;
                case 2: log_->trim(time_); break;
                case 3: post(); break;
                case 4:
                case 5:
                case 6: append(); break;
                default: read(readers_[random_.below(readers_.size())]); break;
            }
            ASSERT_EQ(log_->next(), all_.size() + 1);
            ASSERT_LE(log_->first(), log_->next());
        }
    }

private:
    static constexpr unsigned sessions = 5;

    kept make() {
        time_ = std::max<timestamp>(time_ + static_cast<timestamp>(random_.below(100)) - 10, 1);
        std::string text(random_.below(random_.below(20) == 0 ? 20'000 : 200), 'a');
        for (char& c : text) c = static_cast<char>('a' + random_.below(26));
        tag t;
        if (random_.below(2) == 0)
            t = {session(static_cast<unsigned>(random_.below(sessions))), 1 + random_.below(200)};
        return {time_, t, text};
    }
    bool is_duplicate(const tag& t) const {
        for (const kept& k : all_)
            if (k.t.number >= t.number && k.t.session == t.session) return true;
        return false;
    }

    void append() {
        const kept k = make();
        const entry e{as_bytes(k.text), k.time, k.t};
        if (k.t.number == 0) {
            const auto at = log_->append(e);
            ASSERT_TRUE(at);
            ASSERT_EQ(*at, all_.size() + 1);
        } else {
            const auto done = log_->append_once(e);
            ASSERT_TRUE(done);
            ASSERT_EQ(done->duplicate, is_duplicate(k.t));
            if (done->duplicate) return;
            ASSERT_EQ(done->at, all_.size() + 1);
        }
        all_.push_back(k);
    }
    void post() {
        for (auto n = random_.below(20); n > 0; --n) {
            const kept k = make();
            const auto at = log_->post({as_bytes(k.text), k.time, k.t});
            ASSERT_TRUE(at);
            all_.push_back(k);
            ASSERT_EQ(*at, all_.size());
        }
        ASSERT_TRUE(log_->flush());
    }
    void seek() {
        readers_[random_.below(readers_.size())].seek(random_.below(all_.size() + 3) + 1);
    }
    void read(cursor& c) {
        const position at = c.at();
        switch (c.next()) {
            case cursor::step::end: ASSERT_GE(at, log_->next()); break;
            case cursor::step::failed: FAIL() << c.failure().to_string();
            case cursor::step::gap:
                ASSERT_EQ(c.lost().why, cursor::reason::retention);
                ASSERT_EQ(c.lost().from, at);
                ASSERT_EQ(c.lost().to, log_->first());
                break;
            case cursor::step::record: {
                const kept& k = all_.at(at - 1);
                ASSERT_EQ(c.get().at, at);
                ASSERT_EQ(c.get().time, k.time);
                ASSERT_EQ(c.get().tag, k.t);
                ASSERT_EQ(as_text(c.get().data), k.text);
                break;
            }
        }
    }
    void check_time() {
        const timestamp wanted =
            static_cast<timestamp>(random_.below(static_cast<std::uint64_t>(time_ + 100)));
        position expected = log_->first();
        while (expected <= all_.size() && all_[expected - 1].time < wanted) ++expected;
        ASSERT_EQ(log_->position_at(wanted), expected);
    }

    record_log* log_;
    base::random_source& random_;
    std::vector<kept> all_;
    std::vector<cursor> readers_;
    timestamp time_ = 1000;
};

TEST(Model, MemoryLog) {
    const std::uint64_t begin = base::random_seed() >> 32;
    for (std::uint64_t seed = begin; seed < begin + 20; ++seed) {
        SCOPED_TRACE("seed " + std::to_string(seed));
        base::random_source random(seed);
        memory_log_options o;
        o.max_records = random.below(3) == 0 ? 0 : random.below(300) + 1;
        o.max_bytes = 25'000 + random.below(200'000);
        o.max_age = std::chrono::nanoseconds(random.below(3) == 0 ? random.below(5000) : 0);
        memory_log log(o);
        model m(log, random);
        m.run(2000);
        if (HasFatalFailure()) return;
        ASSERT_TRUE(o.max_records == 0 || log.next() - log.first() <= o.max_records);
    }
}

TEST(Model, FileLog) {
    const std::uint64_t begin = base::random_seed() >> 32;
    for (std::uint64_t seed = begin; seed < begin + 20; ++seed) {
        SCOPED_TRACE("seed " + std::to_string(seed));
        base::random_source random(seed);
        sim_disk disk(seed);
        file_log_options o;
        o.segment_bytes = 1000 + random.below(100'000);
        o.max_bytes = o.segment_bytes * random.below(6);
        o.max_records = random.below(3) == 0 ? random.below(300) : 0;
        o.max_age = std::chrono::nanoseconds(random.below(3) == 0 ? random.below(5000) : 0);
        o.memory_bytes = random.below(200'000);
        o.sync = static_cast<sync_mode>(random.below(3));
        o.own_thread = random.below(2) == 0;
        auto log = *file_log::open(disk.open(), o);
        model m(*log, random);
        for (int life = 0; life < 5; ++life) {
            m.run(500);
            if (HasFatalFailure()) return;
            log.reset();
            log = *file_log::open(disk.open(), o);
            m.replace(*log);
            ASSERT_TRUE(log->recovered().holes.empty());
            ASSERT_EQ(log->recovered().torn_bytes, 0U);
        }
    }
}

}  // namespace
}  // namespace tenon::inline v0::journal
