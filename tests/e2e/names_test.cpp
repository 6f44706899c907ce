// Names across processes: killed servers, other users, and a storm of both.
// TENON_SOAK_SECONDS sets how long the storm lasts, TENON_SOAK_ROUNDS the rounds of the race.
// Labels: tsan

#include <fcntl.h>
#include <grp.h>
#include <gtest/gtest.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <mutex>
#include <random>
#include <set>
#include <thread>

#include "../../examples/echo.hpp"
#include "server_process.hpp"
#include "tenon/tenon.hpp"

namespace e2e {
namespace {

using namespace std::chrono_literals;
using std::chrono::steady_clock;
using tenon::errc;
namespace fs = std::filesystem;

int number_from(const char* variable, int otherwise) {
    const char* text = std::getenv(variable);
    return text ? std::atoi(text) : otherwise;
}

/// Its servers and clients have a runtime directory of their own.
class names : public testing::Test {
protected:
    names() {
        fs::create_directory(base_);
        const char* before = std::getenv("TENON_RUNTIME_DIR");
        before_ = before ? before : "";
        setenv("TENON_RUNTIME_DIR", base_.c_str(), 1);
    }
    ~names() override { setenv("TENON_RUNTIME_DIR", before_.c_str(), 1); }

    static server_process start(std::vector<std::string> arguments = {}) {
        arguments.insert(arguments.begin(), TENON_EXAMPLES_DIR "/echo_server");
        server_process p = server_process::start(arguments);
        if (!p.wait_listening(1)) throw std::runtime_error("the echo server did not start");
        return p;
    }
    std::size_t count_files(std::string_view extension) const {
        std::size_t n = 0;
        std::error_code ignored;
        for (const auto& e : fs::recursive_directory_iterator(base_, ignored))
            n += e.path().extension() == extension;
        return n;
    }

