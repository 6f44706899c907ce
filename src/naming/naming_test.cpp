// Publishing and discovering within one process, each test in a runtime directory of its own.

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <condition_variable>
#include <filesystem>
#include <fstream>
#include <memory>
#include <mutex>
#include <set>
#include <thread>

#include "naming/directory.hpp"
#include "tenon/manifest.hpp"
#include "tenon/tenon.hpp"
#include "transport/test_support.hpp"

namespace {

using namespace std::chrono_literals;
namespace fs = std::filesystem;
using tenon::errc;
using tenon::scope::os;
using tenon::scope::process;

struct who {
    tenon::method<std::string()> are_you;
    tenon::method<int(int)> nap;
};
TENON_INTERFACE(who, "test", "who", "1.2.3", are_you, (nap, ms))

struct other {
    tenon::method<int()> one;
};
TENON_INTERFACE(other, "test.two", "other", "1.0.0", one)

tenon::task<int> nap_for(int ms) {
    co_await tenon::sleep_for(std::chrono::milliseconds(ms));
    co_return ms;
}

template <class F>
bool eventually(F done) {
    const auto limit = std::chrono::steady_clock::now() + 20s;
    while (!done()) {
        if (std::chrono::steady_clock::now() > limit) return false;
        std::this_thread::sleep_for(1ms);
    }
    return true;
}

class naming : public testing::Test {
protected:
    static tenon::runtime_options options_for(const std::string& directory) {
        tenon::runtime_options o;
        o.directory = directory;
        return o;
    }

    /// A server that says its name.
    std::unique_ptr<tenon::server> serve(const std::string& name,
                                         tenon::publish_options p = {.seen = tenon::scope::all},
                                         tenon::server_options o = {}) {
        o.runtime = &runtime_;
        auto s = std::make_unique<tenon::server>(o);
        auto& w = s->publish<who>(p);
        w.are_you = [name] { return name; };
        w.nap = nap_for;
        s->start();
        return s;
    }
    tenon::discover_options looking(tenon::scopes in = os) {
        tenon::discover_options o;
        o.scopes = in;
        o.client.runtime = &runtime_;
        return o;
    }
    std::vector<tenon::instance> list(std::string_view pattern = "*",
                                      tenon::scopes in = tenon::scope::all) {
        tenon::list_options o;
        o.runtime = &runtime_;
        o.scopes = in;
        return tenon::list(pattern, o);
    }
    std::set<std::string> files() const {
        std::set<std::string> all;
        for (const auto& e : fs::recursive_directory_iterator(base_))
            all.insert(fs::relative(e.path(), base_));
        return all;
    }
    std::string service_path() const { return base_ + "/test/who"; }
    /// What a server leaves that is killed.
    void leave_behind(const std::string& id, const std::string& in) {
        fs::create_directories(in);
        const std::string path = in + "/" + id + ".sock";
        sockaddr_un a{};
        a.sun_family = AF_UNIX;
        path.copy(a.sun_path, sizeof a.sun_path - 1);
        const tenon::base::unique_fd fd(socket(AF_UNIX, SOCK_STREAM, 0));
        ASSERT_EQ(bind(fd.get(), reinterpret_cast<sockaddr*>(&a), sizeof a), 0);
        std::ofstream(in + "/" + id + ".lock").flush();
        std::ofstream(in + "/" + id + ".json") << "{}";
    }

