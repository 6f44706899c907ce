// Logs that die at every step: of the process, where all that was written stays, and of the system,
// where what was not synced is lost, torn or there out of order.

#include <cstdlib>
#include <map>
#include <set>
#include <string>

#include <gtest/gtest.h>

#include "journal/file_log.hpp"
#include "journal/sim_storage.hpp"
#include "journal/test_support.hpp"

namespace tenon::inline v0::journal {
namespace {

using death = sim_disk::death;

const char* name_of(sync_mode m) {
    return m == sync_mode::none ? "none" : m == sync_mode::interval ? "interval" : "each";
}

/// Appends by chance, knows what may be there, and what must be.
class world {
public:
    world(std::uint64_t seed, sync_mode mode) : mode_(mode), disk_(seed) {
        options_.sync = mode;
        options_.segment_bytes = 400 + disk_.random().below(2000);
        options_.max_bytes = disk_.random().below(2) == 0 ? 0 : options_.segment_bytes * 5;
        options_.memory_bytes = disk_.random().below(4000);
        options_.max_sessions = 4;
        options_.own_thread = false;
    }

    sim_disk& disk() { return disk_; }

    void open() {
        auto opened = file_log::open(disk_.open(), options_);
        if (opened) log_ = *std::move(opened);
        else ASSERT_TRUE(disk_.is_dead()) << opened.error().to_string();
    }

    void work(int steps) {
        if (log_) epoch_ = log_->epoch();
        for (int i = 0; i < steps && log_ && !disk_.is_dead(); ++i) {
            switch (disk_.random().below(12)) {
                case 0: sync(); break;
                case 1:
                    log_.reset();
                    if (!disk_.is_dead()) synced_ = acked_;
                    open();
                    break;
                case 2:
                case 3: post_some(); break;
                case 4: log_->trim(0); break;
                case 5: send_again(); break;
                default: append(); break;
            }
            if (log_) gone_ = std::max(gone_, log_->first());
        }
    }

    void die(death how) {
        log_.reset();
        disk_.restart(how);
        open();
        ASSERT_NE(log_, nullptr);
        check(how);
    }

private:
    struct value {
        std::string text;
        tag t;
    };

    value make() {
        value v;
        v.text = "v" + std::to_string(++made_) + "." +
                 std::string(disk_.random().below(disk_.random().below(10) == 0 ? 1500 : 60), 'x');
        if (disk_.random().below(2) == 0) {
            const auto s = static_cast<unsigned>(disk_.random().below(3));
            v.t = {session(s), ++numbers_[s]};
        }
        tried_.emplace(v.text, v.t);
        return v;
    }

    void append() {
        const value v = make();
        const entry e{as_bytes(v.text), static_cast<timestamp>(made_), v.t};
        if (v.t.number == 0) {
            if (const auto at = log_->append(e)) acknowledge(*at, v);
        } else if (const auto done = log_->append_once(e)) {
            ASSERT_FALSE(done->duplicate);
            acknowledge(done->at, v);
        }
    }

    void post_some() {
        std::map<position, value> posted;
        for (auto n = 1 + disk_.random().below(disk_.random().below(3) == 0 ? 40 : 6); n > 0; --n) {
            const value v = make();
            const auto at = log_->post({as_bytes(v.text), static_cast<timestamp>(made_), v.t});
            if (at) posted.emplace(*at, v);
        }
        if (log_->flush())
            for (const auto& [at, v] : posted) acknowledge(at, v);
    }

    void send_again() {
        if (acked_.empty()) return;
        auto it = acked_.begin();
        std::advance(it, static_cast<long>(disk_.random().below(acked_.size())));
        const value& v = it->second;
        if (v.t.number == 0) return;
        const auto done = log_->append_once({as_bytes(v.text), 1, v.t});
        if (done) {
            ASSERT_TRUE(done->duplicate) << v.text;
        }
    }

    void sync() {
        if (log_->sync()) synced_ = acked_;
    }

    void acknowledge(position at, const value& v) {
        ASSERT_TRUE(acked_.emplace(at, v).second) << "position " << at << " was given twice";
        told_.insert(v.text);
    }

    void check(death how) {
        const bool all_safe = how == death::process || mode_ == sync_mode::each;
        ASSERT_FALSE(all_safe && log_->recovered().epoch_changed);
        if (how == death::system && mode_ != sync_mode::each) has_holes_ = true;
        ASSERT_TRUE(epoch_ == 0 || (log_->epoch() != epoch_) == log_->recovered().epoch_changed);
        epoch_ = log_->epoch();
        const auto& safe = log_->recovered().epoch_changed ? synced_ : acked_;
        std::map<position, std::string> there;
        std::set<std::string> texts;
        cursor c = log_->read(0);
        for (auto s = c.next(); s != cursor::step::end; s = c.next()) {
            ASSERT_NE(s, cursor::step::failed);
            if (s == cursor::step::gap) {
                ASSERT_TRUE(has_holes_) << "gap at " << c.lost().from << " to " << c.lost().to;
                continue;
            }
            const std::string text(as_text(c.get().data));
            const auto tried = tried_.find(text);
            ASSERT_TRUE(tried != tried_.end()) << "invented: " << text;
            ASSERT_EQ(tried->second, c.get().tag);
            ASSERT_TRUE(texts.insert(text).second) << "twice: " << text;
            there.emplace(c.get().at, text);
        }
        for (const auto& [at, v] : safe) {
            ASSERT_LT(at, log_->next());
            // What had gone may be back, if its removal had not got to the disk.
            if (at < std::max(gone_, log_->first())) continue;
            ASSERT_TRUE(there.contains(at)) << "lost: " << at << " " << v.text;
            ASSERT_EQ(there[at], v.text);
        }
        if (log_->recovered().epoch_changed) forget_the_lost();
        check_sessions(acked_, texts);
        append();
        ASSERT_TRUE(log_->sync());
        synced_ = acked_;
    }

