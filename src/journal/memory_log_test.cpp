#include "journal/memory_log.hpp"

#include <gtest/gtest.h>

#include <atomic>
#include <string>
#include <thread>
#include <vector>

#include "journal/test_support.hpp"

namespace tenon::inline v0::journal {
namespace {

using step = cursor::step;

TEST(MemoryLog, BeginsEmpty) {
    memory_log log;
    EXPECT_EQ(log.first(), 1U);
    EXPECT_EQ(log.next(), 1U);
    EXPECT_NE(log.epoch(), memory_log().epoch());
    EXPECT_TRUE(read_all(log).empty());
    EXPECT_EQ(log.position_at(0), 1U);
}

TEST(MemoryLog, KeepsTheLastRecords) {
    memory_log log({.max_records = 3});
    for (int i = 1; i <= 5; ++i)
        EXPECT_EQ(must_append(log, "r" + std::to_string(i)), static_cast<position>(i));
    EXPECT_EQ(log.first(), 3U);
    EXPECT_EQ(log.next(), 6U);
    EXPECT_EQ(read_all(log), (strings{"3:r3", "4:r4", "5:r5"}));
    EXPECT_EQ(read_all(log, 1), (strings{"gap 1-3 retention", "3:r3", "4:r4", "5:r5"}));
    EXPECT_EQ(read_all(log, 5), (strings{"5:r5"}));
    EXPECT_TRUE(read_all(log, 6).empty());
    EXPECT_TRUE(read_all(log, 100).empty());
}

TEST(MemoryLog, ACursorGoesOnWhenThereIsMore) {
    memory_log log;
    cursor c = log.read(2);
    EXPECT_EQ(c.next(), step::end);
    must_append(log, "a");
    EXPECT_EQ(c.next(), step::end);
    must_append(log, "b");
    must_append(log, "c");
    EXPECT_EQ(read_on(c), (strings{"2:b", "3:c"}));
    must_append(log, "d");
    EXPECT_EQ(read_on(c), (strings{"4:d"}));
    c.seek(1);
    EXPECT_EQ(read_on(c), (strings{"1:a", "2:b", "3:c", "4:d"}));
    c.release();
    must_append(log, "e");
    EXPECT_EQ(read_on(c), (strings{"5:e"}));
}

TEST(MemoryLog, BytesAreALimit) {
    memory_log log({.max_bytes = 100'000});
    const std::string text(968, 'x');  // a thousand bytes with its header
    for (int i = 0; i < 1000; ++i) must_append(log, text);
    EXPECT_EQ(log.next() - log.first(), 100U);
    EXPECT_EQ(read_all(log).size(), 100U);
    EXPECT_FALSE(log.append({as_bytes(std::string(100'000, 'x'))}));
    const auto whole = std::string(100'000 - 40, 'y');
    EXPECT_EQ(must_append(log, whole), 1001U);
    EXPECT_EQ(read_all(log), (strings{"1001:" + whole}));
}

TEST(MemoryLog, AgeIsALimit) {
    memory_log log({.max_age = std::chrono::nanoseconds(100)});
    must_append(log, "a", 1000);
    must_append(log, "b", 1050);
    must_append(log, "c", 1120);
    EXPECT_EQ(read_all(log), (strings{"2:b", "3:c"}));
    log.trim(1200);
    EXPECT_EQ(read_all(log), (strings{"3:c"}));
    log.trim(5000);
    EXPECT_EQ(log.first(), 4U);
    EXPECT_TRUE(read_all(log).empty());
    must_append(log, "d", 5001);
    EXPECT_EQ(read_all(log, 3), (strings{"gap 3-4 retention", "4:d"}));
    // Also when the next one does not fit into the page that the others were in.
    log.trim(9000);
    const std::string large(70'000, 'e');
    must_append(log, large, 9001);
    must_append(log, "f", 9002);
    EXPECT_EQ(read_all(log), (strings{"5:" + large, "6:f"}));
}

TEST(MemoryLog, PositionsAreFoundByTime) {
    memory_log log({.max_records = 1000});
    for (int i = 1; i <= 3000; ++i) must_append(log, "0123456789", i * 10);
    EXPECT_EQ(log.position_at(0), 2001U);
    EXPECT_EQ(log.position_at(25'000), 2500U);
    EXPECT_EQ(log.position_at(25'001), 2501U);
    EXPECT_EQ(log.position_at(30'000), 3000U);
    EXPECT_EQ(log.position_at(30'001), 3001U);
    // A clock that was set back changes nothing: the first one of that time or later.
    must_append(log, "early", 20'500);
    EXPECT_EQ(log.position_at(20'500), 2050U);
    must_append(log, "late", 40'000);
    EXPECT_EQ(log.position_at(30'001), 3002U);
}

TEST(MemoryLog, ASessionsNumbersAreStoredOnce) {
    memory_log log({.max_records = 1, .max_sessions = 2});
    const auto put = [&log](unsigned s, std::uint64_t n) {
        const auto done = log.append_once({as_bytes("x"), 0, {session(s), n}});
        EXPECT_TRUE(done);
        return done->duplicate ? 0 : done->at;
    };
    EXPECT_EQ(put(1, 1), 1U);
    EXPECT_EQ(put(1, 1), 0U);
    EXPECT_EQ(put(1, 5), 2U);
    EXPECT_EQ(put(1, 4), 0U);
    EXPECT_EQ(put(2, 1), 3U);
    EXPECT_EQ(put(1, 5), 0U) << "remembered although its record has gone";
    EXPECT_EQ(put(3, 1), 4U) << "in the place of the first session";
    EXPECT_EQ(put(2, 1), 0U);
    EXPECT_EQ(put(1, 5), 5U);
    EXPECT_EQ(log.append_once({as_bytes("x")}).error().code(), errc::invalid);
}

TEST(MemoryLog, DataStaysWhileItsBlockIsHeld) {
    memory_log log({.max_records = 1});
    must_append(log, "keep me");
    cursor c = log.read(1);
    ASSERT_EQ(c.next(), step::record);
    const bytes_view data = c.get().data;
    const auto held = base::block_ref::share(c.block());
    c.release();
    for (int i = 0; i < 10'000; ++i) must_append(log, std::string(100, 'x'));
    EXPECT_EQ(as_text(data), "keep me");
}

class counting_listener final : public listener {
public:
    void on_settled(position next) noexcept override {
        in_order = in_order && next >= last;
        last = next;
        ++calls;
    }
    std::atomic<position> last{0};
    std::atomic<unsigned> calls{0};
    std::atomic<bool> in_order{true};
};

TEST(MemoryLog, ListenersAreToldUntilTheyLeave) {
    memory_log log;
    counting_listener l;
    must_append(log, "a");
    log.add_listener(l);
    must_append(log, "b");
    EXPECT_EQ(l.last, 3U);
    must_append(log, "c");
    EXPECT_EQ(l.calls, 2U);
    log.remove_listener(l);
    must_append(log, "d");
    EXPECT_EQ(l.calls, 2U);
}

TEST(MemoryLog, ReadersFollowWritersInOtherThreads) {
    memory_log log({.max_bytes = 1 << 20});
    counting_listener l;
    log.add_listener(l);
    constexpr unsigned writers = 2;
    constexpr position each = 20'000;
    std::atomic<bool> wrong = false;
    const auto write = [&](unsigned w) {
        for (position n = 1; n <= each; ++n) {
            std::string text = std::to_string(w) + " " + std::to_string(n);
            text.resize(text.size() + n % 50, '.');
            if (!log.append_once({as_bytes(text), 0, {session(w), n}})) wrong = true;
        }
    };
    const auto follow = [&] {
        cursor c = log.read(1);
        position seen = 0;
        std::uint64_t last[writers] = {};
        while (seen < writers * each) {
            switch (c.next()) {
                case step::record: {
                    const record& r = c.get();
                    unsigned w = 0;
                    unsigned long n = 0;
                    const std::string text(as_text(r.data));
                    if (std::sscanf(text.c_str(), "%u %lu", &w, &n) != 2 || w >= writers ||
                        n != r.tag.number || n <= last[w] || r.at != seen + 1)
                        wrong = true;
                    else last[w] = n;
                    seen = r.at;
                    break;
                }
                case step::gap: seen = c.lost().to - 1; break;
                case step::end: std::this_thread::yield(); break;
                case step::failed: wrong = true; return;
            }
        }
    };
    std::vector<std::thread> threads;
    for (unsigned w = 0; w < writers; ++w) threads.emplace_back(write, w);
    for (int r = 0; r < 2; ++r) threads.emplace_back(follow);
    for (std::thread& t : threads) t.join();
    EXPECT_FALSE(wrong);
    EXPECT_TRUE(l.in_order);
    EXPECT_EQ(l.last, writers * each + 1);
    log.remove_listener(l);
}

}  // namespace
}  // namespace tenon::inline v0::journal
