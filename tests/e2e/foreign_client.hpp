#pragma once
// foreign_client: a client that knows RSocket 1.0 and nothing of Tenon, and checks every frame that
// the server sends to it.

#include <gtest/gtest.h>

#include <cstdio>
#include <map>
#include <string>
#include <vector>

#include "raw_peer.hpp"
#include "server_process.hpp"

namespace e2e {

enum class metadata_style { composite, plain };

/// A client that knows RSocket 1.0 and nothing else. Checks every frame the server sends to it: its
/// type, flags and metadata, that no value comes that was not asked for, and none after the end.
class foreign_client {
public:
    foreign_client(const std::string& endpoint, metadata_style style)
        : peer_(endpoint), style_(style) {
        peer_.send(make_setup(json_mime, 0,
                              style == metadata_style::composite ? composite_mime : plain_mime));
    }

    std::uint32_t stream(const std::string& member, std::string_view arguments, std::uint32_t n) {
        return open(request_stream_frame, 0, member, arguments, n);
    }
    std::uint32_t channel(const std::string& member, std::string_view first, std::uint32_t n,
                          bool complete = false) {
        const std::uint32_t id =
            open(request_channel_frame, complete ? unsigned{complete_flag} : 0, member, first, n);
        all_[id].is_channel = true;
        all_[id].has_finished = complete;
        return id;
    }
    void request(std::uint32_t id, std::uint32_t n) {
        all_[id].asked += n;
        peer_.send(make_frame(id, request_n_frame, 0, be(n, 4)));
    }
    /// Waits until the server has asked for it.
    void send(std::uint32_t id, std::string_view value, bool complete = false) {
        ASSERT_TRUE(pump([&] { return all_[id].may_send > 0 || all_[id].ended; }));
        if (all_[id].ended) return;
        --all_[id].may_send;
        peer_.send(make_frame(id, payload_frame,
                              unsigned{next_flag} | (complete ? unsigned{complete_flag} : 0),
                              value));
        if (complete) all_[id].has_finished = true;
    }
    void finish(std::uint32_t id) {
        peer_.send(make_frame(id, payload_frame, complete_flag, ""));
        all_[id].has_finished = true;
    }
    void cancel(std::uint32_t id) {
        peer_.send(make_frame(id, cancel_frame, 0, ""));
        all_[id].is_cancelled = true;
    }
    /// Sent as it is.
    void send_raw(const std::string& frame) { peer_.send(frame); }

    /// Until so many values have come, and no more for a moment.
    ::testing::AssertionResult has(std::uint32_t id, std::size_t n) {
        pump([&] { return all_[id].values.size() >= n; });
        pump([] { return false; }, std::chrono::milliseconds(20));
        if (all_[id].values.size() == n) return ::testing::AssertionSuccess();
        return ::testing::AssertionFailure()
               << all_[id].values.size() << " values instead of " << n;
    }
    /// Waits for the end: "" or the code and text of an ERROR.
    std::string end(std::uint32_t id) {
        if (!pump([&] { return all_[id].ended; })) return "it did not end";
        return all_[id].error;
    }
    const std::vector<std::string>& values(std::uint32_t id) { return all_[id].values; }
    /// Whether a call is answered.
    bool served() {
        const std::uint32_t id = open(request_response_frame, 0, "plus", "[40,2]", 1);
        return end(id).empty() && values(id) == std::vector<std::string>{"42"};
    }
    raw_peer& peer() { return peer_; }

private:
    static constexpr std::string_view plain_mime = "message/x.rsocket.routing.v0";

    struct one {
        bool is_channel = false;
        std::uint64_t asked = 0;
        std::uint64_t may_send = 0;
        bool has_finished = false;
        bool is_cancelled = false;
        bool ended = false;
        std::vector<std::string> values;
        std::string error;
    };

    std::uint32_t open(unsigned type, unsigned flags, const std::string& member,
                       std::string_view data, std::uint32_t n) {
        const std::uint32_t id = next_;
        next_ += 2;
        all_[id].asked = n;
        const std::string route = "test/flow." + member;
        const std::string metadata =
            style_ == metadata_style::composite ? route_entry(route) : be(route.size(), 1) + route;
        std::string body = type == request_response_frame ? "" : be(n, 4);
        body += be(metadata.size(), 3) + metadata + std::string(data);
        peer_.send(make_frame(id, type, flags | metadata_flag, body));
        return id;
    }
    template <class F>
    bool pump(F done, std::chrono::milliseconds limit = std::chrono::seconds(10)) {
        using namespace std::chrono_literals;
        const auto until = std::chrono::steady_clock::now() + limit;
        while (!done()) {
            const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(
                until - std::chrono::steady_clock::now());
            if (left <= 0ms) return false;
            if (const auto f = peer_.receive(left)) check(*f);
            else if (peer_.at_end()) return done();
        }
        return true;
    }
    void check(const raw_frame& f) {
        SCOPED_TRACE(f.to_string());
        if (f.stream == 0) {
            EXPECT_TRUE(f.type == keepalive_frame || f.type == error_frame);
            return;
        }
        ASSERT_TRUE(all_.contains(f.stream)) << "nobody has opened it";
        one& s = all_[f.stream];
        EXPECT_FALSE(s.ended) << "after the end";
        switch (f.type) {
            case payload_frame:
                EXPECT_EQ(f.flags & ~unsigned{next_flag | complete_flag}, 0u);
                EXPECT_NE(f.flags, 0u);
                if (f.flags & next_flag) s.values.push_back(f.body);
                EXPECT_LE(s.values.size(), s.asked) << "more values than were asked for";
                s.ended = (f.flags & complete_flag) != 0;
                break;
            case error_frame:
                EXPECT_EQ(f.flags, 0u);
                EXPECT_GE(f.code(), 0x201u);
                EXPECT_TRUE(is_utf8(f.text()));
                s.error = be_text(f.code()) + f.text();
                s.ended = true;
                break;
            case request_n_frame: {
                EXPECT_TRUE(s.is_channel);
                EXPECT_EQ(f.flags, 0u);
                ASSERT_EQ(f.body.size(), 4u);
                std::uint32_t n = 0;
                for (const char c : f.body) n = n << 8 | static_cast<unsigned char>(c);
                EXPECT_GE(n, 1u);
                EXPECT_LE(n, 0x7fffffffu);
                s.may_send += n;
                break;
            }
            default: ADD_FAILURE() << "a frame that a foreign client does not expect";
        }
    }
    static std::string be_text(std::uint32_t code) {
        char text[16];
        std::snprintf(text, sizeof text, "0x%x ", code);
        return text;
    }

    raw_peer peer_;
    const metadata_style style_;
    std::uint32_t next_ = 1;
    std::map<std::uint32_t, one> all_;
};

}  // namespace e2e
