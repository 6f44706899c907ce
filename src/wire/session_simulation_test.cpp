// Two sessions over links that are cut at any byte, in virtual time: whatever one side sends arrives
// at the other exactly once and in order, in bounded memory, and in the end nothing is left.
//
// A schedule is a seed, which a failure prints; TENON_SIMULATION_SEED repeats that one alone, and
// TENON_SIMULATION_SCHEDULES says how many there are.

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <map>
#include <memory>

#include "base/random.hpp"
#include "wire/endian.hpp"
#include "wire/frame_reader.hpp"
#include "wire/session.hpp"

namespace tenon::inline v0::wire {
namespace {

using namespace std::chrono_literals;

constexpr std::size_t longest_frame = output_queue::fragment_limit;

/// What a schedule is about.
struct plan {
    std::size_t client_retention = 0;
    std::size_t server_retention = 0;
    std::size_t largest = 0;    // value
    std::size_t pipe_room = 0;  // bytes on their way, per direction
    unsigned cuts = 0;
    unsigned requests = 0;
};

/// Two directions of bytes. What is on its way when the link is cut arrives in part.
struct link {
    std::array<bytes, 2> to;  // by role of the receiver
    bool cut = false;
};

std::size_t index_of(role r) { return r == role::server ? 1 : 0; }

/// A value: what it belongs to, its number, and filling that can be checked.
base::byte_buffer make_value(std::uint32_t key, std::uint32_t number, std::size_t size) {
    base::byte_buffer b;
    b.resize(8 + size);
    store_be32(store_be32(b.data(), key), number);
    for (std::size_t i = 0; i < size; ++i)
        b.data()[8 + i] = static_cast<std::byte>(key * 7 + number * 13 + i);
    return b;
}

void check_value(bytes_view b, std::uint32_t key, std::uint32_t number) {
    ASSERT_GE(b.size(), 8u);
    EXPECT_EQ(load_be32(b.data()), key);
    EXPECT_EQ(load_be32(b.data() + 4), number);
    const base::byte_buffer same = make_value(key, number, b.size() - 8);
    EXPECT_EQ(std::memcmp(b.data(), same.data(), b.size()), 0);
}

/// One stream as one side sees it. Requests say in their data: key, how many values come back, how
/// many go up.
struct conversation {
    std::uint32_t key = 0;
    request_kind kind{};
    stream_ref ref;
    bool own = false;
    std::uint32_t to_send = 0;
    std::uint32_t sent = 0;
    std::uint32_t expected = 0;
    std::uint32_t received = 0;
    std::uint32_t granted = 0;
    bool sending_done = false;
    bool receiving_done = false;
    bool cancelled = false;
    bool ended = false;
};

class side {
public:
    side(role r, const plan& p, base::random_source& random, time_point now)
        : role_(r), plan_(p), random_(random), session_(r, options(r, p), now) {
        reader_.take_whole_frames();
    }

    static session_options options(role r, const plan& p) {
        session_options o;
        o.retention = r == role::client ? p.client_retention : p.server_retention;
        o.max_requests = 64;
        o.keepalive_interval = 1s;
        o.max_lifetime = 30s;
        o.min_lifetime = 30s;
        o.resume_time = 1h;
        return o;
    }

    session& s() { return session_; }
    std::shared_ptr<link> wire;  // null: none
    frame_reader& reader() { return reader_; }

    /// Some of what there is to write, as much as goes in.
    void write() {
        if (!wire) return;
        bytes& pipe = wire->to[1 - index_of(role_)];
        if (pipe.size() >= plan_.pipe_room && !wire->cut) return;
        std::array<segment, 8> s;
        const std::size_t n = session_.out().gather({s.data(), 4 + random_.below(4)});
        EXPECT_TRUE(n != 0 || session_.out().empty());
        std::size_t most = random_.below(3) == 0 ? 1 + random_.below(40) : plan_.pipe_room;
        std::size_t size = 0;
        for (std::size_t i = 0; i < n && most != 0; ++i) {
            const std::size_t part = std::min(s[i].size, most);
            if (!wire->cut) pipe.insert(pipe.end(), s[i].data, s[i].data + part);
            size += part;
            most -= part;
        }
        if (size != 0) session_.out().consume(size);
        check_memory();
    }

