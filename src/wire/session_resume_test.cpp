// Resumption against hand-made frames: which frames say what, who is refused, and what happens to
// what was under way. Cuts at any byte: session_simulation_test.cpp.

#include <gtest/gtest.h>

#include "wire/session.hpp"
#include "wire/test_support.hpp"

namespace tenon::inline v0::wire {
namespace {

using namespace std::chrono_literals;
using test::pattern;
using test::said;

const time_point start{1000s};

session_options resumable(std::size_t retention = 100'000) {
    session_options o;
    o.retention = retention;
    o.resume_time = 10s;
    return o;
}

bytes setup_frame(std::string_view token = "token", std::uint16_t flags = flag::resume) {
    setup_fields f;
    f.keepalive_ms = 20000;
    f.lifetime_ms = 90000;
    f.metadata_mime = "m/m";
    f.data_mime = "d/d";
    f.token = as_bytes(token);
    base::byte_buffer b;
    append_setup(b, f, flags, nullptr, {}, false);
    return bytes(b.view().begin(), b.view().end());
}

resume_fields says(std::uint64_t last_received, std::uint64_t first_available = 0) {
    resume_fields r;
    r.last_received = last_received;
    r.first_available = first_available;
    return r;
}

struct peer {
    explicit peer(role r, session_options options = resumable()) : s(r, options, start) {
        if (r == role::client) {
            EXPECT_TRUE(s.setup("m/m", "d/d", {}, {}, as_bytes("token")));
        } else {
            EXPECT_EQ(give(setup_frame()).kind, event_kind::setup);
        }
        said(s.out());
    }

    event give(bytes_view b) {
        keep.assign(b.begin(), b.end());
        const auto f = parse_frame(keep);
        EXPECT_TRUE(f);
        return s.receive(*f, now);
    }
    event give(frame_type type, std::uint32_t stream, std::uint16_t flags = 0,
               std::string_view data = {}, std::uint64_t position = 0, std::uint32_t n = 1) {
        frame f;
        f.type = type;
        f.stream = stream;
        f.flags = flags;
        f.data = as_bytes(data);
        f.n = n;
        f.code = error_code::rejected_resume;
        f.position = position;
        base::byte_buffer b;
        append_frame(b, f, false);
        return give(b.view());
    }
    std::string out() { return said(s.out()); }
    stream_ref ask(std::string_view data, request_kind kind = request_kind::response) {
        auto r = s.request(kind, {}, as_bytes(data), this, 5);
        EXPECT_TRUE(r);
        return r ? *r : stream_ref{};
    }