    /// Whatever is acknowledged is a duplicate now, and what is not there is not.
    void check_sessions(const std::map<position, value>& safe, const std::set<std::string>& texts) {
        for (const auto& [at, v] : safe) {
            if (v.t.number == 0) continue;
            ASSERT_TRUE(log_->append_once({as_bytes("never"), 1, v.t})->duplicate) << v.text;
        }
        if (log_->first() != 1) return;
        std::map<std::byte, std::uint64_t> highest;
        for (const std::string& text : texts) {
            const tag& t = tried_.at(text);
            highest[t.session.bytes[0]] = std::max(highest[t.session.bytes[0]], t.number);
        }
        std::map<std::pair<std::byte, std::uint64_t>, std::string> missing;
        for (const auto& [text, t] : tried_)
            if (t.number > highest[t.session.bytes[0]] && !told_.contains(text))
                missing[{t.session.bytes[0], t.number}] = text;
        for (const auto& [key, text] : missing) {
            const tag& t = tried_.at(text);
            const auto done = log_->append_once({as_bytes(text), 1, t});
            ASSERT_TRUE(done);
            ASSERT_FALSE(done->duplicate) << "taken for a duplicate: " << text;
            acknowledge(done->at, {text, t});
        }
    }

    std::map<position, std::string> read() {
        std::map<position, std::string> there;
        cursor c = log_->read(0);
        for (auto s = c.next(); s != cursor::step::end; s = c.next())
            if (s == cursor::step::record) there.emplace(c.get().at, as_text(c.get().data));
        return there;
    }

    /// What was acknowledged, but not safe: after a death of the system positions may be given
    /// again, in another epoch.
    void forget_the_lost() {
        const auto there = read();
        std::erase_if(acked_, [&](const auto& a) {
            const auto found = there.find(a.first);
            return found == there.end() ? a.first >= gone_ || !synced_.contains(a.first)
                                        : found->second != a.second.text;
        });
    }

    const sync_mode mode_;
    sim_disk disk_;
    file_log_options options_;
    std::unique_ptr<file_log> log_;
    std::uint64_t epoch_ = 0;
    bool has_holes_ = false;
    position gone_ = 0;  // in front of it records have been let go
    std::uint64_t made_ = 0;
    std::map<unsigned, std::uint64_t> numbers_;
    std::map<std::string, tag> tried_;
    std::set<std::string> told_;  // what was ever acknowledged
    std::map<position, value> acked_;
    std::map<position, value> synced_;
};

/// One life, cut off at a step, and another one after it, cut off as well.
bool run(std::uint64_t seed, sync_mode mode, death how, std::uint64_t die_at) {
    world w(seed, mode);
    w.disk().die_at(die_at);
    w.open();
    w.work(25);
    const bool died = w.disk().is_dead();
    w.die(how);
    if (::testing::Test::HasFatalFailure()) return false;
    w.disk().die_at(w.disk().steps() + 1 + w.disk().random().below(40));
    w.work(25);
    w.die(w.disk().random().below(2) == 0 ? death::process : death::system);
    return died;
}

class Crash : public ::testing::TestWithParam<std::tuple<sync_mode, death>> {};

INSTANTIATE_TEST_SUITE_P(All, Crash,
                         ::testing::Combine(::testing::Values(sync_mode::none, sync_mode::interval,
                                                              sync_mode::each),
                                            ::testing::Values(death::process, death::system)));

/// TENON_CRASH_SEEDS=100 runs that many, TENON_CRASH_SEED=7 begins with that one.
std::uint64_t from_environment(const char* name, std::uint64_t otherwise) {
    const char* const text = std::getenv(name);
    return text == nullptr ? otherwise : std::strtoull(text, nullptr, 10);
}

TEST_P(Crash, AtEveryStep) {
    const auto [mode, how] = GetParam();
    const std::uint64_t begin = from_environment("TENON_CRASH_SEED", base::random_seed() >> 32);
    const std::uint64_t seeds = from_environment("TENON_CRASH_SEEDS", 8);
    std::uint64_t deaths = 0;
    for (std::uint64_t seed = begin; seed < begin + seeds; ++seed) {
        for (std::uint64_t at = 1;; ++at) {
            SCOPED_TRACE("TENON_CRASH_SEED=" + std::to_string(seed) + " sync " + name_of(mode) +
                         (how == death::process ? ", process" : ", system") + " dies at step " +
                         std::to_string(at));
            const bool died = run(seed, mode, how, at);
            if (HasFatalFailure()) return;
            if (!died) break;
            ++deaths;
        }
    }
    std::printf("seeds %llu to %llu: %llu deaths\n", static_cast<unsigned long long>(begin),
                static_cast<unsigned long long>(begin + seeds - 1),
                static_cast<unsigned long long>(deaths));
    EXPECT_GT(deaths, seeds * 20);
}

}  // namespace
}  // namespace tenon::inline v0::journal