    /// Some of what has come. False: the link has ended.
    bool read(time_point now) {
        if (!wire) return true;
        bytes& pipe = wire->to[index_of(role_)];
        if (pipe.empty()) return !wire->cut;
        const auto room = reader_.space();
        const std::size_t most = random_.below(3) == 0 ? 1 + random_.below(20) : room.size();
        const std::size_t n = std::min({room.size(), pipe.size(), most});
        std::memcpy(room.data(), pipe.data(), n);
        pipe.erase(pipe.begin(), pipe.begin() + static_cast<std::ptrdiff_t>(n));
        reader_.commit(n);
        session_.heard(now);
        return true;
    }

    /// Frames that are here, but for a first one that is not this session's.
    void handle(time_point now) {
        while (const auto b = reader_.next()) {
            const auto f = parse_frame(*b);
            ASSERT_TRUE(f);
            on_event(session_.receive(*f, now));
            if (::testing::Test::HasFatalFailure()) return;
        }
        ASSERT_EQ(reader_.error(), "");
    }

    void lose_link(time_point now) {
        wire.reset();
        reader_ = frame_reader();
        reader_.take_whole_frames();
        ASSERT_TRUE(session_.detach(now));
    }

    void request(std::uint32_t key) {
        conversation c;
        c.key = key;
        c.kind = static_cast<request_kind>(random_.below(4));
        c.own = true;
        const bool channel = c.kind == request_kind::channel;
        const bool many = channel || c.kind == request_kind::stream;
        c.expected = many ? static_cast<std::uint32_t>(random_.below(30)) : 1;
        if (c.kind == request_kind::fnf) c.expected = 0;
        c.to_send = channel ? static_cast<std::uint32_t>(random_.below(30)) : 0;
        c.granted = 1 + static_cast<std::uint32_t>(random_.below(8));
        base::byte_buffer b = make_value(key, 0, size());
        base::byte_buffer data;
        store_be32(store_be32(store_be32(data.extend(12), key), c.expected), c.to_send);
        data.append(b.view());
        auto& kept = conversations_[key] = c;
        const auto r = session_.request(c.kind, {}, outgoing(data.view(), &data), &kept, c.granted);
        if (!r) {  // too much waits
            EXPECT_FALSE(r.error().may_have_run());
            conversations_.erase(key);
            return;
        }
        ++opened_;
        kept.ref = *r;
        kept.sending_done = !channel;
        kept.ended = c.kind == request_kind::fnf;
    }

    /// Whatever one of the conversations can do.
    void act() {
        if (conversations_.empty()) return;
        auto at = conversations_.begin();
        std::advance(at, static_cast<std::ptrdiff_t>(random_.below(conversations_.size())));
        conversation& c = at->second;
        if (c.ended) return;
        if (c.own && random_.below(150) == 0) return give_up(c);
        send_some(c);
        if (!c.ended && wants(c) && random_.below(2) == 0) grant(c);
    }

    /// Everything they can do.
    void act_all() {
        for (auto& [key, c] : conversations_) {
            if (!c.ended) send_some(c);
            if (!c.ended && wants(c)) grant(c);
        }
    }

    bool is_idle() const {
        return std::all_of(conversations_.begin(), conversations_.end(),
                           [](const auto& c) { return c.second.ended; });
    }

    const std::map<std::uint32_t, conversation>& conversations() const { return conversations_; }
    unsigned opened() const { return opened_; }
    unsigned resumed() const { return resumed_; }

private:
    std::size_t size() {
        const std::size_t largest = random_.below(8) == 0 ? plan_.largest : 60;
        return random_.below(largest + 1);
    }