    scratch files_;
    const std::string base_ = files_.path("run");
    std::string before_;
};

TEST_F(names, a_name_is_all_it_takes) {
    auto server = start();
    const auto echo = tenon::discover<example::echo>();
    EXPECT_EQ(echo.plus(1, 2), 3);
    const auto all = tenon::list("example/*");
    ASSERT_EQ(all.size(), 1U);
    EXPECT_EQ(all[0].pid, server.pid());
    EXPECT_EQ(all[0].seen, tenon::scope::all);
    EXPECT_EQ(all[0].hash.substr(0, 7), "sha256:");
    EXPECT_EQ(tenon::connect<example::echo>(all[0].endpoints.at(0)).plus(1, 2), 3);
    server.signal(SIGTERM);
    EXPECT_EQ(server.wait(10s), 0);
    EXPECT_TRUE(fs::is_empty(base_));
    EXPECT_EQ(echo.plus.try_call(1, 2).error().code(), errc::unavailable);
}

TEST_F(names, what_a_killed_server_leaves_is_cleaned_up) {
    auto first = start();
    first.kill_now();
    EXPECT_EQ(count_files(".sock"), 1U);
    EXPECT_TRUE(tenon::list().empty());
    EXPECT_EQ(count_files(".sock") + count_files(".lock") + count_files(".json"), 0U);
    auto second = start();
    second.kill_now();
    const auto began = steady_clock::now();
    EXPECT_EQ(tenon::discover<example::echo>().plus.try_call(1, 2).error().code(),
              errc::unavailable);
    EXPECT_LT(steady_clock::now() - began, 8s);
    EXPECT_EQ(count_files(".sock"), 0U);
    auto third = start();
    third.kill_now();
    auto fourth = start();
    EXPECT_EQ(count_files(".sock"), 1U);
    EXPECT_EQ(tenon::discover<example::echo>().plus(1, 2), 3);
}

TEST_F(names, a_watch_sees_a_killed_server) {
    std::atomic<int> here{0};
    auto w = tenon::watch("example/*", [&](tenon::presence p, const tenon::instance&) {
        here += p == tenon::presence::arrived ? 1 : -1;
    });
    auto a = start(), b = start();
    EXPECT_TRUE(eventually([&] { return here == 2; }));
    a.kill_now();
    EXPECT_TRUE(eventually([&] { return here == 1; }));
    b.signal(SIGTERM);
    EXPECT_TRUE(eventually([&] { return here == 0; }));
    auto c = start();
    EXPECT_TRUE(eventually([&] { return here == 1; }));
}

TEST_F(names, a_client_moves_on_when_its_server_is_killed) {
    for (const auto choice :
         {tenon::choice::random, tenon::choice::round_robin, tenon::choice::least_outstanding}) {
        auto a = start(), b = start();
        tenon::discover_options o;
        o.choice = choice;
        const auto echo = tenon::discover<example::echo>(o);
        for (int i = 0; i < 4; ++i) EXPECT_EQ(echo.plus(i, 1), i + 1);
        a.kill_now();
        // A call may have reached it, and says so; later ones go to the other one.
        int lost = 0;
        for (int i = 0; i < 20; ++i) {
            const auto r = i % 2 ? echo.plus.try_call(i, 1) : echo.plus.future(i, 1).get();
            if (r) continue;
            ++lost;
            EXPECT_TRUE(r.error().may_have_run()) << r.error().to_string();
        }
        EXPECT_LE(lost, 1);
    }
}

TEST_F(names, servers_that_stop_in_order_lose_no_call) {
    std::array<server_process, 2> servers{start(), start()};
    std::atomic<bool> over{false};
    std::atomic<std::uint64_t> calls{0};
    std::vector<std::thread> clients;
    for (int i = 0; i < 4; ++i)
        clients.emplace_back([&, i] {
            tenon::discover_options o;
            o.choice = i % 2 ? tenon::choice::random : tenon::choice::round_robin;
            o.scopes = tenon::scope::os;
            auto echo = tenon::discover<example::echo>(o);
            while (!over) {
                const auto r = echo.plus.try_call(1, 2);
                EXPECT_TRUE(r) << r.error().to_string()
                               << (r.error().may_have_run() ? ", may have run" : ", not run");
                ++calls;
                if (calls % 8 == 0) std::this_thread::sleep_for(1ms);
            }
        });
    for (int round = 0; round < (sanitized ? 6 : 20); ++round) {
        pause_for(20ms);
        server_process& one = servers[static_cast<std::size_t>(round % 2)];
        one.signal(SIGTERM);
        EXPECT_EQ(one.wait(30s), 0);
        one = start();
    }
    over = true;
    for (auto& c : clients) c.join();
    EXPECT_GT(calls, 100U);
}

TEST_F(names, idle_watches_sleep) {
    if (sanitized) GTEST_SKIP() << "sanitizers have threads of their own";
    auto server = start();
    std::atomic<int> here{0};
    auto w = tenon::watch("*", [&](tenon::presence, const tenon::instance&) { ++here; });
    tenon::discover_options o;
    o.choice = tenon::choice::round_robin;
    const auto echo = tenon::discover<example::echo>(o);
    EXPECT_EQ(echo.plus(1, 2), 3);
    EXPECT_TRUE(eventually([&] { return here == 1; }));
    pause_for(500ms);
    const auto before = context_switches_of(getpid(), gettid());
    pause_for(2s);
    EXPECT_LE(context_switches_of(getpid(), gettid()) - before, 5U);
}

// --- a well-known path ---

TEST_F(names, one_of_two_servers_gets_a_path) {
    const std::string endpoint = "unix:" + files_.path("well-known");
    const int rounds = number_from("TENON_SOAK_ROUNDS", sanitized ? 100 : 300);
    std::atomic<int> round{0}, ready{0}, won{0}, done{0};
    const auto compete = [&] {
        for (int mine = 1; mine <= rounds; ++mine) {
            tenon::server server;
            server.publish<example::echo>(tenon::scope::process);
            while (round.load() < mine) std::this_thread::yield();
            bool mine_it_is = false;
            try {
                server.listen(endpoint);
                mine_it_is = true;
            } catch (const tenon::failure& f) {
                EXPECT_EQ(f.code(), errc::conflict) << f.what();
            }
            won += mine_it_is;
            ++ready;
            while (ready.load() < 2 * mine) std::this_thread::yield();
            if (mine_it_is) server.start();
            server.stop(0ms);
            ++done;
        }
    };
    std::thread a(compete), b(compete);
    for (int n = 1; n <= rounds; ++n) {
        won = 0;
        round = n;
        while (done.load() < 2 * n) std::this_thread::sleep_for(50us);
        EXPECT_EQ(won.load(), 1) << "round " << n;
    }
    a.join();
    b.join();
    EXPECT_FALSE(fs::exists(files_.path("well-known")));
    EXPECT_FALSE(fs::exists(files_.path("well-known.lock")));
    std::printf("%d rounds of two servers racing for one path\n", rounds);
}

// --- the storm ---

// Two processes, the winner of which is killed, so that the next ones find what it left.
TEST_F(names, one_of_two_processes_gets_a_path) {
    const int rounds = number_from("TENON_SOAK_ROUNDS", sanitized ? 10 : 60);
    const std::string at = "unix:" + base_ + "/contended.sock";
    const std::vector<std::string> command{TENON_EXAMPLES_DIR "/echo_server", "--listen", at};
    for (int i = 0; i < rounds; ++i) {
        std::array<server_process, 2> both{server_process::start(command),
                                           server_process::start(command)};
        const bool first = both[0].wait_listening(1);
        const bool second = both[1].wait_listening(1);
        ASSERT_NE(first, second) << "round " << i;
        EXPECT_EQ(both[first ? 1 : 0].wait(30s), 1);
        server_process& winner = both[first ? 0 : 1];
        EXPECT_EQ(tenon::connect<example::echo>(at).plus(i, 1), i + 1);
        if (i % 2) {
            winner.kill_now();
        } else {
            winner.signal(SIGTERM);
            EXPECT_EQ(winner.wait(30s), 0);
        }
    }
}

TEST_F(names, a_full_disk_is_told_and_leaves_nothing) {
    if (geteuid() != 0) GTEST_SKIP() << "NOT TESTED: only root can mount a small file system";
    const std::string small = base_ + "/small";
    fs::create_directory(small);
    if (mount("none", small.c_str(), "tmpfs", 0, "size=16k") != 0)
        GTEST_SKIP() << "NOT TESTED: no mounts here";
    setenv("TENON_RUNTIME_DIR", small.c_str(), 1);
    std::ofstream(small + "/fill") << std::string(100'000, 'x');
    auto nameless = server_process::start({TENON_EXAMPLES_DIR "/echo_server"});
    EXPECT_FALSE(nameless.wait_listening(1));
    EXPECT_EQ(nameless.wait(30s), 1);
    EXPECT_EQ(count_files(".lock") + count_files(".json") + count_files(".tmp"), 0U);
    // With an address of its own it serves all the same.
    auto reached = start({"--listen", "tcp://127.0.0.1:0"});
    EXPECT_EQ(tenon::connect<example::echo>(reached.endpoints().front()).plus(20, 22), 42);
    // And with room again it is found.
    fs::remove(small + "/fill");
    auto named = start();
    EXPECT_EQ(tenon::discover<example::echo>({.wait = 10s, .scopes = tenon::scope::os}).plus(1, 2),
              3);
    reached.kill_now();
    named.kill_now();
    EXPECT_EQ(umount2(small.c_str(), MNT_DETACH), 0);
    setenv("TENON_RUNTIME_DIR", base_.c_str(), 1);
}

/// Twenty servers that die and come back at random.
class storm {
public:
    storm(std::function<server_process()> start, unsigned seed)
        : start_(std::move(start)), random_(seed) {
        for (auto& s : servers_) s = start_();
    }

    /// Kills one, and starts one that was killed.
    void step() {
        server_process& victim = servers_[random_() % servers_.size()];
        if (victim.running()) {
            victim.kill_now();
            ++kills_;
        } else {
            victim = start_();  // throws if something stops it
        }
    }
    std::set<std::int64_t> living() {
        std::set<std::int64_t> pids;
        for (auto& s : servers_)
            if (s.running()) pids.insert(s.pid());
        return pids;
    }
    int kills() const noexcept { return kills_; }

private:
    const std::function<server_process()> start_;
    std::mt19937 random_;
    std::array<server_process, 20> servers_;
    int kills_ = 0;
};

struct tally {
    std::atomic<std::uint64_t> calls{0}, lost{0}, slow{0}, lost_slowly{0};
    std::atomic<std::int64_t> slowest_us{0};
};

void call_again_and_again(int which, const std::atomic<bool>& over, tally& t) {
    constexpr tenon::choice choices[] = {tenon::choice::random, tenon::choice::round_robin,
                                         tenon::choice::least_outstanding};
    tenon::discover_options o;
    o.choice = choices[which % 3];
    o.scopes = tenon::scope::os;
    auto echo = tenon::discover<example::echo>(o);
    for (std::int64_t n = 0; !over; ++n) {
        if (n % 50 == 0) echo = tenon::discover<example::echo>(o);
        const auto began = steady_clock::now();
        const auto r = which % 2 ? echo.plus.try_call(n, 1) : echo.plus.future(n, 1).get();
        const auto us = (steady_clock::now() - began) / 1us;
        ++t.calls;
        if (us > 100'000) ++t.slow;
        if (us > t.slowest_us) t.slowest_us = us;
        if (r) {
            EXPECT_EQ(*r, n + 1);
        } else {
            EXPECT_EQ(r.error().code(), errc::unavailable) << r.error().to_string();
            // An asynchronous call that is under way does not move on, so it may be lost even if
            // it surely did not run.
            const bool blocking = which % 2 == 1;
            EXPECT_FALSE(blocking && !r.error().may_have_run()) << r.error().to_string();
            ++t.lost;
            if (us > 100'000) ++t.lost_slowly;
        }
        if (n % 16 == 0) std::this_thread::sleep_for(1ms);
    }
}

TEST_F(names, servers_die_and_come_back_while_clients_call) {
    const int seconds = number_from("TENON_SOAK_SECONDS", sanitized ? 6 : 10);
    const unsigned seed = std::random_device{}();
    SCOPED_TRACE("seed " + std::to_string(seed));
    storm servers([this] { return start(); }, seed);
    std::atomic<bool> over{false};
    tally t;
    std::vector<std::thread> clients;
    for (int i = 0; i < 8; ++i) clients.emplace_back([&, i] { call_again_and_again(i, over, t); });
    const auto end = steady_clock::now() + std::chrono::seconds(seconds);
    std::mt19937 random(seed + 1);
    while (steady_clock::now() < end) {
        servers.step();
        pause_for(std::chrono::milliseconds(random() % 20));
    }
    over = true;
    for (auto& c : clients) c.join();

    // Whoever lives is still there, and can be called by its id.
    const auto living = servers.living();
    std::set<std::int64_t> listed;
    for (const tenon::instance& i : tenon::list("example/echo")) {
        listed.insert(i.pid);
        tenon::discover_options exactly;
        exactly.instance = i.id;
        EXPECT_EQ(tenon::discover<example::echo>(exactly).plus(20, 22), 42);
    }
    EXPECT_EQ(listed, living);
    EXPECT_EQ(count_files(".sock"), living.size());
    EXPECT_EQ(count_files(".lock"), living.size());
    EXPECT_EQ(count_files(".json"), living.size());
    EXPECT_GT(t.calls, 100U);
    const auto n = [](const auto& count) { return static_cast<unsigned long long>(count.load()); };
    std::printf(
        "%llu calls, %d servers killed: %llu calls lost, %llu of them after more than 100 ms; "
        "%llu calls took more than 100 ms, the longest %lld us\n",
        n(t.calls), servers.kills(), n(t.lost), n(t.lost_slowly), n(t.slow),
        static_cast<long long>(t.slowest_us));
    // Nobody waits for the dead.
    EXPECT_LE(t.lost_slowly, t.lost / 100 + 1);
    // A busy machine may hold any thread up for a while, but not often.
    EXPECT_LE(t.slow, t.calls / 2'000 + 2);
}

// --- other users ---

constexpr unsigned second_user = 64321, third_user = 64322, common_group = 64400;

/// Runs as somebody else: this program again, with a test that is disabled otherwise.
class users : public names {
protected:
    void SetUp() override {
        if (geteuid() != 0) GTEST_SKIP() << "NOT TESTED: only root can become other users";
        // Others may not be able to reach the build tree.
        fs::permissions(files_.path(""), fs::perms(0755));
        fs::permissions(base_, fs::perms(0700));
        const std::string self = fs::read_symlink("/proc/self/exe");
        for (const std::string& from : {self, std::string(TENON_EXAMPLES_DIR "/echo_server")})
            fs::copy(from, files_.path(fs::path(from).filename().string()));
        for (const auto& e : fs::directory_iterator(TENON_BIN_DIR))
            if (e.path().filename().string().starts_with("libtenon.so") && !e.is_symlink())
                fs::copy(e.path(), files_.path("libtenon.so.0"));
        setenv("LD_LIBRARY_PATH", files_.path("").c_str(), 1);
    }
    void TearDown() override { unsetenv("LD_LIBRARY_PATH"); }

    static std::vector<std::string> become(unsigned uid, unsigned gid, bool in_common_group) {
        std::vector<std::string> c{"/usr/bin/setpriv", "--reuid=" + std::to_string(uid),
                                   "--regid=" + std::to_string(gid)};
        c.push_back(in_common_group ? "--groups=" + std::to_string(common_group)
                                    : "--clear-groups");
        return c;
    }
    /// What the other user sees: "listed N, NUMBER" or "listed N, ERROR".
    std::string as(unsigned uid, bool in_common_group = false) {
        auto command = become(uid, uid, in_common_group);
        command.push_back(files_.path(fs::read_symlink("/proc/self/exe").filename().string()));
        command.push_back("--gtest_also_run_disabled_tests");
        command.push_back("--gtest_filter=names_child.*");
        std::string line;
        for (const std::string& word : command) line += word + " ";
        FILE* out = popen(("cd / && GTEST_OUTPUT= " + line).c_str(), "r");
        std::string said, found;
        for (int c; (c = fgetc(out)) != EOF;) said += static_cast<char>(c);
        pclose(out);
        const std::string mark = "the other user: ";
        if (const auto at = said.find(mark); at != said.npos)
            found = said.substr(at + mark.size(), said.find('\n', at) - at - mark.size());
        return found.empty() ? said : found;
    }
    server_process start_here(std::vector<std::string> arguments = {}) {
        arguments.insert(arguments.begin(), files_.path("echo_server"));
        server_process p = server_process::start(arguments);
        EXPECT_TRUE(p.wait_listening(1));
        return p;
    }
    unsigned mode_of(const std::string& path) const {
        struct stat s {};
        return stat((base_ + path).c_str(), &s) == 0 ? s.st_mode & 0777U : 0U;
    }
    std::string only_file(const std::string& extension) const {
        for (const auto& e : fs::recursive_directory_iterator(base_))
            if (e.path().extension() == extension) return e.path().string().substr(base_.size());
        return {};
    }
};

TEST(names_child, DISABLED_other_user) {
    const auto all = tenon::list("example/*");
    const auto r = tenon::discover<example::echo>().plus.try_call(40, 2);
    // Whatever can be removed or put in somebody's place.
    std::size_t removed = 0;
    std::error_code e;
    const std::string base = std::getenv("TENON_RUNTIME_DIR");
    for (const char* d : {"", "/example", "/example/echo"}) {
        const std::string in = base + d;
        if (::open((in + "/mine").c_str(), O_CREAT | O_WRONLY | O_CLOEXEC, 0600) >= 0) ++removed;
        for (auto at = fs::directory_iterator(in, e); !e && at != fs::directory_iterator();
             at.increment(e)) {
            std::error_code no;
            if (fs::remove(at->path(), no)) ++removed;
            if (at->path().extension() == ".lock" &&
                ::open(at->path().c_str(), O_RDONLY | O_CLOEXEC) >= 0)
                ++removed;
        }
    }
    std::printf("the other user: listed %zu, %s, spoiled %zu\n", all.size(),
                r ? std::to_string(*r).c_str() : std::string(to_string(r.error().code())).c_str(),
                removed);
}

TEST_F(users, are_kept_out_by_default) {
    auto server = start_here();
    EXPECT_EQ(as(second_user), "listed 0, unavailable, spoiled 0");
    EXPECT_EQ(tenon::list("example/*").size(), 1U);
}

TEST_F(users, of_a_group_are_let_in) {
    auto server = start_here({"--group", std::to_string(common_group), "--mode", "660"});
    EXPECT_EQ(mode_of(""), 0750U);
    EXPECT_EQ(mode_of("/example"), 0750U);
    EXPECT_EQ(mode_of("/example/echo"), 0750U);
    EXPECT_EQ(mode_of(only_file(".sock")), 0660U);
    EXPECT_EQ(mode_of(only_file(".json")), 0640U);
    EXPECT_EQ(mode_of(only_file(".lock")), 0600U);
    EXPECT_EQ(as(second_user, true), "listed 1, 42, spoiled 0");
    EXPECT_EQ(as(third_user), "listed 0, unavailable, spoiled 0");

    // Another service there for all: the directories widen, the first one stays closed.
    auto open_one = start_here({"--mode", "666"});
    EXPECT_EQ(mode_of("/example"), 0755U);
    EXPECT_EQ(as(third_user), "listed 1, 42, spoiled 0");
    EXPECT_EQ(as(second_user, true), "listed 2, 42, spoiled 0");
    // A killed one is skipped by those who may not clean up.
    open_one.kill_now();
    EXPECT_EQ(as(third_user).substr(0, 10), "listed 0, ");
    EXPECT_EQ(as(second_user, true), "listed 1, 42, spoiled 0");
}

TEST_F(users, all_are_let_in_by_the_mode) {
    auto server = start_here({"--mode", "666"});
    EXPECT_EQ(mode_of(only_file(".json")), 0644U);
    EXPECT_EQ(mode_of(only_file(".lock")), 0600U);
    EXPECT_EQ(as(second_user), "listed 1, 42, spoiled 0");
}

TEST_F(users, are_let_in_by_number) {
    auto server = start_here({"--allow-uid", std::to_string(second_user)});
    EXPECT_EQ(as(second_user), "listed 1, 42, spoiled 0");
    EXPECT_EQ(as(third_user), "listed 1, unavailable, spoiled 0");
}

TEST_F(users, cannot_pretend_to_be_trusted) {
    // A directory in which everybody may publish, as in /tmp.
    fs::permissions(base_, fs::perms(01777));
    auto command = become(second_user, second_user, false);
    command.push_back(files_.path("echo_server"));
    command.push_back("--mode");
    command.push_back("666");
    server_process theirs = server_process::start(command);
    ASSERT_TRUE(theirs.wait_listening(1));
    tenon::discover_options o;
    EXPECT_EQ(tenon::discover<example::echo>(o).plus(1, 2), 3);
    EXPECT_EQ(tenon::list().at(0).uid, second_user);
    o.owners = {0};
    EXPECT_EQ(tenon::discover<example::echo>(o).plus.try_call(1, 2).error().code(),
              errc::unavailable);
    o.owners = {second_user};
    EXPECT_EQ(tenon::discover<example::echo>(o).plus(1, 2), 3);
    // Their directory is no place for others.
    auto third = become(third_user, third_user, false);
    third.push_back(files_.path("echo_server"));
    server_process refused = server_process::start(third);
    EXPECT_EQ(refused.wait(20s), 1);
    auto root = server_process::start({files_.path("echo_server")});
    EXPECT_EQ(root.wait(20s), 1);
}

}  // namespace
}  // namespace e2e
