#include "journal/file_log.hpp"

#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <fstream>
#include <string>
#include <thread>
#include <vector>

#include <gtest/gtest.h>

#include "journal/open_log.hpp"
#include "journal/sim_storage.hpp"
#include "journal/test_support.hpp"

namespace tenon::inline v0::journal {
namespace {

namespace fs = std::filesystem;

std::unique_ptr<file_log> must_open(const std::string& at, const file_log_options& o = {}) {
    auto log = file_log::open(at, o);
    EXPECT_TRUE(log) << log.error().to_string();
    return log ? *std::move(log) : nullptr;
}

std::vector<fs::path> segments(const std::string& at) {
    std::vector<fs::path> all;
    for (const auto& e : fs::directory_iterator(at))
        if (e.path().extension() == ".log") all.push_back(e.path());
    std::sort(all.begin(), all.end());
    return all;
}

void flip(const fs::path& file, std::uint64_t offset) {
    std::fstream f(file, std::ios::in | std::ios::out | std::ios::binary);
    f.seekg(static_cast<std::streamoff>(offset));
    const char c = static_cast<char>(f.get() ^ 0x10);
    f.seekp(static_cast<std::streamoff>(offset));
    f.put(c);
    ASSERT_TRUE(f.good());
}

class FileLog : public ::testing::TestWithParam<sync_mode> {
protected:
    file_log_options options() const { return {.sync = GetParam()}; }
    temporary_directory dir_;
};

INSTANTIATE_TEST_SUITE_P(Modes, FileLog,
                         ::testing::Values(sync_mode::none, sync_mode::interval, sync_mode::each));

TEST_P(FileLog, KeepsRecordsPositionsAndEpoch) {
    std::uint64_t epoch = 0;
    {
        const auto log = must_open(dir_.log(), options());
        epoch = log->epoch();
        EXPECT_EQ(log->next(), 1U);
        EXPECT_TRUE(read_all(*log).empty());
        EXPECT_EQ(must_append(*log, "one"), 1U);
        EXPECT_EQ(must_append(*log, ""), 2U);
        EXPECT_EQ(must_append(*log, "three", 77, {session(4), 9}), 3U);
        EXPECT_EQ(read_all(*log), (strings{"1:one", "2:", "3:three"}));
    }
    for (int i = 0; i < 3; ++i) {
        const auto log = must_open(dir_.log(), options());
        EXPECT_EQ(log->epoch(), epoch);
        EXPECT_EQ(log->first(), 1U);
        EXPECT_EQ(log->next(), 4U + static_cast<unsigned>(i));
        const auto all = read_all(*log);
        ASSERT_GE(all.size(), 3U);
        EXPECT_EQ(all[2], "3:three");
        EXPECT_TRUE(log->recovered().holes.empty());
        EXPECT_EQ(log->recovered().torn_bytes, 0U);
        cursor c = log->read(3);
        ASSERT_EQ(c.next(), cursor::step::record);
        EXPECT_EQ(c.get().time, 77);
        EXPECT_EQ(c.get().tag, (tag{session(4), 9}));
        must_append(*log, "more");
    }
    EXPECT_EQ(segments(dir_.log()).size(), 1U);
}

TEST_P(FileLog, ManySegmentsAreReadAsOne) {
    file_log_options o = options();
    o.segment_bytes = 100'000;
    o.max_bytes = 0;
    o.memory_bytes = 50'000;
    auto log = must_open(dir_.log(), o);
    constexpr position count = 20'000;
    for (position i = 1; i <= count; ++i)
        ASSERT_TRUE(log->post({as_bytes(std::to_string(i)), static_cast<timestamp>(i * 10)}));
    ASSERT_TRUE(log->flush());
    const auto check = [&] {
        cursor c = log->read(0);
        for (position i = 1; i <= count; ++i) {
            ASSERT_EQ(c.next(), cursor::step::record);
            ASSERT_EQ(c.get().at, i);
            ASSERT_EQ(as_text(c.get().data), std::to_string(i));
        }
        EXPECT_EQ(c.next(), cursor::step::end);
        for (position i = count; i > 371; i -= 371) {
            c.seek(i);
            ASSERT_EQ(c.next(), cursor::step::record);
            ASSERT_EQ(c.get().at, i);
            EXPECT_EQ(log->position_at(static_cast<timestamp>(i * 10 - 3)), i);
        }
        EXPECT_EQ(log->position_at(count * 10 + 1), count + 1);
    };
    check();
    EXPECT_GE(segments(dir_.log()).size(), 5U);
    log.reset();
    log = must_open(dir_.log(), o);
    check();
}

TEST_P(FileLog, LargeRecordsAreReadBack) {
    const std::string large(3'000'000, 'L');
    auto log = must_open(dir_.log(), options());
    must_append(*log, "small");
    must_append(*log, large);
    must_append(*log, "end");
    const strings all{"1:small", "2:" + large, "3:end"};
    EXPECT_EQ(read_all(*log), all);
    log.reset();
    log = must_open(dir_.log(), options());
    EXPECT_EQ(read_all(*log), all);
    log.reset();
    file_log_options o = options();
    o.max_record_bytes = 10;
    log = must_open(dir_.log(), o);
    EXPECT_EQ(log->append({as_bytes("01234567890")}).error().code(), errc::invalid);
}

TEST_P(FileLog, OldSegmentsGo) {
    file_log_options o = options();
    o.segment_bytes = 1000;
    o.max_bytes = 5000;
    auto log = must_open(dir_.log(), o);
    cursor slow = log->read(1);
    for (int i = 0; i < 200; ++i) must_append(*log, std::string(68, 'x'), 1);
    EXPECT_LE(log->stats().bytes, 6000U);
    EXPECT_EQ(log->next(), 201U);
    EXPECT_GE(log->first(), 140U);
    EXPECT_LT(log->first(), 190U);
    ASSERT_EQ(slow.next(), cursor::step::gap);
    EXPECT_EQ(slow.lost().from, 1U);
    EXPECT_EQ(slow.lost().to, log->first());
    EXPECT_EQ(slow.lost().why, cursor::reason::retention);
    EXPECT_EQ(read_on(slow).size(), 201 - log->first());
    const position first = log->first();
    log.reset();
    log = must_open(dir_.log(), o);
    EXPECT_EQ(log->first(), first);
    EXPECT_EQ(log->next(), 201U);
    EXPECT_TRUE(log->recovered().holes.empty());
}

TEST_P(FileLog, CountAndAgeAreLimits) {
    file_log_options o = options();
    o.segment_bytes = 1000;
    o.max_bytes = 0;
    o.max_records = 100;
    auto log = must_open(dir_.log(), o);
    for (int i = 0; i < 300; ++i) must_append(*log, std::string(68, 'x'), 1);
    EXPECT_GE(log->next() - log->first(), 100U);
    EXPECT_LE(log->next() - log->first(), 112U);
    log.reset();

    o.max_records = 0;
    o.max_age = std::chrono::nanoseconds(1000);
    log = must_open(dir_.log(), o);
    const position before = log->next();
    for (int i = 0; i < 100; ++i) must_append(*log, "y", 10'000 + i * 100);
    EXPECT_GT(log->first(), before);
    EXPECT_LE(log->position_at(18'900), before + 89);
    EXPECT_LE(log->first(), before + 89) << "what is young enough is kept";
    EXPECT_GE(log->first(), before + 83) << "and not much more";
    log->trim(1'000'000);
    EXPECT_EQ(log->first(), log->next());
    EXPECT_EQ(log->next(), before + 100);
    log.reset();
    log = must_open(dir_.log(), o);
    EXPECT_EQ(log->next(), before + 100) << "positions go on although no record is left";
}

TEST_P(FileLog, SessionsAreRememberedBeyondTheirRecords) {
    file_log_options o = options();
    o.segment_bytes = 1000;
    o.max_bytes = 3000;
    auto log = must_open(dir_.log(), o);
    for (std::uint64_t n = 1; n <= 10; ++n) {
        const auto done = log->append_once({as_bytes("x"), 0, {session(1), n}});
        ASSERT_TRUE(done);
        EXPECT_FALSE(done->duplicate);
    }
    for (int i = 0; i < 200; ++i) must_append(*log, "other", 0, {session(2), 1u + i});
    ASSERT_GT(log->first(), 10U);
    log.reset();
    log = must_open(dir_.log(), o);
    for (std::uint64_t n = 8; n <= 12; ++n) {
        const auto done = log->append_once({as_bytes("x"), 0, {session(1), n}});
        ASSERT_TRUE(done);
        EXPECT_EQ(done->duplicate, n <= 10) << n;
    }
    EXPECT_TRUE(log->append_once({as_bytes("x"), 0, {session(2), 200}})->duplicate);
}

TEST_P(FileLog, IsOpenOnce) {
    const auto log = must_open(dir_.log(), options());
    const auto again = file_log::open(dir_.log(), options());
    ASSERT_FALSE(again);
    EXPECT_EQ(again.error().code(), errc::conflict);
    const pid_t child = ::fork();
    if (child == 0) {
        const auto mine = file_log::open(dir_.log(), options());
        ::_exit(!mine && mine.error().code() == errc::conflict ? 0 : 1);
    }
    int status = 0;
    ASSERT_EQ(::waitpid(child, &status, 0), child);
    EXPECT_EQ(status, 0);
}

TEST_P(FileLog, AKilledProcessLosesNothingThatWasSettled) {
    int pipe[2];
    ASSERT_EQ(::pipe(pipe), 0);
    const pid_t child = ::fork();
    if (child == 0) {
        file_log_options o = options();
        o.segment_bytes = 10'000;
        auto log = file_log::open(dir_.log(), o);
        for (position n = 1;; ++n) {
            const auto at = log ? (*log)->append({as_bytes("value " + std::to_string(n))})
                                : result<position>(error(errc::internal));
            const position told = at ? *at : 0;
            if (::write(pipe[1], &told, sizeof told) != sizeof told || told == 0) ::_exit(1);
        }
    }
    ::close(pipe[1]);
    position last = 0;
    for (int i = 0; i < 500; ++i) ASSERT_EQ(::read(pipe[0], &last, sizeof last), 8);
    ASSERT_EQ(::kill(child, SIGKILL), 0);
    while (::read(pipe[0], &last, sizeof last) == sizeof last) {}
    ::close(pipe[0]);
    ASSERT_EQ(::waitpid(child, nullptr, 0), child);
    const auto log = must_open(dir_.log(), options());
    EXPECT_GE(log->next(), last + 1);
    EXPECT_FALSE(log->recovered().epoch_changed);
    const auto all = read_all(*log);
    ASSERT_GE(all.size(), last);
    for (position n = 1; n <= last; ++n)
        ASSERT_EQ(all[n - 1], std::to_string(n) + ":value " + std::to_string(n));
}

TEST_P(FileLog, ThreadsShareGroups) {
    const auto log = must_open(dir_.log(), options());
    constexpr unsigned writers = 8;
    constexpr std::uint64_t each = 200;
    std::atomic<bool> wrong = false;
    std::vector<std::thread> threads;
    for (unsigned w = 0; w < writers; ++w)
        threads.emplace_back([&, w] {
            for (std::uint64_t n = 1; n <= each; ++n) {
                const auto done = log->append_once({as_bytes("v"), 0, {session(w), n}});
                if (!done || done->duplicate || log->next() <= done->at) wrong = true;
            }
        });
    threads.emplace_back([&] {
        cursor c = log->read(1);
        for (position at = 1; at <= writers * each;) {
            const auto s = c.next();
            if (s == cursor::step::end) std::this_thread::yield();
            else if (s != cursor::step::record || c.get().at != at++) wrong = true;
            if (wrong) return;
        }
    });
    for (std::thread& t : threads) t.join();
    EXPECT_FALSE(wrong);
    EXPECT_EQ(log->next(), writers * each + 1);
    EXPECT_LE(log->stats().groups, writers * each);
}

TEST(FileLogDamage, InTheMiddleIsAGapThatIsReported) {
    const temporary_directory dir;
    const file_log_options o{.max_bytes = 0, .segment_bytes = 1000, .memory_bytes = 0};
    {
        const auto log = must_open(dir.log(), o);
        for (int i = 1; i <= 30; ++i) must_append(*log, std::string(68, 'a'));
    }
    const auto files = segments(dir.log());
    ASSERT_EQ(files.size(), 4U);
    flip(files[1], 64 + 2 * 104 + 50);  // the third record of the second file
    flip(files[1], 64 + 3 * 104 + 5);   // and its successor, with its size
    flip(files[2], 64 + 8 * 104 + 50);  // the last one of a file
    flip(files[3], 64 + 1 * 104 + 50);  // one in the newest file
    const auto log = must_open(dir.log(), o);
    EXPECT_EQ(log->recovered().lost_records, 4U);
    ASSERT_EQ(log->recovered().holes.size(), 3U);
    EXPECT_EQ(log->recovered().torn_bytes, 0U);
    EXPECT_FALSE(log->recovered().epoch_changed);
    EXPECT_EQ(log->next(), 31U);
    const auto all = read_all(*log);
    EXPECT_EQ(all.size(), 30U - 4 + 3);
    const auto& hole = log->recovered().holes[0];
    EXPECT_EQ(
        std::count(all.begin(), all.end(),
                   "gap " + std::to_string(hole.from) + "-" + std::to_string(hole.to) + " damaged"),
        1);
    EXPECT_EQ(must_append(*log, "more"), 31U);
}

TEST(FileLogDamage, SinceOpeningIsAGapToo) {
    const temporary_directory dir;
    const file_log_options o{.memory_bytes = 0};
    { must_append(*must_open(dir.log(), o), "first"); }
    const auto log = must_open(dir.log(), o);
    must_append(*log, "second");
    flip(segments(dir.log())[0], 64 + 35);
    EXPECT_EQ(read_all(*log), (strings{"gap 1-2 damaged", "2:second"}));
}

TEST(FileLogDamage, TheHeadOfASegment) {
    const temporary_directory dir;
    const file_log_options o{.max_bytes = 0, .segment_bytes = 1000};
    std::uint64_t epoch = 0;
    {
        const auto log = must_open(dir.log(), o);
        epoch = log->epoch();
        for (int i = 1; i <= 30; ++i) must_append(*log, std::string(68, 'a'));
    }
    const auto files = segments(dir.log());
    flip(files[1], 20);
    {
        const auto log = must_open(dir.log(), o);
        EXPECT_EQ(log->recovered().damaged_files, 1U);
        EXPECT_EQ(log->epoch(), epoch);
        EXPECT_EQ(log->recovered().lost_records, 9U);
        EXPECT_EQ(log->next(), 31U);
        EXPECT_TRUE(fs::exists(files[1].string() + ".damaged"));
    }
    flip(segments(dir.log()).back(), 20);
    const auto log = must_open(dir.log(), o);
    EXPECT_EQ(log->recovered().damaged_files, 1U);
    EXPECT_TRUE(log->recovered().epoch_changed) << "nobody knows what had been given";
    EXPECT_NE(log->epoch(), epoch);
    EXPECT_EQ(log->recovered().lost_records, 9U) << "the other hole is still there";
    EXPECT_EQ(must_append(*log, "x"), 28U);
}

TEST(FileLogDamage, ATornTailIsCutOff) {
    const temporary_directory dir;
    const file_log_options o{};
    { must_append(*must_open(dir.log(), o), "whole"); }
    const fs::path file = segments(dir.log())[0];
    const auto size = fs::file_size(file);
    {
        std::ofstream f(file, std::ios::app | std::ios::binary);
        f << std::string(100, '\x4a');
    }
    {
        const auto log = must_open(dir.log(), o);
        EXPECT_EQ(log->recovered().torn_bytes, 100U);
        EXPECT_EQ(read_all(*log), (strings{"1:whole"}));
        EXPECT_EQ(fs::file_size(file), size);
        EXPECT_EQ(must_append(*log, "next"), 2U);
    }
    // The half of a record, as a killed process leaves it.
    fs::resize_file(file, fs::file_size(file) - record_header - 3);
    const auto log = must_open(dir.log(), o);
    EXPECT_GT(log->recovered().torn_bytes, 0U);
    EXPECT_EQ(read_all(*log), (strings{"1:whole"}));
    EXPECT_FALSE(log->recovered().epoch_changed);
}

TEST(OpenLog, GivesWhatIsAskedFor) {
    const temporary_directory dir;
    const auto memory = *open_log({.max_records = 2});
    for (const char* const text : {"a", "b", "c"}) must_append(*memory, text);
    EXPECT_EQ(read_all(*memory), (strings{"2:b", "3:c"}));
    log_options o;
    o.directory = dir.log();
    o.sync = log_sync::each;
    { must_append(**open_log(o), "kept"); }
    EXPECT_EQ(read_all(**open_log(o)), (strings{"1:kept"}));
    const auto first = open_log(o);
    EXPECT_EQ(open_log(o).error().code(), errc::conflict);
    o.max_age = std::chrono::seconds(-1);
    EXPECT_EQ(open_log(o).error().code(), errc::invalid);
}

TEST(FileLogErrors, AreResults) {
    const temporary_directory dir;
    EXPECT_EQ(file_log::open(dir.path() / "no" / "log").error().code(), errc::not_found);
    std::ofstream(dir.path() / "file") << "x";
    EXPECT_EQ(file_log::open(dir.path() / "file").error().code(), errc::unavailable);
    EXPECT_EQ(file_log::open(dir.log(), {.segment_bytes = 0}).error().code(), errc::invalid);
    if (::geteuid() != 0) {
        fs::permissions(dir.path(), fs::perms::owner_read | fs::perms::owner_exec);
        EXPECT_EQ(file_log::open(dir.log()).error().code(), errc::denied);
        fs::permissions(dir.path(), fs::perms::owner_all);
    }
}

TEST(FileLogErrors, WritesThatFailLeaveNoTrace) {
    for (std::uint64_t seed = 1; seed <= 30; ++seed) {
        SCOPED_TRACE("seed " + std::to_string(seed));
        sim_disk disk(seed);
        file_log_options o{.max_bytes = 0, .segment_bytes = 2000, .own_thread = false};
        o.sync = static_cast<sync_mode>(seed % 3);
        strings expected;
        auto next_text = [&, n = 0]() mutable {
            return std::to_string(++n) + std::string(disk.random().below(200), '.');
        };
        auto log = *file_log::open(disk.open(), o);
        disk.fail_writes(3);
        unsigned failed = 0;
        for (int i = 0; i < 200; ++i) {
            const std::string text = next_text();
            const auto at = log->append({as_bytes(text)});
            if (at) expected.push_back(std::to_string(*at) + ":" + text);
            else if (++failed; at.error().code() != errc::overloaded) FAIL();
        }
        EXPECT_GT(failed, 20U);
        EXPECT_EQ(log->stats().failed_groups, failed);
        EXPECT_EQ(log->next(), expected.size() + 1);
        EXPECT_EQ(read_all(*log), expected);
        disk.fail_writes(0);
        log.reset();
        log = *file_log::open(disk.open(), o);
        EXPECT_EQ(read_all(*log), expected);
        EXPECT_TRUE(log->recovered().holes.empty());
    }
}

class recording_listener final : public listener {
public:
    void on_settled(position next) noexcept override { seen.push_back(std::to_string(next)); }
    void on_failed(position from, const error&) noexcept override {
        seen.push_back("failed " + std::to_string(from));
    }
    strings seen;
};

TEST(FileLogErrors, PostsThatFailAreToldOf) {
    sim_disk disk(1);
    auto log = *file_log::open(disk.open(), {.own_thread = false});
    recording_listener l;
    log->add_listener(l);
    EXPECT_EQ(*log->post({as_bytes("a")}), 1U);
    EXPECT_EQ(*log->post({as_bytes("b")}), 2U);
    EXPECT_EQ(log->next(), 1U) << "not settled";
    EXPECT_TRUE(read_all(*log).empty());
    ASSERT_TRUE(log->flush());
    disk.fail_writes(1);
    const entry e{as_bytes("c"), 0, {session(1), 5}};
    EXPECT_EQ(log->post_once(e)->at, 3U);
    EXPECT_TRUE(log->post_once(e)->duplicate);
    EXPECT_EQ(log->post_once(e)->at, 3U) << "a duplicate of one that is not settled";
    EXPECT_EQ(log->flush().error().code(), errc::overloaded);
    disk.fail_writes(0);
    const auto again = log->post_once(e);
    EXPECT_FALSE(again->duplicate) << "it is not there";
    EXPECT_EQ(again->at, 3U);
    ASSERT_TRUE(log->flush());
    EXPECT_EQ(log->post_once(e)->at, 0U);
    EXPECT_EQ(l.seen, (strings{"3", "failed 3", "4"}));
    EXPECT_EQ(read_all(*log), (strings{"1:a", "2:b", "3:c"}));
    log->remove_listener(l);
}

TEST(FileLogErrors, NothingIsAppendedAfterAFailedSync) {
    sim_disk disk(1);
    auto log = *file_log::open(disk.open(), {.sync = sync_mode::each, .own_thread = false});
    must_append(*log, "a");
    disk.fail_next_sync();
    EXPECT_EQ(log->append({as_bytes("b")}).error().code(), errc::unavailable);
    EXPECT_EQ(log->append({as_bytes("c")}).error().code(), errc::unavailable);
    EXPECT_EQ(log->post({as_bytes("d")}).error().code(), errc::unavailable);
    EXPECT_FALSE(log->sync());
    EXPECT_EQ(read_all(*log), (strings{"1:a"})) << "reading goes on";
    log.reset();
    log = *file_log::open(disk.open(), {.sync = sync_mode::each, .own_thread = false});
    EXPECT_EQ(read_all(*log), (strings{"1:a"}));
    EXPECT_EQ(must_append(*log, "e"), 2U);
}

TEST(FileLogErrors, TooMuchUnderWayIsRefused) {
    sim_disk disk(1);
    auto log = *file_log::open(disk.open(), {.max_pending_bytes = 10'000, .own_thread = false});
    const std::string text(968, 'x');
    int posted = 0;
    while (log->post({as_bytes(text)})) ++posted;
    EXPECT_EQ(posted, 10);
    EXPECT_EQ(log->post({as_bytes(text)}).error().code(), errc::overloaded);
    EXPECT_EQ(must_append(*log, text), 11U) << "append waits instead";
    EXPECT_TRUE(log->post({as_bytes(text)}));
}

}  // namespace
}  // namespace tenon::inline v0::journal