    static bool wants(const conversation& c) {
        return !c.receiving_done &&
               (c.own ? c.kind >= request_kind::stream : c.kind == request_kind::channel);
    }

    void grant(conversation& c) {
        if (c.granted > c.received + 4) return;
        const auto n = 1 + static_cast<std::uint32_t>(random_.below(8));
        c.granted += n;
        session_.request_n(c.ref, n);
    }

    void give_up(conversation& c) {
        session_.cancel(c.ref);
        c.cancelled = c.ended = true;
    }

    void send_some(conversation& c) {
        if (c.sending_done || c.ended) return;
        if (c.kind == request_kind::response) {
            base::byte_buffer b = make_value(c.key, 0, size());
            EXPECT_TRUE(session_.respond(c.ref, outgoing(b.view(), &b)));
            c.sending_done = c.ended = true;
            return;
        }
        for (auto n = random_.below(5) + 1; n != 0 && c.sent < c.to_send; --n) {
            base::byte_buffer b = make_value(c.key, c.sent, size());
            const send_result r = session_.send(c.ref, outgoing(b.view(), &b));
            ASSERT_NE(r, send_result::gone);
            if (r != send_result::sent) break;
            ++c.sent;
        }
        if (c.sent != c.to_send) return;
        session_.complete(c.ref);
        c.sending_done = true;
        c.ended = c.kind == request_kind::stream || c.receiving_done;
        EXPECT_EQ(c.ended, !session_.alive(c.ref));
    }

    void on_event(const event& e) {
        switch (e.kind) {
            case event_kind::request: return on_request(e);
            case event_kind::payload: return on_payload(e);
            case event_kind::cancel: {
                auto& c = *static_cast<conversation*>(e.user);
                c.cancelled = c.sending_done = true;
                c.ended = e.ended;
                return;
            }
            case event_kind::resumed: ++resumed_; return;
            case event_kind::failed:
                // The peer had no room for it.
                EXPECT_EQ(e.code, error_code::rejected);
                static_cast<conversation*>(e.user)->cancelled = true;
                static_cast<conversation*>(e.user)->ended = true;
                return;
            case event_kind::none:
            case event_kind::setup:
            case event_kind::credit:
            case event_kind::keepalive: return;
            default: FAIL() << "event " << static_cast<int>(e.kind) << " " << as_text(e.data);
        }
    }

    void on_request(const event& e) {
        ASSERT_GE(e.data.size(), 12u);
        const std::uint32_t key = load_be32(e.data.data());
        check_value(e.data.subspan(12), key, 0);
        ASSERT_FALSE(conversations_.contains(key)) << "a request came twice: " << key;
        conversation& c = conversations_[key];
        c.key = key;
        c.kind = e.request;
        c.ref = e.stream;
        c.to_send = load_be32(e.data.data() + 4);
        c.expected = load_be32(e.data.data() + 8);
        c.ended = e.ended;
        c.receiving_done = e.request != request_kind::channel;
        session_.attach(e.stream, &c);
    }

    void on_payload(const event& e) {
        auto& c = *static_cast<conversation*>(e.user);
        if (e.next) {
            check_value(e.data, c.key, c.received);
            ++c.received;
        }
        if (e.complete) {
            EXPECT_EQ(c.received, c.expected);
            c.receiving_done = true;
        }
        c.ended = e.ended;
    }

    void check_memory() {
        const retention* kept = session_.out().kept();
        // Without acknowledgements a frame is dropped once it is whole.
        EXPECT_LE(kept->bytes(), kept->limit() + longest_frame + 2 * plan_.largest);
    }

