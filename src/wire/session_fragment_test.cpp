// Messages in several frames, and two sessions that talk to each other at random.

#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <map>
#include <memory>
#include <random>

#include "wire/frame_reader.hpp"
#include "wire/session.hpp"
#include "wire/test_support.hpp"

namespace tenon::inline v0::wire {
namespace {

using namespace std::chrono_literals;
using test::pattern;
using test::said;

const time_point start{1000s};
constexpr auto value = flag::next;
constexpr auto last = flag::complete;
constexpr auto more = flag::follows;

struct half {
    explicit half(role r, session_options o = {}) : s(r, o, start) {
        if (r == role::client) {
            EXPECT_TRUE(s.setup("m/m", "d/d"));
            said(s.out());
            return;
        }
        session client(role::client, {}, start);
        EXPECT_TRUE(client.setup("m/m", "d/d"));
        const auto frames = test::frames_of(client.out());
        EXPECT_EQ(s.receive(*parse_frame(frames[0]), start).kind, event_kind::setup);
    }
    event give(frame_type type, std::uint32_t stream, std::uint16_t flags, bytes_view data,
               bytes_view metadata = {}) {
        frame f;
        f.type = type;
        f.stream = stream;
        f.flags = flags;
        f.n = 1;
        f.has_metadata = !metadata.empty();
        f.metadata = metadata;
        f.data = data;
        base::byte_buffer b;
        append_frame(b, f, false);
        keep = std::move(b);
        return s.receive(*parse_frame(keep.view()), now);
    }
    std::string out() { return said(s.out()); }

