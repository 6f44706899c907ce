// What goes out first: priorities, aging, and the order within a stream.

#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <random>

#include "wire/output.hpp"
#include "wire/test_support.hpp"

namespace tenon::inline v0::wire {
namespace {

using test::frames_of;
using test::pattern;
using test::write_some;

constexpr std::size_t kib = 1024;

frame value(std::uint32_t stream, std::uint16_t flags = flag::next) {
    frame f;
    f.type = frame_type::payload;
    f.stream = stream;
    f.flags = flags;
    return f;
}

frame control(frame_type type, std::uint32_t stream = 0) {
    frame f;
    f.type = type;
    f.stream = stream;
    f.n = 1;
    if (type == frame_type::metadata_push) f.has_metadata = true;
    return f;
}

struct written {
    frame_type type;
    std::uint32_t stream;
    std::size_t size;
    bytes data;
};

/// Takes all that goes out when nothing is added any more.
std::vector<written> written_by(output_queue& q) {
    std::vector<written> all;
    for (const bytes& b : frames_of(q)) {
        const auto f = parse_frame(b);
        EXPECT_TRUE(f);
        if (!f) break;
        all.push_back({f->type, f->stream, b.size(), bytes(f->data.begin(), f->data.end())});
    }
    return all;
}

std::size_t place_of(const std::vector<written>& all, std::uint32_t stream) {
    const auto at = std::ranges::find(all, stream, &written::stream);
    EXPECT_NE(at, all.end()) << "#" << stream;
    return static_cast<std::size_t>(at - all.begin());
}

std::size_t bytes_before(const std::vector<written>& all, std::size_t place) {
    std::size_t n = 0;
    for (std::size_t i = 0; i < place; ++i) n += all[i].size;
    return n;
}

/// `n` bytes of small frames, each of a stream of its own.
std::uint32_t flood(output_queue& q, std::size_t n, priority p, std::uint32_t first) {
    for (std::size_t i = 0; i < n / kib; ++i, first += 2)
        q.add(value(first), outgoing(pattern(kib)), p);
    return first;
}

TEST(output_priority, a_higher_frame_passes_all_but_what_has_its_place) {
    output_queue q;
    flood(q, 2048 * kib, priority::normal, 101);
    q.add(value(1), outgoing(pattern(10)), priority::low);
    q.add(value(3), outgoing(pattern(10)), priority::high);
    q.add(value(5), outgoing(pattern(10)), priority::normal);
    const auto all = written_by(q);
    EXPECT_LE(bytes_before(all, place_of(all, 3)), output_queue::large_limit + 2 * kib);
    EXPECT_GT(place_of(all, 1), place_of(all, 3));
    EXPECT_EQ(all.size(), 2048u + 3);
    EXPECT_GT(place_of(all, 5), 2000u) << "of the same priority nothing is passed";
}

TEST(output_priority, while_little_waits_the_order_is_that_of_adding) {
    output_queue q;
    q.add(value(1), outgoing(pattern(10)), priority::low);
    q.add(value(3), outgoing(pattern(10)), priority::normal);
    q.add(value(5), outgoing(pattern(10)), priority::high);
    const auto all = written_by(q);
    ASSERT_EQ(all.size(), 3u);
    for (std::uint32_t i = 0; i < 3; ++i) EXPECT_EQ(all[i].stream, 1 + 2 * i);
}

TEST(output_priority, a_higher_frame_waits_for_one_fragment_of_a_large_message) {
    output_queue q;
    q.add(value(1), outgoing(pattern(8192 * kib)), priority::normal);
    q.add(value(3), outgoing(pattern(8192 * kib)), priority::low);
    (void)write_some(q, 300 * kib);
    q.add(value(5), outgoing(pattern(10)), priority::high);
    bytes rest;
    for (bytes b; !(b = write_some(q, 50'000)).empty();)
        rest.insert(rest.end(), b.begin(), b.end());
    // Behind what had its place when it came: at most a fragment and what was begun.
    const bytes data = pattern(10);
    const auto at = std::ranges::search(rest, data);
    EXPECT_LT(at.begin() - rest.begin(), 700'000);
}

TEST(output_priority, large_messages_go_by_priority_and_share_within_one) {
    output_queue q;
    q.add(value(1), outgoing(pattern(400 * kib)), priority::low);
    q.add(value(3), outgoing(pattern(400 * kib)), priority::normal);
    q.add(value(5), outgoing(pattern(400 * kib)), priority::normal);
    std::vector<std::uint32_t> order;
    for (const written& w : written_by(q)) order.push_back(w.stream);
    ASSERT_GE(order.size(), 15u);
    EXPECT_EQ(std::vector(order.begin(), order.begin() + 4), (std::vector{3u, 5u, 3u, 5u}));
    // The first turn of the low one comes after `patience`, before the others have ended.
    const auto first_low = std::ranges::find(order, 1u) - order.begin();
    EXPECT_GE(first_low, 8);
    EXPECT_LE(first_low, 9);
}

TEST(output_priority, few_messages_are_unfinished_at_a_time) {
    output_queue q;
    for (std::uint32_t i = 0; i < 24; ++i)
        q.add(value(1 + 2 * i), outgoing(pattern(300 * kib)), static_cast<priority>(i % 3));
    std::map<std::uint32_t, std::size_t> unfinished;
    std::size_t most = 0;
    for (const written& w : written_by(q)) {
        std::size_t& n = unfinished[w.stream];
        n += w.data.size();
        most = std::max(most, unfinished.size());
        if (n == 300 * kib) unfinished.erase(w.stream);
    }
    EXPECT_TRUE(unfinished.empty());
    EXPECT_GE(most, output_queue::lanes_at_once);
    EXPECT_LE(most, output_queue::lanes_at_once + 2);
}

TEST(output_priority, one_large_message_is_not_too_much) {
    output_queue q;
    q.add(value(1), outgoing(pattern(9000 * kib)));
    EXPECT_FALSE(q.exceeds(100 * kib));
    const std::uint32_t next = flood(q, 99 * kib, priority::normal, 101);
    EXPECT_FALSE(q.exceeds(101 * kib));
    flood(q, 10 * kib, priority::normal, next);
    EXPECT_TRUE(q.exceeds(101 * kib));
    EXPECT_FALSE(q.exceeds(9200 * kib));
    q.add(value(3), outgoing(pattern(8000 * kib)));
    EXPECT_FALSE(q.exceeds(8200 * kib));
    EXPECT_TRUE(q.exceeds(8000 * kib));
}

// Each level gets at least 64 KiB after each `patience` of what is above it, give or take the turns of
// the other levels.
TEST(output_priority, nothing_starves_while_higher_ones_keep_coming) {
    output_queue q;
    const std::map<std::uint32_t, priority> large{
        {1, priority::low}, {3, priority::normal}, {5, priority::high}};
    for (const auto& [stream, p] : large) q.add(value(stream), outgoing(pattern(4096 * kib)), p);
    std::uint32_t next = 101;
    std::map<std::uint32_t, priority> small;
    const auto add_small = [&](priority p, std::size_t n) {
        for (const std::uint32_t end = flood(q, n, p, next); next != end; next += 2)
            small[next] = p;
    };
    std::map<std::pair<bool, priority>, std::size_t> got;
    std::size_t total = 0;
    bytes stream;
    for (unsigned round = 0; round < 200; ++round) {
        for (const priority p : {priority::low, priority::normal, priority::high})
            add_small(p, 128 * kib);
        const bytes b = write_some(q, 100 * kib);
        stream.insert(stream.end(), b.begin(), b.end());
    }
    for (std::size_t at = 0; at + 3 < stream.size();) {
        const std::size_t size = load_be24(stream.data() + at);
        if (at + 3 + size > stream.size()) break;
        const auto f = parse_frame(bytes_view(stream).subspan(at + 3, size));
        ASSERT_TRUE(f);
        const bool is_large = large.contains(f->stream);
        got[{is_large, is_large ? large.at(f->stream) : small.at(f->stream)}] += size;
        total += size;
        at += 3 + size;
    }
    for (const bool is_large : {false, true})
        for (const priority p : {priority::low, priority::normal, priority::high})
            EXPECT_GE((got[{is_large, p}]), total / 16) << is_large << static_cast<int>(p);
    EXPECT_GE((got[{false, priority::high}]), total / 3) << "what is urgent still gets the most";
}

TEST(output_priority, control_frames_are_not_held_up) {
    output_queue q;
    frame asked;
    asked.type = frame_type::request_channel;
    asked.stream = 1;
    asked.n = 1;
    const std::uint64_t mark = q.add(asked, outgoing(pattern(10)), priority::low);
    flood(q, 1024 * kib, priority::normal, 101);
    q.add(value(1), outgoing(pattern(500 * kib)), priority::low);
    EXPECT_TRUE(q.is_placed(mark, 1));
    q.add(control(frame_type::keepalive), priority::high);
    q.add(control(frame_type::metadata_push), priority::high);
    q.add(control(frame_type::request_n, 1), priority::high);
    const auto all = written_by(q);
    std::size_t found = 0;
    for (std::size_t i = 0; i < all.size() && bytes_before(all, i) < 100 * kib; ++i)
        found += all[i].type == frame_type::keepalive || all[i].type == frame_type::metadata_push ||
                 all[i].type == frame_type::request_n;
    EXPECT_EQ(found, 3u);
}

TEST(output_priority, nothing_passes_the_request_of_its_stream) {
    output_queue q;
    flood(q, 512 * kib, priority::normal, 101);
    frame asked = control(frame_type::request_channel, 1);
    const std::uint64_t mark = q.add(asked, outgoing(pattern(10)), priority::low);
    EXPECT_FALSE(q.is_placed(mark, 1));
    EXPECT_FALSE(q.may_have_left(mark, 1));
    q.add(control(frame_type::request_n, 1), priority::low);
    std::vector<frame_type> order;
    for (const written& w : written_by(q))
        if (w.stream == 1) order.push_back(w.type);
    EXPECT_EQ(order, (std::vector{frame_type::request_channel, frame_type::request_n}));
    EXPECT_TRUE(q.is_placed(mark, 1));
    EXPECT_TRUE(q.may_have_left(mark, 1));
    q.release_if_empty();
    flood(q, 512 * kib, priority::normal, 101);
    EXPECT_TRUE(q.is_placed(mark, 1)) << "marks outlive the storage";
    EXPECT_TRUE(q.may_have_left(mark, 1));
}

TEST(output_priority, the_last_frame_goes_behind_all_small_ones) {
    output_queue q;
    flood(q, 512 * kib, priority::low, 101);
    q.add(value(1), outgoing(pattern(300 * kib)), priority::high);
    frame last;
    last.type = frame_type::error;
    last.code = error_code::connection_close;
    q.add_last(last);
    q.drop_all();
    const auto all = written_by(q);
    ASSERT_EQ(all.size(), 513u);
    EXPECT_EQ(all.back().type, frame_type::error);
}

TEST(output_priority, lent_memory_may_be_taken_back_from_where_it_waits) {
    output_queue q;
    flood(q, 200 * kib, priority::normal, 101);
    bytes lent = pattern(20 * kib);
    q.add(value(1), outgoing::lend(lent), priority::low);
    q.take_back(lent);
    std::ranges::fill(lent, std::byte{0xee});
    const auto all = written_by(q);
    EXPECT_TRUE(all.back().data == pattern(20 * kib));
}

// Every frame goes out once, streams keep their order, whatever is added and written when.
TEST(output_priority, random_traffic_keeps_every_stream_in_order) {
    const auto seed = std::random_device()();
    SCOPED_TRACE(seed);
    std::mt19937 random(seed);
    for (const framing how : {framing::stream, framing::messages}) {
        output_queue q(how);
        std::map<std::uint32_t, bytes> sent, got;
        bytes stream;
        std::vector<bytes> frames;
        const auto write = [&] {
            // A message is written as a whole.
            const bool whole = how == framing::messages;
            bytes b = write_some(q, whole ? max_frame_size : 1 + random() % 300'000);
            if (b.empty()) return false;
            if (whole) frames.push_back(std::move(b));
            else stream.insert(stream.end(), b.begin(), b.end());
            return true;
        };
        for (unsigned i = 0; i < 1'500; ++i) {
            const std::uint32_t id = 1 + 2 * (random() % 12);
            const auto p = static_cast<priority>(id / 2 % 3);
            const std::size_t size = random() % 25 == 0  ? random() % 700'000
                                     : random() % 4 == 0 ? random() % 60'000
                                                         : random() % 2'000;
            const bytes data = pattern(size, i);
            sent[id].insert(sent[id].end(), data.begin(), data.end());
            base::byte_buffer own;
            own.append(data);
            if (random() % 2) q.add(value(id), outgoing(own.view(), &own), p);
            else q.add(value(id), outgoing(data), p);
            for (unsigned n = random() % 3; n != 0; --n) write();
            if (random() % 50 == 0) q.release_if_empty();
        }
        while (write()) {}
        EXPECT_TRUE(q.empty());
        for (std::size_t at = 0; at < stream.size();) {
            const std::size_t size = load_be24(stream.data() + at);
            frames.emplace_back(stream.begin() + static_cast<std::ptrdiff_t>(at + 3),
                                stream.begin() + static_cast<std::ptrdiff_t>(at + 3 + size));
            at += 3 + size;
        }
        for (const bytes& b : frames) {
            const auto f = parse_frame(b);
            ASSERT_TRUE(f);
            got[f->stream].insert(got[f->stream].end(), f->data.begin(), f->data.end());
        }
        EXPECT_TRUE(sent == got);
    }
}

}  // namespace
}  // namespace tenon::inline v0::wire