    const role role_;
    const plan& plan_;
    base::random_source& random_;
    session session_;
    frame_reader reader_;
    std::map<std::uint32_t, conversation> conversations_;
    unsigned opened_ = 0;
    unsigned resumed_ = 0;
};

class simulation {
public:
    explicit simulation(std::uint64_t seed)
        : random_(seed),
          plan_(make_plan(random_)),
          client_(role::client, plan_, random_, now_),
          server_(role::server, plan_, random_, now_) {
        client_.wire = server_.wire = std::make_shared<link>();
        EXPECT_TRUE(client_.s().setup("m/m", "d/d", {}, {}, as_bytes("token")));
        client_.s().expect_acknowledgements();
        // As the client's SETUP has to arrive, the first link lives until it has.
        while (!server_.s().established()) {
            client_.write();
            server_.read(now_);
            server_.handle(now_);
        }
        server_.s().expect_acknowledgements();
    }

    void run() {
        unsigned keys = 0;
        while (keys < plan_.requests || plan_.cuts != 0) {
            step(keys);
            if (::testing::Test::HasFatalFailure()) return;
        }
        settle();
    }

    unsigned resumed() const { return client_.resumed(); }

private:
    struct pending_link {
        std::shared_ptr<link> wire;
        session fresh;
        frame_reader reader;
        pending_link(std::shared_ptr<link> w, const session_options& o, time_point now)
            : wire(std::move(w)), fresh(role::server, o, now) {}
    };

    static plan make_plan(base::random_source& random) {
        plan p;
        // Two sides need not keep the same.
        p.client_retention = 500 << random.below(10);
        p.server_retention = 500 << random.below(10);
        p.largest = random.below(20) == 0 ? 300'000 : random.below(4) == 0 ? 6'000 : 300;
        p.pipe_room = (p.largest < 1000 ? 100 : 4000) << random.below(7);
        p.cuts = 1 + static_cast<unsigned>(random.below(30));
        p.requests = 5 + static_cast<unsigned>(random.below(60));
        return p;
    }

    void step(unsigned& keys) {
        switch (random_.below(13)) {
            case 0:
                if (keys < plan_.requests) client_.request(2 * keys++);
                return;
            case 1:
                if (keys < plan_.requests && random_.below(4) == 0) server_.request(2 * keys++ + 1);
                return;
            case 2: return client_.act();
            case 3: return server_.act();
            case 4:
            case 5: return client_.write();
            case 6:
            case 7: return server_.write();
            case 8: return receive(client_);
            case 9: return receive(server_);
            case 10: return arrive();
            case 11:
                if (plan_.cuts != 0 && random_.below(20) == 0) cut();
                return;
            default: return pass_time();
        }
    }

    void receive(side& s) {
        if (!s.read(now_)) return lost(s);
        s.handle(now_);
    }

    void lost(side& s) {
        if (s.wire) s.wire->cut = true;
        s.lose_link(now_);
        if (&s == &client_) connect();
    }

    void connect() {
        auto w = std::make_shared<link>();
        arriving_.push_back(
            std::make_unique<pending_link>(w, side::options(role::server, plan_), now_));
        client_.wire = w;
        client_.s().resume(now_);
    }

    /// The server reads from one of the links that begin: RESUME leads to its session.
    void arrive() {
        if (arriving_.empty()) return;
        const std::size_t i = random_.below(arriving_.size());
        pending_link& p = *arriving_[i];
        bytes& pipe = p.wire->to[1];
        const auto room = p.reader.space();
        const std::size_t n = std::min<std::size_t>(pipe.size(), 1 + random_.below(room.size()));
        std::copy_n(pipe.begin(), n, room.begin());
        pipe.erase(pipe.begin(), pipe.begin() + static_cast<std::ptrdiff_t>(n));
        p.reader.commit(n);
        if (const auto b = p.reader.next()) {
            const auto f = parse_frame(*b);
            ASSERT_TRUE(f);
            ASSERT_EQ(p.fresh.receive(*f, now_).kind, event_kind::resume);
            const resume_fields r = resume_of(*f);
            EXPECT_EQ(as_text(r.token), "token");
            if (!server_.s().may_resume(r)) {
                // Only one that is late is refused; nobody listens there any more.
                EXPECT_NE(p.wire, client_.wire);
            } else {
                if (server_.wire) lost(server_);
                server_.wire = p.wire;
                ASSERT_TRUE(server_.s().resume(r, now_));
            }
        } else if (!p.wire->cut || !pipe.empty()) {
            return;
        }
        arriving_.erase(arriving_.begin() + static_cast<std::ptrdiff_t>(i));
    }

