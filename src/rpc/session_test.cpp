// Objects of the program's own with sessions and streams, and being told of both.

#include "rpc/test_support.hpp"
#include "tenon/session.hpp"
#include "tenon/stream_members.hpp"

namespace {

using namespace rpc_test;
using tenon::errc;
using tenon::failure;

struct user {
    explicit user(std::string n) : name(std::move(n)) {}
    std::string name;
};
struct counter {
    std::atomic<int> n{0};
};

struct desk {
    tenon::method<void(std::string)> login;
    tenon::method<std::string()> who;
    tenon::method<int()> count;
    tenon::method<bool()> has_stream;
    tenon::channel<std::string, std::string> chat;
    tenon::source<int()> numbers;
};
TENON_INTERFACE(desk, "test", "desk", "1.0.0", (login, name), who, count, has_stream, chat, numbers)

tenon::task<void> chat(tenon::context& ctx, tenon::duplex<std::string, std::string> s) {
    while (auto text = co_await s.next()) {
        auto mine = ctx.stream().get<counter>();
        const auto me = ctx.session().get<user>();
        const std::string name = me ? me->name : "?";
        std::string answer = name + " " + std::to_string(++mine->n) + " " + *text;
        co_await s.send_async(std::move(answer));
    }
}

tenon::generator<int> no_end() {
    for (int i = 0;; ++i) co_yield i;
}

class sessions : public testing::TestWithParam<const char*> {
protected:
    sessions() : runtime_(test_runtime()) {
        tenon::server_options so;
        so.runtime = &runtime_;
        server_.emplace(so);
        auto& d = server_->publish<desk>();
        d.login = [](tenon::context& ctx, std::string name) {
            ctx.session().put<user>(std::move(name));
        };
        d.who = [](tenon::context& ctx) {
            const auto u = ctx.session().get<user>();
            return u ? u->name : std::string("nobody");
        };
        d.count = [](tenon::context& ctx) {
            auto c = ctx.session().get<counter>();
            if (!c) c = ctx.session().put<counter>();
            return ++c->n;
        };
        d.has_stream = [](tenon::context& ctx) { return ctx.stream().route().empty(); };
        d.chat = chat;
        d.numbers = no_end;
        server_->on_connected([this](tenon::session& s) {
            note("connected " + std::string(s.peer().transport));
            s.put<counter>();
        });
        server_->on_disconnected([this](tenon::session& s) {
            note("disconnected with " + std::to_string(s.get<counter>()->n.load()));
        });
        server_->on_stream_opened([this](tenon::served_stream& s) {
            note("opened " + std::string(s.route()));
            s.put<counter>();
        });
        server_->on_stream_closed([this](tenon::served_stream& s) {
            note("closed with " + std::to_string(s.get<counter>()->n.load()));
            throw failure(tenon::error(errc::failed, "no matter"));
        });
        runtime_.set_log_sink(tenon::log_level::warning,
                              [this](tenon::log_level, std::string_view line) {
                                  if (line.find("no matter") != line.npos) ++thrown_;
                              });
        server_->listen(fresh_endpoint(GetParam()));
        server_->start();
    }
    tenon::stub<desk> connect() {
        tenon::client_options o;
        o.runtime = &runtime_;
        return tenon::connect<desk>(server_->endpoints().at(0), o);
    }
    void note(std::string what) {
        const std::lock_guard lock(mutex_);
        told_.push_back(std::move(what));
    }
    std::vector<std::string> told() {
        const std::lock_guard lock(mutex_);
        return told_;
    }
    bool is_local() const { return std::string(GetParam()) == "inproc"; }

    std::mutex mutex_;
    std::vector<std::string> told_;
    std::atomic<int> thrown_{0};
    tenon::runtime runtime_;
    std::optional<tenon::server> server_;
};
INSTANTIATE_TEST_SUITE_P(over, sessions, testing::Values("inproc", "unix", "shm", "tcp"), name_of);

TEST_P(sessions, keep_objects_of_the_programs_own) {
    auto a = connect(), b = connect();
    a.login("Ann");
    EXPECT_EQ(a.who(), "Ann");
    EXPECT_EQ(b.who(), "nobody");
    b.login("Bob");
    b.login("Ben");
    EXPECT_EQ(a.who.future().get().value(), "Ann");
    EXPECT_EQ(b.who(), "Ben");
    for (int i = 1; i < 5; ++i) EXPECT_EQ(a.count(), i);
    EXPECT_EQ(b.count(), 1);
    const auto r = a.has_stream.try_call();
    ASSERT_FALSE(r);
    EXPECT_EQ(r.error().code(), errc::conflict);
    EXPECT_EQ(r.error().message(), "test/desk.has_stream is no stream");
}

TEST_P(sessions, streams_have_their_own) {
    auto a = connect();
    a.login("Ann");
    auto s = a.chat();
    auto t = a.chat();
    EXPECT_EQ(s.send_recv("x"), "Ann 1 x");
    EXPECT_EQ(s.send_recv("y"), "Ann 2 y");
    EXPECT_EQ(t.send_recv("z"), "Ann 1 z");
}

TEST_P(sessions, are_told_of_with_their_streams) {
    {
        auto a = connect();
        a.count();
        auto s = a.chat();
        s.send_recv("x");
        s.send_recv("y");
        s.finish();
        EXPECT_EQ(s.get(), std::nullopt);
        s = {};
        EXPECT_TRUE(eventually([&] { return thrown_ == 1; }));
        auto endless = a.numbers();
        EXPECT_EQ(endless.get(), 0);
    }
    std::vector<std::string> expected{"opened test/desk.chat", "closed with 2",
                                      "opened test/desk.numbers", "closed with 0"};
    if (!is_local()) {
        expected.insert(expected.begin(), "connected " + std::string(GetParam()));
        expected.push_back("disconnected with 1");
    }
    EXPECT_TRUE(eventually([&] { return told().size() >= expected.size(); }));
    EXPECT_EQ(told(), expected);
    EXPECT_EQ(thrown_, 2);
}

TEST_P(sessions, end_with_the_server) {
    auto a = connect();
    auto s = a.chat();
    s.send_recv("x");
    server_->stop(0ms);
    const auto all = told();
    ASSERT_EQ(all.size(), is_local() ? 2u : 4u);
    EXPECT_EQ(all[is_local() ? 1 : 2], "closed with 1");
    if (!is_local()) {
        EXPECT_EQ(all.back(), "disconnected with 0");
    }
    server_.reset();
}

}  // namespace