    tenon::transport::test::scratch_directory scratch_;
    const std::string base_ = scratch_ / "run";
    tenon::runtime runtime_{options_for(base_)};
};

TEST_F(naming, files_come_and_go_with_the_server) {
    auto s = serve("a");
    const auto here = list("*", process);
    ASSERT_EQ(here.size(), 1U);
    const std::string id = here[0].id;
    const std::string in = "test/who/" + id;
    EXPECT_EQ(files(), (std::set<std::string>{"test", "test/who", in + ".json", in + ".lock",
                                              in + ".sock"}));
    struct stat st {};
    for (const char* d : {"", "/test", "/test/who"}) {
        ASSERT_EQ(stat((base_ + d).c_str(), &st), 0);
        EXPECT_EQ(st.st_mode & 0777, 0700U) << d;
    }
    for (const char* e : {".json", ".lock", ".sock"}) {
        ASSERT_EQ(stat((base_ + "/" + in + e).c_str(), &st), 0);
        EXPECT_EQ(st.st_mode & 0777, 0600U) << e;
    }
    s->stop();
    EXPECT_TRUE(files().empty());
}

TEST_F(naming, found_in_the_process_then_on_the_machine) {
    auto s = serve("a");
    EXPECT_EQ(tenon::discover<who>(looking(process)).are_you(), "a");
    auto w = tenon::discover<who>(looking(os));
    EXPECT_EQ(w.are_you(), "a");
    EXPECT_EQ(w.handle().endpoint(), "test/who");
    EXPECT_TRUE(w.handle().is_connected());
    tenon::client c = tenon::discover("test/who", looking(tenon::scope::all));
    EXPECT_EQ(c.call("test/who.are_you").as<std::string>(), "a");
    EXPECT_TRUE(c.send("test/who.are_you", tenon::value::list({})));
}

TEST_F(naming, scopes_narrow) {
    auto s = serve("a", {.seen = process});
    EXPECT_TRUE(!fs::exists(base_) || files().empty());
    EXPECT_EQ(tenon::discover<who>(looking(tenon::scope::all)).are_you(), "a");
    const auto r = tenon::discover<who>(looking(os)).are_you.try_call();
    ASSERT_FALSE(r);
    EXPECT_EQ(r.error().code(), errc::unavailable);
    s->stop();
    auto t = serve("b", {.seen = os});
    EXPECT_FALSE(tenon::discover<who>(looking(process)).are_you.try_call());
    EXPECT_EQ(tenon::discover<who>(looking(tenon::scope::all)).are_you(), "b");
}

TEST_F(naming, absence_is_no_error_until_a_call) {
    for (const auto in : {process, os, tenon::scope::all}) {
        auto w = tenon::discover<who>(looking(in));
        const auto r = w.are_you.try_call();
        ASSERT_FALSE(r);
        EXPECT_EQ(r.error().code(), errc::unavailable) << r.error().to_string();
        EXPECT_FALSE(r.error().may_have_run());
        EXPECT_EQ(r.error().message(), "nobody serves test/who");
        auto late = w.are_you.future();
        ASSERT_EQ(late.wait_for(0s), std::future_status::ready);
        EXPECT_EQ(late.get().error().code(), errc::unavailable);
        EXPECT_FALSE(w.handle().send("test/who.are_you", tenon::value::list({})));
        EXPECT_FALSE(w.handle().is_connected());
        EXPECT_EQ(w.wait_ready(20ms).error().code(), errc::unavailable);
        // It comes to life.
        auto s = serve("a");
        EXPECT_EQ(w.are_you(), "a");
        EXPECT_TRUE(w.wait_ready(0ms));
    }
    for (const char* bad : {"", "x", "x/", "/x", "a/b.c", "../who", "./who", "a/b/c", "test/who*"})
        EXPECT_THROW(tenon::discover(bad, looking()), tenon::failure) << bad;
}

TEST_F(naming, waits_for_a_first_instance) {
    auto o = looking();
    o.wait = 30ms;
    try {
        tenon::discover<who>(o);
        FAIL() << "nobody was there";
    } catch (const tenon::failure& f) {
        EXPECT_EQ(f.code(), errc::unavailable);
    }
    o.wait = 20s;
    std::unique_ptr<tenon::server> s;
    std::thread later([&] {
        std::this_thread::sleep_for(30ms);
        s = serve("late");
    });
    EXPECT_EQ(tenon::discover<who>(o).are_you(), "late");
    later.join();
}

TEST_F(naming, calls_stick_until_the_instance_goes) {
    for (const auto in : {process, os}) {
        std::map<std::string, std::unique_ptr<tenon::server>> servers;
        for (const char* n : {"a", "b", "c"}) servers[n] = serve(n);
        auto w = tenon::discover<who>(looking(in));
        while (!servers.empty()) {
            // A call may just have left when its server has gone, and is not repeated then.
            std::string first;
            ASSERT_TRUE(eventually([&] {
                const auto r = w.are_you.try_call();
                EXPECT_TRUE(r || r.error().may_have_run());
                if (r) first = *r;
                return r.has_value();
            }));
            for (int i = 0; i < 20; ++i) EXPECT_EQ(w.are_you(), first);
            ASSERT_EQ(servers.count(first), 1U);
            servers.erase(first);
            if (servers.size() != 1) continue;
            // The next one to fail over is asynchronous.
            const auto r = w.are_you.future().get();
            EXPECT_TRUE(r ? *r == servers.begin()->first : r.error().may_have_run());
        }
        EXPECT_EQ(w.are_you.try_call().error().code(), errc::unavailable);
    }
}

TEST_F(naming, calls_under_way_at_a_stopping_server_are_answered) {
    auto a = serve("a");
    auto w = tenon::discover<who>(looking());
    auto napping = w.nap.future(300);
    ASSERT_TRUE(eventually([&] { return a->stats().at(1).in_flight == 1; }));
    std::thread stopping([&] { a->stop(20s); });
    ASSERT_TRUE(eventually([&] { return list("*", os).empty(); }));
    auto b = serve("b");
    ASSERT_TRUE(eventually([&] { return w.are_you() == "b"; }));
    EXPECT_EQ(napping.get().value(), 300);
    stopping.join();
}

TEST_F(naming, what_a_handler_passes_on_is_not_tried_elsewhere) {
    std::array<std::atomic<int>, 2> runs{};
    std::vector<std::unique_ptr<tenon::server>> servers;
    for (int i = 0; i < 2; ++i) {
        tenon::server_options so;
        so.runtime = &runtime_;
        servers.push_back(std::make_unique<tenon::server>(so));
        servers.back()->publish<who>().are_you = [&runs, i]() -> tenon::result<std::string> {
            ++runs.at(static_cast<std::size_t>(i));
            return tenon::error(errc::unavailable, "elsewhere").set_may_have_run(false);
        };
        servers.back()->start();
    }
    for (const auto in : {process, os}) {
        runs[0] = runs[1] = 0;
        const auto r = tenon::discover<who>(looking(in)).are_you.try_call();
        ASSERT_FALSE(r);
        EXPECT_EQ(r.error().message(), "elsewhere");
        EXPECT_EQ(std::min(runs[0].load(), runs[1].load()), 0);
    }
}

TEST_F(naming, round_robin_goes_round_and_keeps_up) {
    for (const auto in : {process, os}) {
        auto o = looking(in);
        o.choice = tenon::choice::round_robin;
        auto a = serve("a"), b = serve("b");
        auto w = tenon::discover<who>(o);
        std::map<std::string, int> seen;
        for (int i = 0; i < 10; ++i) ++seen[w.are_you()];
        EXPECT_EQ(seen["a"], 5);
        EXPECT_EQ(seen["b"], 5);
        auto c = serve("c");
        EXPECT_TRUE(eventually([&] { return w.are_you() == "c"; }));
        c.reset();
        for (int i = 0; i < 10; ++i) EXPECT_NE(w.are_you(), "c");
    }
}

TEST_F(naming, least_outstanding_avoids_the_busy) {
    auto a = serve("a"), b = serve("b");
    auto o = looking();
    o.choice = tenon::choice::least_outstanding;
    auto w = tenon::discover<who>(o);
    auto busy = w.nap.future(500);
    ASSERT_TRUE(
        eventually([&] { return a->stats().at(1).in_flight + b->stats().at(1).in_flight == 1; }));
    const std::string idle = a->stats().at(1).in_flight == 1 ? "b" : "a";
    for (int i = 0; i < 10; ++i) EXPECT_EQ(w.are_you(), idle);
    EXPECT_TRUE(busy.get());
}

TEST_F(naming, one_instance_and_no_other) {
    auto a = serve("a"), b = serve("b");
    for (const auto in : {process, os})
        for (const tenon::instance& i : list("test/who", in)) {
            auto o = looking(in);
            o.instance = i.id;
            auto w = tenon::discover<who>(o);
            const std::string name = w.are_you();
            for (int n = 0; n < 5; ++n) EXPECT_EQ(tenon::discover<who>(o).are_you(), name);
            o.instance = "000000000000";
            EXPECT_FALSE(tenon::discover<who>(o).are_you.try_call());
        }
}

TEST_F(naming, owners_that_are_trusted) {
    auto a = serve("a");
    auto o = looking();
    o.owners = {geteuid()};
    EXPECT_EQ(tenon::discover<who>(o).are_you(), "a");
    o.owners = {geteuid() + 1};
    EXPECT_EQ(tenon::discover<who>(o).are_you.try_call().error().code(), errc::unavailable);
    tenon::client_options c;
    c.runtime = &runtime_;
    c.owners = {geteuid() + 1};
    const auto endpoint = list("test/who", os).at(0).endpoints.at(0);
    EXPECT_EQ(tenon::connect<who>(endpoint, c).are_you.try_call().error().code(), errc::denied);
    c.owners.push_back(geteuid());
    EXPECT_EQ(tenon::connect<who>(endpoint, c).are_you(), "a");
    tenon::list_options l;
    l.runtime = &runtime_;
    l.scopes = os;
    l.owners = {geteuid() + 1};
    EXPECT_TRUE(tenon::list("*", l).empty());
}

TEST_F(naming, listing) {
    tenon::server_options so;
    so.runtime = &runtime_;
    tenon::server s(so);
    s.publish<who>();
    s.publish<other>({.seen = os, .control = false}).one = [] { return 1; };
    s.listen("tcp://127.0.0.1:0").start();
    auto all = list();
    ASSERT_EQ(all.size(), 2U);
    EXPECT_EQ(all[0].publisher, "test");
    EXPECT_EQ(all[0].service, "who");
    EXPECT_EQ(all[0].version, "1.2.3");
    EXPECT_EQ(all[0].hash, tenon::manifest_of<who>().hash());
    EXPECT_EQ(all[0].seen, tenon::scope::all);
    EXPECT_EQ(all[0].pid, getpid());
    EXPECT_EQ(all[0].uid, geteuid());
    EXPECT_EQ(all[0].started.size(), std::string("2000-01-01T00:00:00Z").size());
    const std::string id = all[0].id;
    const std::string tcp = s.endpoints().at(0);
    EXPECT_EQ(all[0].endpoints,
              (std::vector<std::string>{"inproc:" + id, tcp,
                                        "unix:" + base_ + "/test/who/" + id + ".sock"}));
    EXPECT_EQ(all[1].publisher, "test.two");
    EXPECT_EQ(all[1].hash, "");
    EXPECT_EQ(all[1].id, id);
    EXPECT_EQ(all[1].endpoints.size(), 2U);
    EXPECT_EQ(list("test/*").size(), 1U);
    EXPECT_EQ(list("test*").size(), 2U);
    EXPECT_EQ(list("*/o?her").size(), 1U);
    EXPECT_EQ(list("test/who").size(), 1U);
    EXPECT_EQ(list("tenon/*").size(), 0U);
    EXPECT_EQ(list("*", process).size(), 1U);
    EXPECT_EQ(list("*", os).size(), 2U);
}

TEST_F(naming, leftovers_are_cleaned_by_whoever_meets_them) {
    const std::string dead = "0123456789ab";
    auto gone = [&] { return !fs::exists(service_path() + "/" + dead + ".sock"); };
    leave_behind(dead, service_path());
    EXPECT_TRUE(list().empty());
    EXPECT_TRUE(gone());
    leave_behind(dead, service_path());
    EXPECT_FALSE(tenon::discover<who>(looking()).are_you.try_call());
    EXPECT_TRUE(gone());
    leave_behind(dead, service_path());
    auto s = serve("a");
    EXPECT_TRUE(gone());
    EXPECT_EQ(files().size(), 5U);
    s.reset();
    EXPECT_TRUE(files().empty());
}

TEST_F(naming, what_is_not_ours_is_neither_followed_nor_removed) {
    auto s = serve("a");
    const std::string in = service_path() + "/";
    const std::string victim = scratch_ / "victim";
    std::ofstream(victim) << "precious";
    fs::create_symlink(victim, in + "000000000001.lock");
    fs::create_symlink(victim, in + "000000000001.json");
    fs::create_symlink(victim, in + "000000000001.sock");
    ASSERT_EQ(mkfifo((in + "000000000002.lock").c_str(), 0600), 0);
    ASSERT_EQ(mkfifo((in + "000000000002.json").c_str(), 0600), 0);
    std::ofstream(in + "000000000003.lock") << "not empty";
    std::ofstream(in + "000000000003.sock") << "no socket";
    std::ofstream(in + "readme.sock") << "no instance";
    fs::create_directories(in + "000000000004.sock");
    fs::create_symlink(service_path(), base_ + "/test/again");
    fs::create_symlink("/", base_ + "/all");
    const auto before = files();
    EXPECT_EQ(list().size(), 1U);
    for (int i = 0; i < 5; ++i) EXPECT_EQ(tenon::discover<who>(looking()).are_you(), "a");
    auto t = serve("b");
    t.reset();
    EXPECT_EQ(files(), before);
    EXPECT_EQ(fs::file_size(victim), 8U);
}

TEST_F(naming, descriptions_are_read_with_limits) {
    auto s = serve("a");
    const std::string file = service_path() + "/" + list()[0].id + ".json";
    const auto pretend = [&](const std::string& text) {
        std::ofstream(file) << text;
        return list("*", os).size();
    };
    std::ifstream in(file);
    const std::string good(std::istreambuf_iterator<char>(in), {});
    EXPECT_EQ(pretend(good), 1U);
    EXPECT_EQ(pretend(""), 0U);
    EXPECT_EQ(pretend("[]"), 0U);
    EXPECT_EQ(pretend(std::string(200'000, '[')), 0U);
    EXPECT_EQ(pretend(good + std::string(std::size_t{6} << 20, ' ')), 0U);
    std::string lie = good;
    lie.replace(lie.find("\"who\""), 5, "\"you\"");
    EXPECT_EQ(pretend(lie), 0U);
    // Names lead to it all the same.
    EXPECT_EQ(tenon::discover<who>(looking()).are_you(), "a");
}

TEST_F(naming, an_unusable_directory) {
    std::ofstream(base_) << "a file";
    try {
        serve("a");
        FAIL() << "there is nothing to listen at";
    } catch (const tenon::failure& f) {
        EXPECT_NE(std::string(f.what()).find(base_), std::string::npos) << f.what();
    }
    std::atomic<int> warnings{0};
    runtime_.set_log_sink(tenon::log_level::warning,
                          [&](tenon::log_level, std::string_view) { ++warnings; });
    tenon::server_options so;
    so.runtime = &runtime_;
    tenon::server s(so);
    s.publish<who>().are_you = [] { return "b"; };
    s.listen("tcp://127.0.0.1:0").start();
    EXPECT_EQ(warnings, 1);
    EXPECT_EQ(tenon::discover<who>(looking(tenon::scope::all)).are_you(), "b");
    runtime_.set_log_sink(tenon::log_level::warning, {});
    // Nothing for the machine: nothing to complain of.
    auto t = serve("c", {.seen = process});
}

TEST_F(naming, long_paths) {
    const std::string deep = scratch_ / std::string(100, 'x') + "/" + std::string(100, 'y');
    fs::create_directories(deep);
    tenon::runtime r(options_for(deep));
    tenon::server_options so;
    so.runtime = &r;
    tenon::server s(so);
    s.publish<who>().are_you = [] { return "deep"; };
    s.start();
    auto o = looking();
    o.client.runtime = &r;
    EXPECT_EQ(tenon::discover<who>(o).are_you(), "deep");
}

TEST_F(naming, directories_come_and_go_between_the_steps) {
    std::atomic<bool> over{false};
    std::vector<std::thread> threads;
    for (int t = 0; t < 4; ++t)
        threads.emplace_back([&, t] {
            for (int i = 0; i < 50; ++i) {
                auto s = serve(std::to_string(t));
                auto o = looking();
                o.choice = tenon::choice::round_robin;
                const auto r = tenon::discover<who>(o).are_you.try_call();
                // Another one may have gone just when it was called, but ours is there.
                EXPECT_TRUE(r || r.error().may_have_run()) << r.error().to_string();
            }
        });
    std::thread cleaner([&] {
        while (!over) {
            list("*", os);
            rmdir(service_path().c_str());
            rmdir((base_ + "/test").c_str());
            // Without a pause no server could ever get from one step to the next.
            std::this_thread::sleep_for(std::chrono::microseconds(200));
        }
    });
    for (auto& t : threads) t.join();
    over = true;
    cleaner.join();
    EXPECT_TRUE(files().empty());
}

TEST(own_directory, precedence) {
    using tenon::naming::own_directory;
    EXPECT_EQ(own_directory("/x/y/"), "/x/y");
    const char* set = getenv("TENON_RUNTIME_DIR");
    const std::string before = set ? set : "";
    setenv("TENON_RUNTIME_DIR", "/from/environment", 1);
    EXPECT_EQ(own_directory(""), "/from/environment");
    unsetenv("TENON_RUNTIME_DIR");
    if (geteuid() == 0) {
        EXPECT_EQ(own_directory(""), "/run/tenon");
    }
    if (set) setenv("TENON_RUNTIME_DIR", before.c_str(), 1);
}

// --- watching ---

class log_of_watch {
public:
    auto callback() {
        return [this](tenon::presence p, const tenon::instance& i) {
            const std::lock_guard lock(mutex_);
            (p == tenon::presence::arrived ? here_ : gone_).insert(i.id);
            if (p == tenon::presence::left) here_.erase(i.id);
            EXPECT_EQ(i.service, "who");
        };
    }
    std::size_t here() {
        const std::lock_guard lock(mutex_);
        return here_.size();
    }
    std::size_t gone() {
        const std::lock_guard lock(mutex_);
        return gone_.size();
    }

private:
    std::mutex mutex_;
    std::set<std::string> here_, gone_;
};

TEST_F(naming, watching_tells_of_comings_and_goings) {
    tenon::list_options o;
    o.runtime = &runtime_;
    for (const auto in : {process, os, tenon::scope::all}) {
        o.scopes = in;
        log_of_watch log;
        auto a = serve("a");
        auto w = tenon::watch("test/*", log.callback(), o);
        EXPECT_TRUE(eventually([&] { return log.here() == 1; }));
        auto b = serve("b");
        EXPECT_TRUE(eventually([&] { return log.here() == 2; }));
        a.reset();
        EXPECT_TRUE(eventually([&] { return log.here() == 1 && log.gone() == 1; }));
        b.reset();
        EXPECT_TRUE(eventually([&] { return log.here() == 0 && log.gone() == 2; }));
        if (in == os) {  // from nothing
            EXPECT_TRUE(files().empty());
            fs::remove_all(base_);
            std::this_thread::sleep_for(20ms);
        }
        auto c = serve("c");
        EXPECT_TRUE(eventually([&] { return log.here() == 1; }));
        w.stop();
        c.reset();
        std::this_thread::sleep_for(20ms);
        EXPECT_EQ(log.here(), 1U);
    }
}

TEST_F(naming, a_watch_may_end_in_its_callback) {
    tenon::list_options o;
    o.runtime = &runtime_;
    struct state {
        std::mutex mutex;
        std::atomic<int> calls{0};
        tenon::watching watching;
    };
    const auto s = std::make_shared<state>();  // the callback may end after this test
    auto a = serve("a"), b = serve("b");
    {
        const std::lock_guard lock(s->mutex);
        s->watching = tenon::watch(
            "*",
            [s](tenon::presence, const tenon::instance&) {
                const std::lock_guard until_assigned(s->mutex);
                s->watching.stop();
                ++s->calls;
            },
            o);
    }
    EXPECT_TRUE(eventually([&] { return s->calls == 1; }));
    std::this_thread::sleep_for(20ms);
    EXPECT_EQ(s->calls, 1);
}

}  // namespace