    /// The end of the link of either side, of which neither knows; or the client only.
    void cut() {
        --plan_.cuts;
        const auto w = random_.below(4) == 0 && server_.wire ? server_.wire : client_.wire;
        if (!w) return;
        w->cut = true;
        for (bytes& pipe : w->to) pipe.resize(random_.below(pipe.size() + 1));
        if (random_.below(3) == 0) lost(client_);
    }

    void pass_time() {
        now_ += milliseconds(random_.below(100));
        for (side* s : {&client_, &server_}) {
            const event e = s->s().tick(now_);
            if (e.kind == event_kind::silent) lost(*s);
            else ASSERT_EQ(e.kind, event_kind::none);
        }
    }

    /// No more cuts: all that was begun comes to its end.
    void settle() {
        for (int turns = 0; turns < 400'000; ++turns) {
            for (side* s : {&client_, &server_}) {
                s->act_all();
                s->write();
                receive(*s);
            }
            arrive();
            if (turns % 16 == 0) pass_time();
            if (::testing::Test::HasFatalFailure()) return;
            if (client_.is_idle() && server_.is_idle() && client_.s().out().pending() == 0 &&
                server_.s().out().pending() == 0 && received_all())
                break;
        }
        EXPECT_TRUE(client_.is_idle());
        EXPECT_TRUE(server_.is_idle());
        EXPECT_EQ(client_.s().own_streams() + client_.s().peer_streams(), 0u);
        EXPECT_EQ(server_.s().own_streams() + server_.s().peer_streams(), 0u);
        compare(client_, server_);
        compare(server_, client_);
    }

    bool received_all() const {
        return client_.wire && client_.wire->to[0].empty() && client_.wire->to[1].empty();
    }

    /// Every request of one side was seen by the other.
    void compare(const side& a, const side& b) {
        for (const auto& [key, c] : a.conversations()) {
            if (!c.own || c.cancelled) continue;
            // A request without an answer is dropped where there is no room for it.
            if (c.kind == request_kind::fnf) continue;
            EXPECT_TRUE(b.conversations().contains(key)) << "request " << key << " is lost";
            EXPECT_EQ(c.received, c.expected) << "request " << key;
        }
    }

    time_point now_{1000s};
    base::random_source random_;
    plan plan_;
    side client_;
    side server_;
    std::vector<std::unique_ptr<pending_link>> arriving_;
};

TEST(session_simulation, everything_arrives_once_over_links_that_are_cut) {
    const auto number = [](const char* name, std::uint64_t otherwise) {
        const char* text = std::getenv(name);
        return text != nullptr ? std::strtoull(text, nullptr, 10) : otherwise;
    };
    if (const std::uint64_t seed = number("TENON_SIMULATION_SEED", 0)) {
        simulation(seed).run();
        return;
    }
    const std::uint64_t first = base::random_seed() | 1;
    const std::uint64_t schedules = number("TENON_SIMULATION_SCHEDULES", 1'000);
    unsigned resumed = 0;
    for (std::uint64_t i = 0; i < schedules; ++i) {
        SCOPED_TRACE("TENON_SIMULATION_SEED=" + std::to_string(first + i));
        simulation s(first + i);
        s.run();
        resumed += s.resumed();
        if (HasFailure()) return;
    }
    EXPECT_GT(resumed, schedules);
    RecordProperty("schedules", std::to_string(schedules));
    RecordProperty("resumed", std::to_string(resumed));
    std::printf("%llu schedules from seed %llu, %u links changed\n",
                static_cast<unsigned long long>(schedules), static_cast<unsigned long long>(first),
                resumed);
}

}  // namespace
}  // namespace tenon::inline v0::wire
