#include "transport/listener.hpp"

#include <fcntl.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <fstream>

#include "transport/access.hpp"
#include "transport/test_support.hpp"

namespace tenon::inline v0::transport {
namespace {

using namespace test;

errc refusal(const std::string& text, const char* expected, const listen_options& options = {}) {
    const auto opened = open_listener(at(text), options);
    if (opened) {
        ADD_FAILURE() << text << " could be listened on";
        return {};
    }
    EXPECT_NE(opened.error().message().find(expected), std::string::npos)
        << opened.error().message();
    return opened.error().code();
}

bool answers(const std::string& text) {
    const auto link = open_link(at(text));
    return link && finish(**link) == 0;
}

// Runs `body` in a child process that ends without any clean-up.
template <class Body>
pid_t in_child(Body&& body) {
    const pid_t pid = fork();
    if (pid == 0) {
        body();
        _exit(0);
    }
    return pid;
}

TEST(listener, reports_the_port_it_got) {
    const auto listener = must_listen("tcp://127.0.0.1:0");
    EXPECT_NE(listener->local().port, 0);
    EXPECT_EQ(listener->local().host, "127.0.0.1");
    EXPECT_TRUE(answers(to_string(listener->local())));
}

TEST(listener, has_nothing_to_accept_at_first_and_is_closed_at_last) {
    const auto listener = must_listen("tcp://127.0.0.1:0");
    EXPECT_EQ(listener->accept().state, io_state::would_block);
    const endpoint local = listener->local();
    listener->close();
    EXPECT_EQ(listener->accept().state, io_state::closed);
    EXPECT_FALSE(answers(to_string(local)));
}

TEST(listener, refuses_what_it_cannot_do) {
    EXPECT_EQ(refusal("inproc:x", "no socket"), errc::invalid);
    EXPECT_EQ(refusal("tcp://host.invalid:1", "host.invalid"), errc::unavailable);
    listen_options insecure;
    insecure.insecure = true;
    EXPECT_EQ(refusal("tcp://192.0.2.1:0", "no such address", insecure), errc::unavailable);
}

TEST(listener, goes_beyond_loopback_only_when_told) {
    EXPECT_EQ(refusal("tcp://0.0.0.0:0", "`insecure`"), errc::denied);
    EXPECT_EQ(refusal("tcp://[::]:0", "`insecure`"), errc::denied);
    listen_options insecure;
    insecure.insecure = true;
    const auto any = must_listen("tcp://0.0.0.0:0", insecure);
    EXPECT_TRUE(answers("tcp://127.0.0.1:" + std::to_string(any->local().port)));
}

TEST(listener, ipv6_wildcard_serves_ipv4_too) {
    listen_options insecure;
    insecure.insecure = true;
    const auto opened = open_listener(at("tcp://[::]:0"), insecure);
    if (!opened) GTEST_SKIP() << "no IPv6 here";
    const auto client =
        open_link(at("tcp://127.0.0.1:" + std::to_string((*opened)->local().port))).value();
    const auto server = must_accept(**opened);
    ASSERT_TRUE(server);
    EXPECT_EQ(server->peer().address, "127.0.0.1");
}

TEST(listener, port_and_abstract_name_belong_to_one) {
    const auto tcp = must_listen("tcp://127.0.0.1:0");
    EXPECT_EQ(refusal(to_string(tcp->local()), "another server"), errc::conflict);
    const std::string name = "unix:@tenon-test-twice-" + std::to_string(getpid());
    {
        const auto first = must_listen(name);
        EXPECT_EQ(refusal(name, "another server"), errc::conflict);
    }
    EXPECT_TRUE(must_listen(name));
}

TEST(listener, a_restarted_server_gets_its_port_at_once) {
    auto listener = must_listen("tcp://127.0.0.1:0");
    const std::string text = to_string(listener->local());
    auto pair = connect_through(*listener);
    pair.server.reset();  // closed first: TIME_WAIT is on the server's side
    listener.reset();
    EXPECT_TRUE(must_listen(text));
}

TEST(unix_listener, has_the_mode_and_leaves_nothing) {
    const scratch_directory scratch;
    {
        listen_options options;
        options.mode = 0660;
        options.group = getegid();
        const auto listener = must_listen("unix:" + (scratch / "s"), options);
        struct stat s {};
        ASSERT_EQ(stat((scratch / "s").c_str(), &s), 0);
        EXPECT_TRUE(S_ISSOCK(s.st_mode));
        EXPECT_EQ(s.st_mode & 0777, 0660u);
        EXPECT_EQ(s.st_gid, getegid());
        EXPECT_TRUE(answers("unix:" + (scratch / "s")));
    }
    EXPECT_EQ(scratch.count_files(), 0u);
    const auto listener = must_listen("unix:" + (scratch / "s"));
    struct stat s {};
    stat((scratch / "s").c_str(), &s);
    EXPECT_EQ(s.st_mode & 0777, 0600u);
}

TEST(unix_listener, reaches_long_and_relative_paths) {
    const scratch_directory scratch;
    std::string directory = scratch.path();
    for (int i = 0; i < 4; ++i) {
        directory += "/" + std::string(200, static_cast<char>('a' + i));
        ASSERT_EQ(mkdir(directory.c_str(), 0700), 0);
    }
    const std::string middle = scratch / std::string(40, 'm');
    ASSERT_EQ(mkdir(middle.c_str(), 0700), 0);
    const std::string names[] = {directory + "/s", directory + "/" + std::string(80, 'n'),
                                 // This path fits a socket address, the temporary one does not.
                                 middle + "/" + std::string(106 - middle.size(), 'p')};
    for (const std::string& path : names) {
        const auto listener = must_listen("unix:" + path);
        EXPECT_TRUE(answers("unix:" + path));
        EXPECT_EQ(refusal("unix:" + path, "another server"), errc::conflict);
    }
    for (const std::string& path : names) EXPECT_NE(access(path.c_str(), F_OK), 0);

    const int here = open(".", O_PATH | O_DIRECTORY | O_CLOEXEC);
    ASSERT_EQ(chdir(scratch.path().c_str()), 0);
    {
        const auto listener = must_listen("unix:relative.sock");
        EXPECT_TRUE(answers("unix:relative.sock"));
        EXPECT_TRUE(answers("unix:" + (scratch / "relative.sock")));
        // It stays the owner of its path when the working directory changes.
        ASSERT_EQ(chdir("/"), 0);
    }
    EXPECT_NE(access((scratch / "relative.sock").c_str(), F_OK), 0);
    ASSERT_EQ(fchdir(here), 0);
    close(here);
}

TEST(unix_listener, explains_why_not) {
    const scratch_directory scratch;
    EXPECT_EQ(refusal("unix:" + (scratch / "no/s"), "directory"), errc::not_found);
    std::ofstream(scratch / "file") << "text";
    EXPECT_EQ(refusal("unix:" + (scratch / "file"), "something else"), errc::conflict);
    std::ofstream(scratch / "a.lock") << "text";
    EXPECT_EQ(refusal("unix:" + (scratch / "a"), ".lock"), errc::conflict);
    std::ofstream(scratch / "b.new") << "text";
    EXPECT_EQ(refusal("unix:" + (scratch / "b"), ".new"), errc::conflict);
    EXPECT_EQ(scratch.count_files(), 3u);
    if (geteuid() != 0) {
        chmod(scratch.path().c_str(), 0500);
        EXPECT_EQ(refusal("unix:" + (scratch / "s"), "lock file"), errc::denied);
        chmod(scratch.path().c_str(), 0700);
    }
}

TEST(unix_listener, never_steals_from_the_living) {
    const scratch_directory scratch;
    const std::string text = "unix:" + (scratch / "s");
    const auto owner = must_listen(text);
    EXPECT_EQ(refusal(text, "another server"), errc::conflict);
    EXPECT_TRUE(answers(text));
    EXPECT_EQ(scratch.count_files(), 2u);
}

TEST(unix_listener, never_steals_from_a_server_without_lock_file) {
    const scratch_directory scratch;
    for (const int type : {SOCK_STREAM, SOCK_DGRAM}) {
        const std::string path = scratch / ("s" + std::to_string(type));
        const base::unique_fd foreign(socket(AF_UNIX, type | SOCK_CLOEXEC, 0));
        sockaddr_un address{};
        address.sun_family = AF_UNIX;
        std::strcpy(address.sun_path, path.c_str());
        ASSERT_EQ(bind(foreign.get(), reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
        if (type == SOCK_STREAM) {
            ASSERT_EQ(listen(foreign.get(), 0), 0);
        }
        EXPECT_EQ(refusal("unix:" + path, "another server"), errc::conflict);
        // Once more with the queue filled by the first look.
        EXPECT_EQ(refusal("unix:" + path, "another server"), errc::conflict);
        EXPECT_EQ(access(path.c_str(), F_OK), 0);
    }
    EXPECT_EQ(scratch.count_files(), 2u);
}

TEST(unix_listener, replaces_what_a_killed_server_left) {
    const scratch_directory scratch;
    const std::string path = scratch / "s";
    int up[2];
    ASSERT_EQ(pipe2(up, O_CLOEXEC), 0);
    const pid_t pid = in_child([&] {
        const auto listener = must_listen("unix:" + path);
        if (write(up[1], "u", 1) == 1) pause();
    });
    char byte = 0;
    ASSERT_EQ(read(up[0], &byte, 1), 1);
    EXPECT_TRUE(answers("unix:" + path));
    EXPECT_EQ(refusal("unix:" + path, "another server"), errc::conflict);
    kill(pid, SIGKILL);
    waitpid(pid, nullptr, 0);
    close(up[0]);
    close(up[1]);

    ASSERT_EQ(access(path.c_str(), F_OK), 0);
    const auto refused = open_link(at("unix:" + path));
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().code(), errc::unavailable);
    // As if another one had been killed between bind and rename.
    const base::unique_fd unfinished(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    std::strcpy(address.sun_path, (path + ".new").c_str());
    ASSERT_EQ(bind(unfinished.get(), reinterpret_cast<sockaddr*>(&address), sizeof address), 0);

    auto successor = must_listen("unix:" + path);
    EXPECT_TRUE(answers("unix:" + path));
    successor.reset();
    EXPECT_EQ(scratch.count_files(), 0u);
}

TEST(unix_listener, leaves_alone_what_is_no_longer_its_own) {
    const scratch_directory scratch;
    const std::string path = scratch / "s";
    auto listener = must_listen("unix:" + path);
    unlink(path.c_str());
    std::ofstream(path) << "somebody else's";
    listener.reset();
    EXPECT_EQ(access(path.c_str(), F_OK), 0);
    EXPECT_EQ(scratch.count_files(), 1u);
}

TEST(unix_listener, a_forked_child_removes_nothing) {
    const scratch_directory scratch;
    const std::string text = "unix:" + (scratch / "s");
    auto listener = must_listen(text);
    waitpid(in_child([&] { listener.reset(); }), nullptr, 0);
    EXPECT_TRUE(answers(text));
    EXPECT_EQ(refusal(text, "another server"), errc::conflict);
}

// Two processes go for one path at the same moment; the winner is killed or stops in order.
TEST(unix_listener, of_two_racing_servers_exactly_one_wins) {
    constexpr int rounds = 200;
    const scratch_directory scratch;
    const std::string text = "unix:" + (scratch / "s");
    for (int round = 0; round < rounds; ++round) {
        int start[2], outcome[2], stop[2];
        ASSERT_EQ(pipe2(start, O_CLOEXEC) | pipe2(outcome, O_CLOEXEC) | pipe2(stop, O_CLOEXEC), 0);
        pid_t pids[2];
        for (pid_t& pid : pids) {
            pid = in_child([&] {
                close(start[1]);
                close(stop[1]);
                char c;
                if (read(start[0], &c, 1) != 0) _exit(1);
                auto listener = open_listener(at(text), {});
                const char said = listener                                    ? 'w'
                                  : listener.error().code() == errc::conflict ? 'l'
                                                                              : '?';
                if (write(outcome[1], &said, 1) != 1 || read(stop[0], &c, 1) != 0) _exit(1);
                if (round % 2 == 0) _exit(0);  // as if killed
            });
        }
        close(start[1]);
        char said[2] = {};
        for (char& c : said) ASSERT_EQ(read(outcome[0], &c, 1), 1);
        EXPECT_EQ((said[0] == 'w') + (said[1] == 'w'), 1) << "round " << round;
        EXPECT_EQ((said[0] == 'l') + (said[1] == 'l'), 1) << "round " << round;
        const auto client = open_link(at(text));
        ASSERT_TRUE(client) << client.error().to_string();
        EXPECT_TRUE((*client)->peer().pid == pids[0] || (*client)->peer().pid == pids[1]);
        close(stop[1]);
        for (const pid_t pid : pids) waitpid(pid, nullptr, 0);
        for (const int fd : {start[0], outcome[0], outcome[1], stop[0]}) close(fd);
        ASSERT_FALSE(HasFailure());
    }
}

TEST(listener, survives_running_out_of_descriptors) {
    const scratch_directory scratch;
    const auto listener = must_listen("unix:" + (scratch / "s"));
    const auto first = open_link(listener->local()).value();
    const auto second = open_link(listener->local()).value();

    rlimit before{};
    getrlimit(RLIMIT_NOFILE, &before);
    const int next = dup(0);
    close(next);
    const rlimit none_left{static_cast<rlim_t>(next), before.rlim_max};
    setrlimit(RLIMIT_NOFILE, &none_left);
    const auto shed = listener->accept();
    const auto dial = open_link(listener->local());
    setrlimit(RLIMIT_NOFILE, &before);

    EXPECT_EQ(shed.state, io_state::failed);
    EXPECT_EQ(shed.error, EMFILE);
    EXPECT_FALSE(shed.link);
    EXPECT_EQ(read_end(*first).state, io_state::closed);
    ASSERT_FALSE(dial);
    EXPECT_EQ(dial.error().code(), errc::overloaded);

    const auto server = must_accept(*listener);
    ASSERT_TRUE(server);
    ASSERT_TRUE(send_all(*second, as_bytes("x")));
    EXPECT_EQ(receive(*server, 1).size(), 1u);
}

TEST(listener, takes_connections_behind_dead_ones) {
    const auto listener = must_listen("tcp://127.0.0.1:0");
    for (int i = 0; i < 5; ++i) {
        const auto dead = open_link(listener->local()).value();
        EXPECT_EQ(finish(*dead), 0);
        const linger hard{1, 0};
        setsockopt(dead->fd(), SOL_SOCKET, SO_LINGER, &hard, sizeof hard);
    }
    const auto client = open_link(listener->local()).value();
    EXPECT_EQ(finish(*client), 0);
    ASSERT_TRUE(send_all(*client, as_bytes("x")));
    for (int i = 0; i < 6; ++i) {
        const auto server = must_accept(*listener);
        ASSERT_TRUE(server);
        if (read_end(*server).state == io_state::ok) return;
    }
    FAIL() << "the living connection did not arrive";
}

TEST(listener, gives_the_credentials_of_another_process) {
    const scratch_directory scratch;
    const auto listener = must_listen("unix:" + (scratch / "s"), {.mode = 0666});
    chmod(scratch.path().c_str(), 0755);
    const bool root = geteuid() == 0;
    constexpr uid_t other = 12345;
    const pid_t pid = in_child([&] {
        if (root && (setgid(other) != 0 || setuid(other) != 0)) return;
        const auto link = open_link(listener->local());
        if (link) read_end(**link);
    });
    auto server = must_accept(*listener);
    ASSERT_TRUE(server);
    EXPECT_EQ(server->peer().pid, pid);
    if (root) {
        EXPECT_EQ(server->peer().uid, other);
        EXPECT_FALSE(is_admitted({}, *server));
        EXPECT_TRUE(is_admitted({{other}, {}}, *server));
        EXPECT_TRUE(is_admitted({{}, {other}}, *server));
        EXPECT_FALSE(is_admitted({{other + 1}, {other + 1}}, *server));
    }
    server.reset();
    waitpid(pid, nullptr, 0);
}

}  // namespace
}  // namespace tenon::inline v0::transport
