// The state machine against hand-made frames: set-up, calls, streams, channels, credit, time and
// everything a peer can do wrong.

#include "wire/session.hpp"

#include <gtest/gtest.h>

#include "base/error_codes.hpp"
#include "wire/test_support.hpp"

namespace tenon::inline v0::wire {
namespace {

using namespace std::chrono_literals;
using test::pattern;
using test::said;

const time_point start{1000s};

/// One session, fed with frames and read in words.
struct peer {
    explicit peer(role r, session_options options = {}, bool established = true)
        : s(r, options, start) {
        if (!established) return;
        if (r == role::client) {
            EXPECT_TRUE(s.setup("m/m", "d/d"));
        } else {
            EXPECT_EQ(give(setup_frame()).kind, event_kind::setup);
        }
        said(s.out());
    }

    static bytes setup_frame(std::uint16_t flags = 0, std::uint16_t major = 1) {
        setup_fields f;
        f.major = major;
        f.keepalive_ms = 20000;
        f.lifetime_ms = 90000;
        f.metadata_mime = "m/m";
        f.data_mime = "d/d";
        f.token = as_bytes("t");
        base::byte_buffer b;
        append_setup(b, f, flags, nullptr, {}, false);
        return bytes(b.view().begin(), b.view().end());
    }

    event give(bytes_view b) {
        keep.assign(b.begin(), b.end());
        const auto f = parse_frame(keep);
        return f ? s.receive(*f, now) : s.reject(std::string_view(problem = f.error().message()));
    }
    event give(frame_type type, std::uint32_t stream, std::uint16_t flags = 0,
               std::string_view data = {}, std::uint32_t n = 1, std::uint32_t code = 0) {
        frame f;
        f.type = type;
        f.stream = stream;
        f.flags = flags;
        f.data = as_bytes(data);
        f.n = n;
        f.code = code;
        base::byte_buffer b;
        append_frame(b, f, false);
        return give(b.view());
    }
    std::string out() { return said(s.out()); }