    session s;
    time_point now = start;
    base::byte_buffer keep;
};

TEST(fragments, request_is_shown_when_complete) {
    half s(role::server);
    EXPECT_EQ(s.give(frame_type::request_response, 1, more, as_bytes("a"), as_bytes("M")).kind,
              event_kind::none);
    EXPECT_EQ(s.give(frame_type::payload, 1, more | value, as_bytes("b"), {}).kind,
              event_kind::none);
    EXPECT_EQ(s.s.peer_streams(), 1u);
    const event e = s.give(frame_type::payload, 1, value, as_bytes("c"));
    EXPECT_EQ(e.kind, event_kind::request);
    EXPECT_EQ(e.request, request_kind::response);
    EXPECT_EQ(as_text(e.metadata), "M");
    EXPECT_EQ(as_text(e.data), "abc");
    EXPECT_EQ(e.data.data(), e.storage.data() + 1);
    s.s.respond(e.stream, outgoing(as_bytes("r")));
    EXPECT_EQ(s.out(), "PAYLOAD #1 CN data=1");
}

TEST(fragments, metadata_may_be_cut_but_not_follow_data) {
    half s(role::server);
    s.give(frame_type::request_stream, 1, more, {}, as_bytes("MM"));
    const event e = s.give(frame_type::payload, 1, value, as_bytes("d"), as_bytes("NN"));
    EXPECT_EQ(as_text(e.metadata), "MMNN");
    EXPECT_EQ(as_text(e.data), "d");
    s.give(frame_type::request_stream, 3, more, as_bytes("d"), as_bytes("MM"));
    EXPECT_EQ(s.give(frame_type::payload, 3, value, {}, as_bytes("NN")).kind, event_kind::closed);
    EXPECT_EQ(s.out(), "ERROR #0 code=257 data=19 metadata after data");
}

TEST(fragments, complete_wins_over_follows_and_is_remembered) {
    half s(role::server);
    s.give(frame_type::request_channel, 1, more | last, as_bytes("a"));
    event e = s.give(frame_type::payload, 1, value, as_bytes("b"));
    EXPECT_EQ(e.kind, event_kind::request);
    EXPECT_TRUE(e.complete);

    half c(role::client);
    ASSERT_TRUE(c.s.request(request_kind::response, {}, {}, nullptr));
    c.give(frame_type::payload, 1, more | value, as_bytes("a"));
    e = c.give(frame_type::payload, 1, more | value | last, as_bytes("b"));
    EXPECT_TRUE(e.complete && e.ended);
    EXPECT_EQ(as_text(e.data), "ab");
}

TEST(fragments, channel_values_keep_credit_by_message) {
    half s(role::server);
    const event r = s.give(frame_type::request_channel, 1, 0, {});
    s.s.request_n(r.stream, 1);
    s.give(frame_type::payload, 1, more | value, as_bytes("a"));
    const event e = s.give(frame_type::payload, 1, value, as_bytes("b"));
    EXPECT_EQ(e.kind, event_kind::payload);
    EXPECT_EQ(as_text(e.data), "ab");
    EXPECT_EQ(s.give(frame_type::payload, 1, more | value, as_bytes("c")).kind, event_kind::failed);
}

TEST(fragments, fire_and_forget_and_cancel_in_between) {
    half s(role::server);
    s.give(frame_type::request_fnf, 1, more, as_bytes("a"));
    const event e = s.give(frame_type::payload, 1, value, as_bytes("b"));
    EXPECT_EQ(e.kind, event_kind::request);
    EXPECT_TRUE(e.ended);
    EXPECT_EQ(s.s.peer_streams(), 0u);
    s.give(frame_type::request_response, 3, more, as_bytes("a"));
    EXPECT_EQ(s.give(frame_type::cancel, 3, 0, {}).kind, event_kind::none);
    EXPECT_EQ(s.s.peer_streams(), 0u);
    EXPECT_EQ(s.give(frame_type::payload, 3, value, as_bytes("b")).kind, event_kind::none);
    EXPECT_EQ(s.out(), "");
}

TEST(fragments, credit_before_the_request_is_complete_counts) {
    half s(role::server);
    s.give(frame_type::request_stream, 1, more, as_bytes("a"));
    frame f;
    f.type = frame_type::request_n;
    f.stream = 1;
    f.n = 4;
    EXPECT_EQ(s.s.receive(f, start).kind, event_kind::none);
    const event e = s.give(frame_type::payload, 1, value, as_bytes("b"));
    EXPECT_EQ(e.n, 5u);
    EXPECT_EQ(s.s.credit(e.stream), 5u);
}

TEST(fragments, limits_hold_before_memory_is_taken) {
    session_options o;
    o.message_limit = 100;
    o.reassembly_limit = 150;
    half s(role::server, o);
    const bytes b = pattern(60);
    s.give(frame_type::request_response, 1, more, b);
    EXPECT_EQ(s.give(frame_type::payload, 1, more | value, b).kind, event_kind::none);
    EXPECT_EQ(s.out(), "ERROR #1 code=516 data=16 message too long");
    EXPECT_EQ(s.give(frame_type::payload, 1, value, b).kind, event_kind::none);
    s.give(frame_type::request_response, 3, more, b);
    s.give(frame_type::request_response, 5, more, b);
    s.give(frame_type::request_response, 7, more, b);
    EXPECT_EQ(s.out(), "ERROR #7 code=514 data=38 no room for another unfinished message");

    half c(role::client, o);
    ASSERT_TRUE(c.s.request(request_kind::response, {}, {}, &c));
    c.out();
    c.give(frame_type::payload, 1, more | value, b);
    const event e = c.give(frame_type::payload, 1, value, b);
    EXPECT_EQ(e.kind, event_kind::failed);
    EXPECT_EQ(e.user, &c);
    EXPECT_EQ(c.out(), "CANCEL #1");
}

TEST(fragments, long_metadata_in_pieces) {
    half s(role::server);
    s.give(frame_type::request_response, 1, more, {}, pattern(40'000));
    EXPECT_EQ(s.give(frame_type::payload, 1, value, {}, pattern(40'000)).kind, event_kind::none);
    EXPECT_EQ(s.out(), "ERROR #1 code=516 data=16 message too long");
}

TEST(fragments, unfinished_messages_expire) {
    half s(role::server), c(role::client);
    s.give(frame_type::request_response, 1, more, as_bytes("a"));
    EXPECT_EQ(s.s.next_deadline(), start + 30s);
    s.now = start + 20s;
    s.give(frame_type::payload, 1, more | value, as_bytes("a"));
    s.give(frame_type::request_response, 3, more, as_bytes("a"));
    EXPECT_EQ(s.s.expire(start + 30s).kind, event_kind::none);
    EXPECT_EQ(s.out(), "");
    EXPECT_EQ(s.s.next_deadline(), start + 50s);
    EXPECT_EQ(s.s.expire(start + 50s).kind, event_kind::none);
    EXPECT_EQ(s.s.peer_streams(), 0u);
    EXPECT_EQ(s.out(),
              "ERROR #1 code=515 data=28 message not finished in time; "
              "ERROR #3 code=515 data=28 message not finished in time");

    ASSERT_TRUE(c.s.request(request_kind::response, {}, {}, &c));
    c.give(frame_type::payload, 1, more | value, as_bytes("a"));
    const event e = c.s.expire(start + 30s);
    EXPECT_EQ(e.kind, event_kind::failed);
    EXPECT_EQ(e.user, &c);
    EXPECT_EQ(c.s.expire(start + 30s).kind, event_kind::none);
}

TEST(fragments, cancel_of_a_large_request) {
    half c(role::client);
    const bytes large = pattern(800'000);
    auto ref = c.s.request(request_kind::response, {}, outgoing(large), nullptr);
    c.s.cancel(*ref);
    EXPECT_EQ(c.out(), "");  // the peer never heard of it
    ref = c.s.request(request_kind::response, {}, outgoing(large), nullptr);
    test::write_some(c.s.out(), 256 * 1024 + 3);
    c.s.cancel(*ref);
    EXPECT_EQ(c.out(), "CANCEL #3");

    half s(role::server);
    const event r = s.give(frame_type::request_response, 1, 0, {});
    s.s.respond(r.stream, outgoing(large));
    EXPECT_EQ(s.out(),
              "PAYLOAD #1 FN data=262138; PAYLOAD #1 FN data=262138; "
              "PAYLOAD #1 FN data=262138; PAYLOAD #1 CN data=13586");
    const event q = s.give(frame_type::request_stream, 3, 0, {});
    s.s.send(q.stream, outgoing(large));
    test::write_some(s.s.out(), 256 * 1024 + 3);
    s.s.fail(q.stream, errc::failed, as_bytes("no"));
    EXPECT_EQ(s.out(), "ERROR #3 code=513 data=2 no");
}

TEST(fragments, own_end_of_a_channel_goes_out_after_the_peers) {
    half c(role::client);
    const auto ref = c.s.request(request_kind::channel, {}, {}, nullptr, 5);
    frame f;
    f.type = frame_type::request_n;
    f.stream = 1;
    f.n = 1;
    c.s.receive(f, start);
    c.out();
    const bytes large = pattern(100'000);
    EXPECT_EQ(c.s.send(*ref, outgoing(large), {}, true), send_result::sent);
    EXPECT_TRUE(c.give(frame_type::payload, 1, last, {}).ended);
    EXPECT_EQ(c.out(), "PAYLOAD #1 CN data=100000");
}

TEST(fragments, an_answered_request_is_not_sent_on) {
    half c(role::client);
    const bytes large = pattern(800'000);
    ASSERT_TRUE(c.s.request(request_kind::response, {}, outgoing(large), nullptr));
    test::write_some(c.s.out(), 256 * 1024 + 3);
    EXPECT_EQ(c.give(frame_type::error, 1, 0, as_bytes("no")).kind, event_kind::failed);
    EXPECT_EQ(c.out(), "");
}

// Two sessions over a pipe that cuts as it likes. Every message says what it should be, so that
// both ends can check it; a model counts what was sent.

struct endpoint_model {
    explicit endpoint_model(role r) : s(r, {}, start) {}

    session s;
    frame_reader reader;
    struct own_stream {
        stream_ref ref;
        request_kind kind;
        unsigned number;  // of the request, tells its bytes
        unsigned values_received = 0;
        unsigned values_sent = 0;  // after the first, on a channel
        bool up_done = false;
    };
    struct peer_stream {
        stream_ref ref;
        request_kind kind;
        unsigned number;
        unsigned values_sent = 0;
        unsigned values_received = 0;
        bool up_done = false;
    };
    std::vector<std::unique_ptr<own_stream>> own;
    std::vector<std::unique_ptr<peer_stream>> served;
    unsigned finished = 0;
};

bytes content(unsigned number, unsigned index) {
    const unsigned h = number * 2654435761u + index * 40503u;
    std::size_t size = 4 + h % 300;
    if (h % 17 == 0) size += h % 9'000;
    if (h % 61 == 0) size += h % 600'000;
    bytes b = pattern(size, h);
    std::memcpy(b.data(), &number, 4);
    return b;
}

unsigned number_of(bytes_view b) {
    unsigned n = 0;
    EXPECT_GE(b.size(), 4u);
    std::memcpy(&n, b.data(), 4);
    return n;
}

class random_pair {
public:
    explicit random_pair(unsigned seed) : random_(seed), a_(role::client), b_(role::server) {
        EXPECT_TRUE(a_.s.setup("m/m", "d/d"));
        pump(a_, b_);
        EXPECT_TRUE(b_.s.established());
    }

    void run(int steps) {
        for (int i = 0; i < steps; ++i) {
            endpoint_model& x = random_() % 2 ? a_ : b_;
            switch (random_() % 6) {
                case 0: open(x); break;
                case 1: serve(x); break;
                case 2: feed(x); break;
                case 3: pump(x, &x == &a_ ? b_ : a_, 1 + random_() % 100'000); break;
                case 4: pump(x, &x == &a_ ? b_ : a_, 1 + random_() % 50); break;
                default:
                    if (!x.own.empty() && random_() % 4 == 0) give_up(x);
            }
            if (::testing::Test::HasFailure()) return;
        }
        finish();
    }

private:
    void open(endpoint_model& x) {
        if (x.own.size() > 20 || x.s.out().pending() > 4'000'000) return;
        auto o = std::make_unique<endpoint_model::own_stream>();
        o->kind = static_cast<request_kind>(random_() % 4);
        o->number = ++numbers_;
        const bytes b = content(o->number, 0);
        base::byte_buffer own;
        own.append(b);
        const auto ref = x.s.request(o->kind, as_bytes("meta"), outgoing(own.view(), &own), o.get(),
                                     1 + random_() % 5);
        ASSERT_TRUE(ref);
        o->ref = *ref;
        if (o->kind == request_kind::fnf) ++x.finished;
        else x.own.push_back(std::move(o));
    }

    /// Sends something on a stream of the peer.
    void serve(endpoint_model& x) {
        if (x.served.empty() || x.s.out().pending() > 4'000'000) return;
        const std::size_t i = random_() % x.served.size();
        auto& p = *x.served[i];
        if (p.kind == request_kind::response) {
            if (random_() % 10 == 0) x.s.fail(p.ref, errc::failed, as_bytes("no"));
            else x.s.respond(p.ref, outgoing(content(p.number, 1)));
            return forget(x.served, i);
        }
        if (p.kind == request_kind::channel && random_() % 2) x.s.request_n(p.ref, random_() % 4);
        const bool complete = random_() % 12 == 0;
        const auto sent =
            x.s.send(p.ref, outgoing(content(p.number, ++p.values_sent)), {}, complete);
        if (sent != send_result::sent) --p.values_sent;
        if (!x.s.alive(p.ref)) forget(x.served, i);
    }

    /// Sends something on a channel of our own, or asks for more.
    void feed(endpoint_model& x) {
        if (x.own.empty() || x.s.out().pending() > 4'000'000) return;
        auto& o = *x.own[random_() % x.own.size()];
        if (o.kind == request_kind::stream || o.kind == request_kind::channel)
            if (random_() % 2) x.s.request_n(o.ref, 1 + random_() % 4);
        if (o.kind != request_kind::channel || o.up_done) return;
        const bool complete = random_() % 12 == 0;
        const auto r = x.s.send(o.ref, outgoing(content(o.number, ++o.values_sent)), {}, complete);
        if (r != send_result::sent) --o.values_sent;
        else if (complete) o.up_done = true;
        drop_dead(x);
    }

    void give_up(endpoint_model& x) {
        const std::size_t i = random_() % x.own.size();
        x.s.cancel(x.own[i]->ref);
        forget(x.own, i);
        ++x.finished;
    }

    template <class V>
    static void forget(V& v, std::size_t i) {
        v[i] = std::move(v.back());
        v.pop_back();
    }

    static void drop_dead(endpoint_model& x) {
        for (std::size_t i = x.own.size(); i-- > 0;)
            if (!x.s.alive(x.own[i]->ref)) forget(x.own, i), ++x.finished;
    }

    void pump(endpoint_model& from, endpoint_model& to, std::size_t limit = ~std::size_t{0}) {
        bytes b = test::write_some(from.s.out(), limit);
        bytes_view rest = b;
        while (!rest.empty()) {
            const auto room = to.reader.space();
            const std::size_t n = std::min(room.size(), rest.size());
            std::memcpy(room.data(), rest.data(), n);
            to.reader.commit(n);
            rest = rest.subspan(n);
            while (const auto f = to.reader.next()) {
                const auto parsed = parse_frame(*f);
                ASSERT_TRUE(parsed);
                handle(to, to.s.receive(*parsed, start));
            }
            ASSERT_TRUE(to.reader.error().empty());
        }
    }

    void handle(endpoint_model& x, const event& e) {
        switch (e.kind) {
            case event_kind::request: return accept(x, e);
            case event_kind::payload:
            case event_kind::failed:
                ASSERT_FALSE(e.local);
                return e.own ? take_own(x, e) : take_served(x, e);
            case event_kind::cancel: {
                for (std::size_t i = 0; i < x.served.size(); ++i)
                    if (x.served[i].get() == e.user) return forget(x.served, i);
                FAIL();
            }
            case event_kind::closed: FAIL() << as_text(e.data); break;
            default: break;
        }
    }

    void accept(endpoint_model& x, const event& e) {
        EXPECT_EQ(as_text(e.metadata), "meta");
        const unsigned number = number_of(e.data);
        const bytes expected = content(number, 0);
        ASSERT_TRUE(std::ranges::equal(e.data, expected));
        if (e.ended) return;
        auto p = std::make_unique<endpoint_model::peer_stream>();
        p->ref = e.stream;
        p->kind = e.request;
        p->number = number;
        x.s.attach(e.stream, p.get());
        x.served.push_back(std::move(p));
    }

    void take_own(endpoint_model& x, const event& e) {
        auto* o = static_cast<endpoint_model::own_stream*>(e.user);
        if (e.next) {
            const bytes expected = content(o->number, ++o->values_received);
            ASSERT_TRUE(std::ranges::equal(e.data, expected));
        }
        if (e.ended) drop_dead(x);
    }

    void take_served(endpoint_model& x, const event& e) {
        auto* p = static_cast<endpoint_model::peer_stream*>(e.user);
        if (e.next) {
            const bytes expected = content(p->number, ++p->values_received);
            ASSERT_TRUE(std::ranges::equal(e.data, expected));
        }
        if (!e.ended) return;
        for (std::size_t i = 0; i < x.served.size(); ++i)
            if (x.served[i].get() == p) return forget(x.served, i);
    }

    /// Ends everything that is open; both ends must then be empty.
    void finish() {
        for (endpoint_model* x : {&a_, &b_})
            while (!x->own.empty()) {
                x->s.cancel(x->own.back()->ref);
                x->own.pop_back();
            }
        while (!a_.s.out().empty() || !b_.s.out().empty()) {
            pump(a_, b_);
            pump(b_, a_);
        }
        for (endpoint_model* x : {&a_, &b_}) {
            EXPECT_EQ(x->s.own_streams(), 0u);
            EXPECT_EQ(x->s.peer_streams(), 0u);
            EXPECT_TRUE(x->served.empty());
            EXPECT_EQ(x->reader.unfinished(), 0u);
            EXPECT_GT(x->finished, 0u);
        }
    }

    std::mt19937 random_;
    endpoint_model a_, b_;
    unsigned numbers_ = 0;
};

TEST(session_pair, random_traffic_with_random_cuts) {
    const unsigned seed = std::random_device()();
    SCOPED_TRACE(seed);
    random_pair(seed).run(6000);
    random_pair(1).run(1000);
}

}  // namespace
}  // namespace tenon::inline v0::wire