    session s;
    time_point now = start;
    bytes keep;
};

TEST(session_resume, setup_and_resume_as_bytes) {
    session s(role::client, resumable(), start);
    ASSERT_TRUE(s.setup("m", "d", {}, {}, as_bytes("ab")));
    EXPECT_TRUE(s.is_resumable());
    auto frames = test::frames_of(s.out());
    ASSERT_EQ(frames.size(), 1u);
    EXPECT_EQ(test::to_hex(frames[0]),
              "00 00 00 00 04 80 00 01 00 00 00 00 4e 20 00 01 5f 90 00 02 61 62 01 6d 01 64");
    ASSERT_TRUE(s.detach(start));
    s.resume(start);
    frames = test::frames_of(s.out());
    ASSERT_EQ(frames.size(), 1u);
    EXPECT_EQ(test::to_hex(frames[0]),
              "00 00 00 00 34 00 00 01 00 00 00 02 61 62 "
              "00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00");

    peer p(role::server);
    p.give(frame_type::request_response, 1, 0, "four");
    ASSERT_TRUE(p.s.detach(start));
    ASSERT_TRUE(p.s.resume(says(0), start));
    frames = test::frames_of(p.s.out());
    ASSERT_EQ(frames.size(), 1u);
    EXPECT_EQ(test::to_hex(frames[0]), "00 00 00 00 38 00 00 00 00 00 00 00 00 0a");
}

TEST(session_resume, without_a_token_or_a_budget_there_is_none) {
    session plain(role::client, {}, start);
    ASSERT_TRUE(plain.setup("m", "d", {}, {}, as_bytes("ab")));
    EXPECT_FALSE(plain.is_resumable());
    EXPECT_FALSE(plain.detach(start));
    session nameless(role::client, resumable(), start);
    ASSERT_TRUE(nameless.setup("m", "d"));
    EXPECT_FALSE(nameless.is_resumable());

    session server(role::server, resumable(), start);
    const bytes b = setup_frame("");
    EXPECT_EQ(server.receive(*parse_frame(b), start).kind, event_kind::closed);
    EXPECT_EQ(said(server.out()), "ERROR #0 code=3 data=21 an empty resume token");
    session other(role::server, resumable(), start);
    const bytes c = setup_frame("", 0);
    EXPECT_EQ(other.receive(*parse_frame(c), start).kind, event_kind::setup);
    EXPECT_FALSE(other.is_resumable());
}

TEST(session_resume, keepalives_tell_the_position) {
    peer client(role::client), server(role::server);
    server.give(frame_type::request_response, 1, 0, "four");
    server.give(frame_type::request_n, 1);
    server.give(frame_type::metadata_push, 0, 0, "not counted");
    server.give(frame_type::keepalive, 0, flag::respond, "x");
    EXPECT_EQ(server.out(), "KEEPALIVE #0 position=20 data=1");
    client.give(frame_type::payload, 1, flag::next, "late");  // of a stream that is not open
    client.s.tick(start + 20s);
    EXPECT_EQ(client.out(), "KEEPALIVE #0 R position=10");
}

TEST(session_resume, damaged_frames_of_streams_count_as_well) {
    peer p(role::server);
    p.give(test::hex("00 00 00 01 29 00 00 00 ff 61"));  // metadata longer than the frame
    p.give(test::hex("00 00 00 01 31 00 61"));           // METADATA_PUSH on a stream
    p.give(test::hex("00 00 00 01 fe 00 00 00 00 07"));  // EXT
    p.give(test::hex("00 00 00 01 fa 00"));              // unknown, may be ignored
    p.give(frame_type::keepalive, 0, flag::respond);
    EXPECT_EQ(p.out(), "KEEPALIVE #0 position=10");
}

TEST(session_resume, a_quarter_of_the_budget_is_acknowledged_unasked) {
    peer p(role::server, resumable(4000));
    for (int i = 0; i < 3; ++i) p.give(frame_type::request_fnf, 1, 0, std::string(494, 'x'));
    EXPECT_EQ(p.out(), "KEEPALIVE #0 position=1000");
}

TEST(session_resume, a_position_beyond_what_was_sent_ends_the_session) {
    peer p(role::client);
    p.ask("four");
    p.out();
    EXPECT_EQ(p.give(frame_type::keepalive, 0, 0, {}, 10).kind, event_kind::keepalive);
    EXPECT_EQ(p.give(frame_type::keepalive, 0, 0, {}, 11).kind, event_kind::closed);
    EXPECT_EQ(p.out(), "ERROR #0 code=257 data=31 a position beyond what was sent");
}

TEST(session_resume, client_goes_on_where_the_server_is) {
    peer p(role::client);
    p.ask("one1");
    p.ask("two2");
    p.out();
    const stream_ref third = p.ask("three");
    EXPECT_EQ(test::write_some(p.s.out(), 5).size(), 5u);  // cut inside a frame
    ASSERT_TRUE(p.s.detach(p.now));
    EXPECT_TRUE(p.s.out().empty());
    p.ask("meanwhile");
    EXPECT_TRUE(p.s.out().empty());
    p.s.resume(p.now);
    EXPECT_EQ(p.out(), "RESUME #0");
    EXPECT_EQ(p.give(frame_type::resume_ok, 0, 0, {}, 10).kind, event_kind::resumed);
    EXPECT_EQ(p.out(),
              "REQUEST_RESPONSE #3 data=4; REQUEST_RESPONSE #5 data=5; REQUEST_RESPONSE #7 data=9");
    const event e = p.give(frame_type::payload, 5, flag::next | flag::complete, "yes");
    EXPECT_EQ(e.kind, event_kind::payload);
    EXPECT_EQ(e.stream, third);
    EXPECT_EQ(p.s.own_streams(), 3u);
}

TEST(session_resume, server_goes_on_where_the_client_is) {
    peer p(role::server);
    const event first = p.give(frame_type::request_response, 1, 0, "a");
    const event second = p.give(frame_type::request_response, 3, 0, "b");
    p.s.respond(first.stream, as_bytes("1111"));
    p.out();
    ASSERT_TRUE(p.s.detach(p.now));
    p.s.respond(second.stream, as_bytes("2222"));
    EXPECT_EQ(p.s.peer_streams(), 0u);
    ASSERT_TRUE(p.s.resume(says(0), p.now));
    EXPECT_EQ(p.out(), "RESUME_OK #0 position=14; PAYLOAD #1 CN data=4; PAYLOAD #3 CN data=4");
    ASSERT_TRUE(p.s.detach(p.now));
    ASSERT_TRUE(p.s.resume(says(20), p.now));
    EXPECT_EQ(p.out(), "RESUME_OK #0 position=14");
}

TEST(session_resume, server_refuses_what_it_cannot_continue) {
    peer p(role::server);
    const event e = p.give(frame_type::request_response, 1, 0, "a");
    p.s.respond(e.stream, as_bytes("1111"));
    p.out();
    const auto why = [&p](const resume_fields& r) {
        const auto may = p.s.may_resume(r);
        return may ? std::string("yes") : std::string(may.error().message());
    };
    EXPECT_EQ(why(says(0)), "yes");
    EXPECT_EQ(why(says(10)), "yes");
    EXPECT_EQ(why(says(3)), "frames that the client has not received are gone");
    EXPECT_EQ(why(says(11)), "frames that the client has not received are gone");
    EXPECT_EQ(why(says(0, 8)), "frames that the server has not received are gone");
    p.give(frame_type::keepalive, 0, 0, {}, 10);
    EXPECT_EQ(why(says(0)), "frames that the client has not received are gone");
    EXPECT_FALSE(p.s.resume(says(10), p.now));  // has a link
    ASSERT_TRUE(p.s.detach(p.now));
    EXPECT_TRUE(p.s.resume(says(10), p.now));
}

TEST(session_resume, only_the_first_frame_may_be_resume) {
    session fresh(role::server, resumable(), start);
    base::byte_buffer b;
    append_resume(b, says(1), false);
    EXPECT_EQ(fresh.receive(*parse_frame(b.view()), start).kind, event_kind::resume);
    EXPECT_FALSE(fresh.established());
    fresh.close(error_code::rejected_resume, "unknown");
    EXPECT_EQ(said(fresh.out()), "ERROR #0 code=4 data=7 unknown");
    peer p(role::server);
    EXPECT_EQ(p.give(b.view()).kind, event_kind::closed);
    EXPECT_EQ(p.out(), "ERROR #0 code=257 data=18 RESUME after SETUP");
}

TEST(session_resume, client_accepts_nothing_but_resume_ok) {
    const auto answer = [](frame_type type, std::uint64_t position = 0) {
        peer p(role::client);
        p.ask("four");
        p.out();
        p.give(frame_type::keepalive, 0, 0, {}, 10);
        EXPECT_TRUE(p.s.detach(p.now));
        EXPECT_EQ(p.give(frame_type::keepalive, 0).kind, event_kind::none);  // of the old link
        p.s.resume(p.now);
        p.out();
        const event e = p.give(type, 0, 0, "no", position);
        EXPECT_EQ(e.kind, event_kind::closed);
        EXPECT_TRUE(p.s.closed());
        EXPECT_EQ(p.out(), "");
        const event call = p.s.orphan();
        EXPECT_EQ(call.kind, event_kind::failed);
        EXPECT_TRUE(call.may_have_run);
        return std::string(as_text(e.data));
    };
    EXPECT_EQ(answer(frame_type::error), "no");
    EXPECT_EQ(answer(frame_type::keepalive), "the server did not answer RESUME");
    EXPECT_EQ(answer(frame_type::resume_ok, 0), "frames that the server has not received are gone");
    EXPECT_EQ(answer(frame_type::resume_ok, 20), "the server names a position where no frame ends");
}

TEST(session_resume, what_concerns_the_link_is_not_repeated) {
    session_options o = resumable();
    session s(role::server, o, start);
    const bytes b = setup_frame("t", flag::resume | flag::lease);
    ASSERT_EQ(s.receive(*parse_frame(b), start).kind, event_kind::setup);
    EXPECT_EQ(said(s.out()), "LEASE #0 n=2147483647 ttl=2147483647");
    s.push_metadata(as_bytes("note"));
    EXPECT_EQ(said(s.out()), "METADATA_PUSH #0 M metadata=4");
    base::byte_buffer k;
    frame f;
    f.type = frame_type::keepalive;
    f.flags = flag::respond;
    append_frame(k, f, false);
    s.receive(*parse_frame(k.view()), start);
    EXPECT_EQ(said(s.out()), "KEEPALIVE #0");
    ASSERT_TRUE(s.detach(start));
    ASSERT_TRUE(s.resume(says(0), start));
    // LEASE begins anew; a note may have been lost, and is said again.
    EXPECT_EQ(said(s.out()),
              "RESUME_OK #0; LEASE #0 n=2147483647 ttl=2147483647; METADATA_PUSH #0 M metadata=4");
}

TEST(session_resume, keepalives_pass_what_waits) {
    peer p(role::client);
    const bytes large = pattern(300'000);
    ASSERT_TRUE(p.s.request(request_kind::response, {}, outgoing(large), nullptr));
    EXPECT_EQ(test::write_some(p.s.out(), 1000).size(), 1000u);
    p.give(frame_type::keepalive, 0, flag::respond);
    const bytes rest = test::write_some(p.s.out());  // of the frame that has begun
    EXPECT_EQ(rest.size(), 256u * 1024 + 3 - 1000);
    EXPECT_EQ(test::to_hex(test::write_some(p.s.out())),
              "00 00 0e 00 00 00 00 0c 00 00 00 00 00 00 00 00 00");
}

TEST(session_resume, a_full_budget_stops_values_and_output) {
    peer p(role::server, resumable(2000));
    p.s.expect_acknowledgements();
    const event e = p.give(frame_type::request_stream, 1, 0, {}, 0, max_n);
    const bytes value = pattern(91);
    int sent = 0;
    while (p.s.send(e.stream, outgoing(value)) == send_result::sent) {
        ++sent;
        test::write_some(p.s.out());
    }
    EXPECT_EQ(p.s.send(e.stream, outgoing(value)), send_result::no_room);
    EXPECT_FALSE(p.s.has_room());
    EXPECT_GE(sent, 17);
    p.s.fail(e.stream, errc::failed, as_bytes("enough"));  // this must be said, but not now
    EXPECT_NE(p.s.out().pending(), 0u);
    while (!p.s.out().empty()) test::write_some(p.s.out());
    p.give(frame_type::keepalive, 0, 0, {}, p.s.out().kept()->sent());
    EXPECT_EQ(p.out(), "PAYLOAD #1 N data=91; ERROR #1 code=513 data=6 enough");
    EXPECT_TRUE(p.s.has_room());
}

TEST(session_resume, detached_sessions_wait_and_expire) {
    peer p(role::client);
    p.ask("four");
    p.out();
    EXPECT_EQ(p.s.tick(start + 90s).kind, event_kind::silent);
    EXPECT_FALSE(p.s.closed());
    ASSERT_TRUE(p.s.detach(start + 90s));
    EXPECT_EQ(p.s.next_deadline(), start + 100s);
    p.s.resume(start + 95s);
    ASSERT_TRUE(p.s.detach(start + 96s));  // in vain: the time counts from the first
    EXPECT_EQ(p.s.tick(start + 99s).kind, event_kind::none);
    const event e = p.s.tick(start + 100s);
    EXPECT_EQ(e.kind, event_kind::closed);
    EXPECT_EQ(as_text(e.data), "not resumed in time");
    EXPECT_EQ(p.s.orphan().kind, event_kind::failed);
    EXPECT_FALSE(p.s.detach(start + 101s));
}

TEST(session_resume, requests_wait_for_the_link_up_to_the_budget) {
    peer p(role::client, resumable(1000));
    ASSERT_TRUE(p.s.detach(p.now));
    const bytes argument = pattern(200);
    int taken = 0;
    while (p.s.request(request_kind::fnf, {}, outgoing(argument), nullptr)) ++taken;
    EXPECT_EQ(taken, 5);
    const auto r = p.s.request(request_kind::fnf, {}, outgoing(argument), nullptr);
    EXPECT_EQ(r.error().code(), errc::unavailable);
    EXPECT_FALSE(r.error().may_have_run());
}

TEST(session_resume, a_session_that_is_closing_is_not_resumed) {
    peer p(role::client);
    p.ask("four");
    frame f;
    f.type = frame_type::error;
    f.code = error_code::connection_close;
    base::byte_buffer b;
    append_frame(b, f, false);
    EXPECT_EQ(p.give(b.view()).kind, event_kind::closing);
    EXPECT_FALSE(p.s.is_resumable());
    EXPECT_FALSE(p.s.detach(p.now));
}

TEST(session_resume, lent_memory_is_copied_before_it_is_given_back) {
    peer p(role::client);
    bytes memory = pattern(20'000);
    const bytes same = memory;
    ASSERT_TRUE(p.s.request(request_kind::response, {}, outgoing::lend(memory), nullptr));
    const auto before = test::frames_of(p.s.out());
    ASSERT_EQ(before.size(), 1u);
    p.s.out().take_back(memory);
    std::fill(memory.begin(), memory.end(), std::byte{0});
    ASSERT_TRUE(p.s.detach(p.now));
    p.s.resume(p.now);
    p.out();
    p.give(frame_type::resume_ok, 0, 0, {}, 0);
    const auto after = test::frames_of(p.s.out());
    ASSERT_EQ(after.size(), 1u);
    EXPECT_EQ(after[0], before[0]);
}

}  // namespace
}  // namespace tenon::inline v0::wire