    session s;
    time_point now = start;
    bytes keep;
    std::string problem;
};

constexpr auto value = flag::next;
constexpr auto last = flag::complete;
constexpr auto more = flag::follows;

// Set-up.

TEST(session, client_setup_as_bytes) {
    session s(role::client, {}, start);
    EXPECT_EQ(s.request(request_kind::response, {}, {}, nullptr).error().code(), errc::invalid);
    ASSERT_TRUE(s.setup("m", "d", as_bytes("hi")));
    EXPECT_FALSE(s.setup("m", "d"));
    const auto frames = test::frames_of(s.out());
    ASSERT_EQ(frames.size(), 1u);
    EXPECT_EQ(test::to_hex(frames[0]),
              "00 00 00 00 05 00 00 01 00 00 00 00 4e 20 00 01 5f 90 01 6d 01 64 "
              "00 00 02 68 69");
    EXPECT_FALSE(session(role::server, {}, start).setup("m", "d"));
    EXPECT_FALSE(session(role::client, {}, start).setup(std::string(256, 'm'), "d"));
    EXPECT_FALSE(session(role::client, {}, start).setup("m", "d", bytes(65'520)));
}

TEST(session, server_refuses_what_it_must) {
    const auto first = [](bytes_view b) {
        peer p(role::server, {}, false);
        const event e = p.give(b);
        EXPECT_EQ(e.kind, event_kind::closed);
        EXPECT_TRUE(e.local);
        EXPECT_TRUE(p.s.closed());
        return p.out();
    };
    EXPECT_EQ(first(peer::setup_frame(flag::resume)),
              "ERROR #0 code=3 data=27 resumption is not supported");
    EXPECT_EQ(first(peer::setup_frame(0, 2)),
              "ERROR #0 code=1 data=36 only protocol version 1 is supported");
    EXPECT_EQ(first(test::hex("00 00 00 01 10 00")), "ERROR #0 code=1 data=19 SETUP must be first");
    EXPECT_EQ(first(test::hex("00 00 00 01 3e 00")), "ERROR #0 code=1 data=19 SETUP must be first");
    EXPECT_EQ(first(test::hex("00 00 00 01 3c 00")), "ERROR #0 code=1 data=18 unknown frame type");
    EXPECT_EQ(first(test::hex("00 00 00 00 34 00 00 01 00 00 00 01 74 00 00 00 00 00 00 00 01 "
                              "00 00 00 00 00 00 00 02")),
              "ERROR #0 code=4 data=27 resumption is not supported");
}

TEST(session, lease_is_granted_at_once_and_needed_in_return) {
    peer p(role::server, {}, false);
    EXPECT_EQ(p.give(peer::setup_frame(flag::lease)).kind, event_kind::setup);
    EXPECT_EQ(p.out(), "LEASE #0 n=2147483647 ttl=2147483647");
    const auto ask = [&] { return p.s.request(request_kind::response, {}, {}, nullptr); };
    EXPECT_EQ(ask().error().code(), errc::unavailable);
    EXPECT_FALSE(ask().error().may_have_run());
    EXPECT_EQ(p.give(frame_type::lease, 0, 0, {}, 2, 1000).kind, event_kind::lease);
    EXPECT_TRUE(ask());
    EXPECT_TRUE(ask());
    EXPECT_FALSE(ask());
    p.give(frame_type::lease, 0, 0, {}, 2, 1000);
    p.s.tick(start + 2s);
    EXPECT_FALSE(ask());
}

TEST(session, second_setup_and_setup_towards_a_client_are_ignored) {
    peer server(role::server), client(role::client);
    EXPECT_EQ(server.give(peer::setup_frame()).kind, event_kind::none);
    EXPECT_EQ(client.give(peer::setup_frame()).kind, event_kind::none);
    EXPECT_EQ(server.give(frame_type::error, 0, 0, "x", 1, error_code::rejected_setup).kind,
              event_kind::none);
    EXPECT_EQ(client.give(frame_type::error, 0, 0, "x", 1, error_code::rejected_setup).kind,
              event_kind::closed);
}

// Request and response.

TEST(session, call_from_both_ends) {
    int tag = 0;
    peer c(role::client);
    const auto ref =
        c.s.request(request_kind::response, as_bytes("m"), outgoing(as_bytes("ask")), &tag);
    ASSERT_TRUE(ref);
    EXPECT_EQ(ref->id, 1u);
    EXPECT_EQ(c.out(), "REQUEST_RESPONSE #1 M metadata=1 data=3");
    const event e = c.give(frame_type::payload, 1, value | last, "reply");
    EXPECT_EQ(e.kind, event_kind::payload);
    EXPECT_EQ(e.user, &tag);
    EXPECT_EQ(e.stream, *ref);
    EXPECT_TRUE(e.own && e.next && e.complete && e.ended);
    EXPECT_EQ(as_text(e.data), "reply");
    EXPECT_EQ(c.s.own_streams(), 0u);
    EXPECT_EQ(c.give(frame_type::payload, 1, value | last, "late").kind, event_kind::none);

    peer s(role::server);
    const event r = s.give(frame_type::request_response, 1, 0, "ask");
    EXPECT_EQ(r.kind, event_kind::request);
    EXPECT_EQ(r.request, request_kind::response);
    EXPECT_FALSE(r.own);
    EXPECT_FALSE(r.ended);
    s.s.attach(r.stream, &tag);
    EXPECT_EQ(s.s.user(r.stream), &tag);
    EXPECT_TRUE(s.s.respond(r.stream, outgoing(as_bytes("reply")), as_bytes("m")));
    EXPECT_EQ(s.out(), "PAYLOAD #1 MCN metadata=1 data=5");
    EXPECT_FALSE(s.s.respond(r.stream, outgoing(as_bytes("twice"))));
    EXPECT_EQ(s.out(), "");
    EXPECT_EQ(s.s.peer_streams(), 0u);

    // The server asks the client.
    EXPECT_EQ(s.s.request(request_kind::response, {}, {}, nullptr)->id, 2u);
    EXPECT_EQ(c.give(frame_type::request_response, 2).kind, event_kind::request);
}

TEST(session, response_without_flags_counts_as_complete) {
    peer c(role::client);
    ASSERT_TRUE(c.s.request(request_kind::response, {}, {}, nullptr));
    event e = c.give(frame_type::payload, 1, value, "x");
    EXPECT_TRUE(e.next && e.complete && e.ended);
    ASSERT_TRUE(c.s.request(request_kind::response, {}, {}, nullptr));
    e = c.give(frame_type::payload, 3, last);
    EXPECT_FALSE(e.next);
    EXPECT_TRUE(e.complete && e.ended);
}

TEST(session, errors_both_ways) {
    peer c(role::client);
    for (int i = 0; i < 2; ++i) ASSERT_TRUE(c.s.request(request_kind::response, {}, {}, &c));
    event e = c.give(frame_type::error, 1, 0, "why", 1, error_code::rejected);
    EXPECT_EQ(e.kind, event_kind::failed);
    EXPECT_EQ(e.code, error_code::rejected);
    EXPECT_FALSE(e.may_have_run);
    EXPECT_FALSE(e.local);
    EXPECT_EQ(e.user, &c);
    EXPECT_EQ(as_text(e.data), "why");
    e = c.give(frame_type::error, 3, 0, "why", 1, 0x201);
    EXPECT_TRUE(e.may_have_run);
    EXPECT_EQ(c.give(frame_type::error, 3).kind, event_kind::none);

    peer s(role::server);
    const event r = s.give(frame_type::request_response, 1);
    s.s.fail(r.stream, errc::not_found, as_bytes("nothing here"));
    EXPECT_EQ(s.out(), "ERROR #1 code=771 data=12 nothing here");
    EXPECT_FALSE(s.s.alive(r.stream));
}

TEST(session, cancel_of_a_call) {
    peer c(role::client);
    const auto ref = c.s.request(request_kind::response, {}, {}, nullptr);
    c.out();
    c.s.cancel(*ref);
    c.s.cancel(*ref);
    EXPECT_EQ(c.out(), "CANCEL #1");
    EXPECT_EQ(c.give(frame_type::payload, 1, value | last).kind, event_kind::none);

    peer s(role::server);
    const event r = s.give(frame_type::request_response, 1);
    s.s.attach(r.stream, &s);
    const event e = s.give(frame_type::cancel, 1);
    EXPECT_EQ(e.kind, event_kind::cancel);
    EXPECT_EQ(e.user, &s);
    EXPECT_TRUE(e.ended);
    EXPECT_FALSE(s.s.respond(r.stream, outgoing(as_bytes("late"))));
    EXPECT_EQ(s.out(), "");
    EXPECT_EQ(s.give(frame_type::cancel, 1).kind, event_kind::none);
}

TEST(session, late_reply_does_not_answer_a_new_use_of_the_id) {
    peer s(role::server);
    const event first = s.give(frame_type::request_response, 1);
    s.give(frame_type::cancel, 1);
    const event second = s.give(frame_type::request_response, 1);
    s.s.respond(first.stream, outgoing(as_bytes("old")));
    EXPECT_EQ(s.out(), "");
    s.s.respond(second.stream, outgoing(as_bytes("new!")));
    EXPECT_EQ(s.out(), "PAYLOAD #1 CN data=4");
}

TEST(session, fire_and_forget_leaves_nothing) {
    peer c(role::client);
    EXPECT_TRUE(c.s.request(request_kind::fnf, {}, outgoing(as_bytes("x")), nullptr));
    EXPECT_EQ(c.out(), "REQUEST_FNF #1 data=1");
    EXPECT_EQ(c.s.own_streams(), 0u);
    peer s(role::server);
    const event e = s.give(frame_type::request_fnf, 1, 0, "x");
    EXPECT_EQ(e.kind, event_kind::request);
    EXPECT_EQ(e.request, request_kind::fnf);
    EXPECT_TRUE(e.ended);
    s.s.respond(e.stream, outgoing(as_bytes("no")));
    s.s.fail(e.stream, errc::invalid, {});
    EXPECT_EQ(s.out(), "");
}

TEST(session, too_many_requests_are_refused) {
    session_options o;
    o.max_requests = 2;
    peer s(role::server, o);
    const event first = s.give(frame_type::request_response, 1);
    s.give(frame_type::request_stream, 3);
    EXPECT_EQ(s.give(frame_type::request_response, 5).kind, event_kind::none);
    EXPECT_EQ(s.out(), "ERROR #5 code=514 data=24 too many calls in flight");
    EXPECT_EQ(s.give(frame_type::request_fnf, 7).kind, event_kind::request);
    EXPECT_EQ(s.give(frame_type::request_response, 9, more, "a").kind, event_kind::none);
    EXPECT_EQ(s.give(frame_type::payload, 9, value, "b").kind, event_kind::none);
    EXPECT_EQ(s.out(), "ERROR #9 code=514 data=24 too many calls in flight");
    s.s.respond(first.stream, {});
    EXPECT_EQ(s.give(frame_type::request_response, 11).kind, event_kind::request);
    s.out();
    s.s.refuse_requests();
    s.give(frame_type::request_response, 13);
    EXPECT_EQ(s.give(frame_type::request_fnf, 15).kind, event_kind::none);
    EXPECT_EQ(s.out(), "ERROR #13 code=514 data=10 going away");
    s.s.refuse_requests(0x302, as_bytes("closed"));
    s.give(frame_type::request_response, 17);
    EXPECT_EQ(s.out(), "ERROR #17 code=770 data=6 closed");
}

TEST(session, request_on_an_open_id_is_ignored_and_of_wrong_parity_refused) {
    peer s(role::server);
    s.give(frame_type::request_response, 1);
    EXPECT_EQ(s.give(frame_type::request_stream, 1).kind, event_kind::none);
    EXPECT_EQ(s.s.peer_streams(), 1u);
    EXPECT_EQ(s.give(frame_type::request_response, 2).kind, event_kind::closed);
    EXPECT_EQ(s.out(), "ERROR #0 code=257 data=40 request on a stream id of the other side");
}

// Streams and channels.

TEST(session, stream_with_credit) {
    peer s(role::server);
    const event r = s.give(frame_type::request_stream, 1, 0, "args", 2);
    EXPECT_EQ(r.n, 2u);
    EXPECT_EQ(s.s.credit(r.stream), 2u);
    EXPECT_EQ(s.s.send(r.stream, outgoing(as_bytes("1"))), send_result::sent);
    EXPECT_EQ(s.s.send(r.stream, outgoing(as_bytes("2"))), send_result::sent);
    EXPECT_EQ(s.s.send(r.stream, outgoing(as_bytes("3"))), send_result::no_credit);
    EXPECT_EQ(s.out(), "PAYLOAD #1 N data=1; PAYLOAD #1 N data=1");
    const event c = s.give(frame_type::request_n, 1, 0, {}, 5);
    EXPECT_EQ(c.kind, event_kind::credit);
    EXPECT_EQ(c.n, 5u);
    EXPECT_EQ(s.s.credit(r.stream), 5u);
    EXPECT_EQ(s.s.send(r.stream, outgoing(as_bytes("3")), {}, true), send_result::sent);
    EXPECT_EQ(s.out(), "PAYLOAD #1 CN data=1");
    EXPECT_EQ(s.s.send(r.stream, {}), send_result::gone);
}

TEST(session, credit_saturates) {
    peer s(role::server);
    const event r = s.give(frame_type::request_stream, 1, 0, "args", 0x7ffffff0);
    s.give(frame_type::request_n, 1, 0, {}, 0x7ffffff0);
    EXPECT_EQ(s.s.credit(r.stream), max_n);
    s.s.send(r.stream, {});
    EXPECT_EQ(s.s.credit(r.stream), max_n);  // without end
}

TEST(session, stream_as_requester) {
    peer c(role::client);
    const auto ref = c.s.request(request_kind::stream, {}, {}, &c, 2);
    EXPECT_EQ(c.out(), "REQUEST_STREAM #1 n=2");
    event e = c.give(frame_type::payload, 1, value, "1");
    EXPECT_TRUE(e.next);
    EXPECT_FALSE(e.complete || e.ended);
    c.s.request_n(*ref, 1);
    c.s.request_n(*ref, 0);
    EXPECT_EQ(c.out(), "REQUEST_N #1 n=1");
    c.give(frame_type::payload, 1, value, "2");
    EXPECT_EQ(c.give(frame_type::payload, 1, 0, "nothing").kind, event_kind::none);
    e = c.give(frame_type::payload, 1, value | last, "3");
    EXPECT_TRUE(e.next && e.complete && e.ended);
    EXPECT_EQ(e.user, &c);
    EXPECT_EQ(c.s.request(request_kind::stream, {}, {}, nullptr, 0).error().code(), errc::invalid);
    EXPECT_FALSE(c.s.request(request_kind::channel, {}, {}, nullptr, 0x80000000));
}

TEST(session, end_without_value_needs_no_credit) {
    peer c(role::client), s(role::server);
    ASSERT_TRUE(c.s.request(request_kind::stream, {}, {}, nullptr, 1));
    c.give(frame_type::payload, 1, value);
    const event e = c.give(frame_type::payload, 1, last);
    EXPECT_EQ(e.kind, event_kind::payload);
    EXPECT_FALSE(e.next);
    EXPECT_TRUE(e.complete && e.ended);
    const event r = s.give(frame_type::request_stream, 1);
    s.s.send(r.stream, {});
    s.s.complete(r.stream);
    EXPECT_EQ(s.out(), "PAYLOAD #1 N; PAYLOAD #1 C");
    EXPECT_EQ(s.s.peer_streams(), 0u);
}

TEST(session, more_than_was_asked_for_ends_the_stream) {
    peer c(role::client);
    ASSERT_TRUE(c.s.request(request_kind::stream, {}, {}, &c, 1));
    c.out();
    c.give(frame_type::payload, 1, value);
    const event e = c.give(frame_type::payload, 1, value);
    EXPECT_EQ(e.kind, event_kind::failed);
    EXPECT_TRUE(e.local && e.ended);
    EXPECT_EQ(e.user, &c);
    EXPECT_EQ(c.out(), "CANCEL #1");

    peer s(role::server);
    s.give(frame_type::request_channel, 1, 0, "first");
    EXPECT_EQ(s.give(frame_type::payload, 1, value).kind, event_kind::failed);
    EXPECT_EQ(s.out(), "ERROR #1 code=516 data=33 more messages than were asked for");
}

TEST(session, channel_half_close_from_each_side) {
    peer c(role::client);
    const auto ref = c.s.request(request_kind::channel, {}, outgoing(as_bytes("0")), &c, 3);
    EXPECT_EQ(c.out(), "REQUEST_CHANNEL #1 n=3 data=1");
    EXPECT_EQ(c.s.send(*ref, {}), send_result::no_credit);
    c.give(frame_type::request_n, 1, 0, {}, 2);
    EXPECT_EQ(c.s.send(*ref, {}, {}, true), send_result::sent);
    EXPECT_EQ(c.out(), "PAYLOAD #1 CN");
    EXPECT_EQ(c.s.send(*ref, {}), send_result::gone);
    EXPECT_TRUE(c.s.alive(*ref));
    EXPECT_FALSE(c.give(frame_type::payload, 1, value).ended);
    EXPECT_TRUE(c.give(frame_type::payload, 1, last).ended);

    peer s(role::server);
    const event r = s.give(frame_type::request_channel, 1, 0, "0", 1);
    EXPECT_FALSE(r.complete);
    s.s.request_n(r.stream, 2);
    EXPECT_EQ(s.out(), "REQUEST_N #1 n=2");
    event e = s.give(frame_type::payload, 1, value | last, "1");
    EXPECT_TRUE(e.next && e.complete);
    EXPECT_FALSE(e.ended);
    EXPECT_EQ(s.give(frame_type::payload, 1, value).kind, event_kind::none);
    s.s.complete(r.stream);
    EXPECT_EQ(s.s.peer_streams(), 0u);

    const event whole = s.give(frame_type::request_channel, 3, last, "all", 1);
    EXPECT_TRUE(whole.complete);
    s.s.send(whole.stream, {}, {}, true);
    EXPECT_EQ(s.s.peer_streams(), 0u);
}

TEST(session, channel_cancel_and_error) {
    peer c(role::client);
    const auto ref = c.s.request(request_kind::channel, {}, {}, &c, 3);
    c.give(frame_type::request_n, 1, 0, {}, 9);
    event e = c.give(frame_type::cancel, 1);  // the responder takes no more
    EXPECT_EQ(e.kind, event_kind::cancel);
    EXPECT_FALSE(e.ended);
    EXPECT_EQ(c.s.send(*ref, {}), send_result::gone);
    EXPECT_TRUE(c.give(frame_type::payload, 1, value | last).ended);

    const auto other = c.s.request(request_kind::channel, {}, {}, &c, 3);
    c.out();
    c.s.fail(*other, errc::failed, as_bytes("stop"));
    EXPECT_EQ(c.out(), "ERROR #3 code=513 data=4 stop");

    peer s(role::server);
    s.give(frame_type::request_channel, 1);
    e = s.give(frame_type::error, 1, 0, "stop", 1, 0x201);
    EXPECT_EQ(e.kind, event_kind::failed);
    EXPECT_TRUE(e.ended);
    const event half = s.give(frame_type::request_channel, 3);
    s.s.cancel(half.stream);
    EXPECT_EQ(s.give(frame_type::payload, 3, value).kind, event_kind::none);
    s.s.complete(half.stream);
    EXPECT_EQ(s.s.peer_streams(), 0u);
}

// Connection.

TEST(session, keepalive_is_answered_with_its_data) {
    peer s(role::server);
    EXPECT_EQ(s.give(frame_type::keepalive, 0, flag::respond, "echo").kind, event_kind::keepalive);
    EXPECT_EQ(s.out(), "KEEPALIVE #0 data=4");
    s.give(frame_type::keepalive, 0, 0, "echo");
    EXPECT_EQ(s.out(), "");
}

TEST(session, metadata_push_and_extensions) {
    peer s(role::server), c(role::client);
    s.s.push_metadata(as_bytes("hello"));
    s.s.extension({}, 7, true, as_bytes("m"), as_bytes("d"));
    const auto frames = test::frames_of(s.s.out());
    ASSERT_EQ(frames.size(), 2u);
    event e = c.give(frames[0]);
    EXPECT_EQ(e.kind, event_kind::metadata_push);
    EXPECT_EQ(as_text(e.metadata), "hello");
    e = c.give(frames[1]);
    EXPECT_EQ(e.kind, event_kind::extension);
    EXPECT_EQ(e.code, 7u);
    EXPECT_EQ(as_text(e.metadata), "m");
    EXPECT_EQ(as_text(e.data), "d");
    const auto ref = c.s.request(request_kind::channel, {}, {}, &c, 1);
    EXPECT_EQ(c.give(frame_type::ext, ref->id).user, &c);
    EXPECT_EQ(c.give(frame_type::ext, 99).kind, event_kind::none);
}

TEST(session, close_by_either_side) {
    peer c(role::client);
    ASSERT_TRUE(c.s.request(request_kind::response, {}, {}, &c));
    c.s.close(error_code::connection_error, "bye");
    EXPECT_EQ(c.give(frame_type::payload, 1, value | last).kind, event_kind::none);
    event e = c.s.orphan();
    EXPECT_EQ(e.kind, event_kind::failed);
    EXPECT_EQ(e.user, &c);
    EXPECT_TRUE(e.may_have_run);  // it goes out before the ERROR
    EXPECT_EQ(c.s.orphan().kind, event_kind::none);
    EXPECT_EQ(c.out(), "REQUEST_RESPONSE #1; ERROR #0 code=257 data=3 bye");
    const auto refused = c.s.request(request_kind::response, {}, {}, nullptr);
    EXPECT_EQ(refused.error().code(), errc::unavailable);
    EXPECT_FALSE(refused.error().may_have_run());

    peer s(role::server);
    s.give(frame_type::request_response, 1);
    e = s.give(frame_type::error, 0, 0, "bye", 1, error_code::connection_error);
    EXPECT_EQ(e.kind, event_kind::closed);
    EXPECT_FALSE(e.local);
    EXPECT_EQ(as_text(e.data), "bye");
    EXPECT_EQ(s.s.orphan().kind, event_kind::cancel);
    EXPECT_EQ(s.s.orphan().kind, event_kind::none);
}

TEST(session, orphans_tell_what_surely_did_not_run) {
    peer c(role::client);
    ASSERT_TRUE(c.s.request(request_kind::response, {}, {}, nullptr));
    c.out();
    ASSERT_TRUE(c.s.request(request_kind::response, {}, {}, nullptr));
    const bytes large = pattern(300'000);
    ASSERT_TRUE(c.s.request(request_kind::response, {}, outgoing(large), nullptr));
    c.s.lost();
    int sure = 0, unsure = 0;
    for (event e = c.s.orphan(); e.kind != event_kind::none; e = c.s.orphan())
        ++(e.may_have_run ? unsure : sure);
    EXPECT_EQ(sure, 2);
    EXPECT_EQ(unsure, 1);
    EXPECT_EQ(c.out(), "");

    peer rejected(role::client);
    ASSERT_TRUE(rejected.s.request(request_kind::response, {}, {}, nullptr));
    rejected.out();
    rejected.give(frame_type::error, 0, 0, "no", 1, error_code::rejected_setup);
    EXPECT_FALSE(rejected.s.orphan().may_have_run);
}

TEST(session, connection_close_lets_streams_end) {
    peer c(role::client);
    ASSERT_TRUE(c.s.request(request_kind::response, {}, {}, nullptr));
    c.out();
    EXPECT_EQ(c.give(frame_type::error, 0, 0, "bye", 1, error_code::connection_close).kind,
              event_kind::closing);
    EXPECT_TRUE(c.s.closing());
    EXPECT_EQ(c.s.request(request_kind::fnf, {}, {}, nullptr).error().code(), errc::unavailable);
    EXPECT_EQ(c.give(frame_type::payload, 1, value | last).kind, event_kind::payload);
    EXPECT_EQ(c.give(frame_type::error, 0, 0, "bye", 1, error_code::connection_close).kind,
              event_kind::closed);
}

TEST(session, connection_close_waits_for_what_was_not_sent) {
    peer s(role::server);
    const event r = s.give(frame_type::request_response, 1);
    s.s.respond(r.stream, outgoing(as_bytes("x")));
    EXPECT_EQ(s.give(frame_type::error, 0, 0, "bye", 1, error_code::connection_close).kind,
              event_kind::closing);
    EXPECT_EQ(s.out(), "PAYLOAD #1 CN data=1");
    EXPECT_FALSE(s.s.closed());
}

TEST(session, resume_after_setup_ends_the_connection) {
    peer s(role::server);
    EXPECT_EQ(s.give(test::hex("00 00 00 00 34 00 00 01 00 00 00 01 74 00 00 00 00 00 00 00 01 "
                               "00 00 00 00 00 00 00 02"))
                  .kind,
              event_kind::closed);
    EXPECT_EQ(s.out(), "ERROR #0 code=257 data=18 RESUME after SETUP");
}

TEST(session, ids_wrap_around_streams_that_stay_open) {
    peer c(role::client);
    std::vector<stream_ref> open;
    open.push_back(*c.s.request(request_kind::stream, {}, {}, nullptr));  // 1
    open.push_back(*c.s.request(request_kind::stream, {}, {}, nullptr));  // 3
    c.s.start_ids_at(0x7ffffffd);
    for (const std::uint32_t expected : {0x7ffffffdu, 0x7fffffffu, 5u, 7u}) {
        const auto ref = c.s.request(request_kind::response, {}, {}, nullptr);
        EXPECT_EQ(ref->id, expected);
        c.s.cancel(*ref);
    }
    EXPECT_TRUE(c.s.alive(open[0]) && c.s.alive(open[1]));
}

// Time.

TEST(session, client_keepalive_in_virtual_time) {
    peer c(role::client);
    EXPECT_EQ(c.s.next_deadline(), start + 20s);
    c.s.tick(start + 19s);
    EXPECT_EQ(c.out(), "");
    c.s.tick(start + 20s);
    EXPECT_EQ(c.out(), "KEEPALIVE #0 R");
    EXPECT_EQ(c.s.next_deadline(), start + 40s);
    c.now = start + 30s;
    c.give(frame_type::keepalive, 0);
    for (int t = 40; t < 120; t += 20) EXPECT_EQ(c.s.tick(start + t * 1s).kind, event_kind::none);
    EXPECT_EQ(c.s.next_deadline(), start + 120s);
    const event e = c.s.tick(start + 120s);
    EXPECT_EQ(e.kind, event_kind::closed);
    EXPECT_TRUE(e.local);
    EXPECT_EQ(c.s.next_deadline(), time_point::max());
}

TEST(session, server_waits_for_setup_and_then_for_life) {
    peer s(role::server, {}, false);
    EXPECT_EQ(s.s.next_deadline(), start + 5s);
    EXPECT_EQ(s.s.tick(start + 4s).kind, event_kind::none);
    EXPECT_EQ(s.s.tick(start + 5s).kind, event_kind::closed);
    EXPECT_EQ(s.out(), "ERROR #0 code=1 data=16 no SETUP in time");

    peer t(role::server);
    EXPECT_EQ(t.s.next_deadline(), start + 110s);  // lifetime and one interval
    t.now = start + 50s;
    t.give(frame_type::keepalive, 0, flag::respond);
    EXPECT_EQ(t.s.tick(start + 150s).kind, event_kind::none);
    EXPECT_EQ(t.s.tick(start + 160s).kind, event_kind::closed);
}

TEST(session, an_idle_connection_has_no_near_deadline) {
    peer c(role::client), s(role::server);
    EXPECT_GE(c.s.next_deadline() - start, 10s);
    EXPECT_GE(s.s.next_deadline() - start, 10s);
}

}  // namespace
}  // namespace tenon::inline v0::wire
