// A work queue: each job goes to one worker, which gets the next one when it has acknowledged; the
// job of a worker that dies before is given to another.

#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <cstdio>
#include <cstring>
#include <string>

#include "tenon/queue.hpp"
#include "tenon/stream_members.hpp"
#include "tenon/tenon.hpp"

struct job {
    int id = 0;
    std::string what;
};
TENON_STRUCT(job, id, what)
struct done {
    int id = 0;
    std::string outcome;
};
TENON_STRUCT(done, id, outcome)

struct work {
    tenon::channel<done, job> jobs;
};
TENON_INTERFACE(work, "demo", "work", "1.0.0", jobs)

namespace {

using worker = tenon::duplex<done, job>;

/// Gives one job to the worker. Nothing: it has gone without having acknowledged.
tenon::task<std::optional<done>> do_with(worker& w, job j) {
    try {
        co_await w.send_async(std::move(j));
        co_return co_await w.next();
    } catch (const tenon::failure&) {
        co_return std::nullopt;
    }
}

tenon::task<void> serve(tenon::queue<job> jobs, tenon::queue<done> results, worker w) {
    while (auto j = co_await jobs.next()) {
        std::optional<done> result = co_await do_with(w, *j);
        if (!result || result->id != j->id) {
            (void)jobs.try_push(*std::move(j));  // there is room: it is twice as large as needed
            co_return;
        }
        co_await results.push_async(*std::move(result));
    }
}

int be_worker(const char* endpoint, bool dies) {
    auto w = tenon::connect<work>(endpoint);
    auto s = w.jobs();
    for (const job& j : s) {
        std::printf("%s\n", j.what.c_str());
        std::fflush(stdout);
        if (dies) raise(SIGKILL);
        s.send(done{j.id, "done"});
    }
    return 0;
}

pid_t start_worker(const std::string& endpoint, const char* how) {
    std::string program = "/proc/self/exe", name = "worker", at = endpoint, manner = how;
    char* arguments[] = {name.data(), at.data(), manner.data(), nullptr};
    pid_t pid = -1;
    posix_spawn(&pid, program.c_str(), nullptr, nullptr, arguments, environ);
    return pid;
}

}  // namespace

int main(int argc, char** argv) {
    if (argc == 3) return be_worker(argv[1], std::strcmp(argv[2], "dies") == 0);

    constexpr int count = 4;
    tenon::queue<job> jobs(2 * count);
    tenon::queue<done> results(count);
    tenon::server server;
    server.publish<work>().jobs = [=](worker w) { return serve(jobs, results, std::move(w)); };
    const std::string endpoint = "unix:@tenon-work-" + std::to_string(getpid());
    server.listen(endpoint).start();
    for (int id = 1; id <= count; ++id) jobs.push({id, "job " + std::to_string(id)});

    std::fflush(stdout);
    int status = 0;
    waitpid(start_worker(endpoint, "dies"), &status, 0);
    std::printf("a worker was %s\n", WIFSIGNALED(status) ? "killed" : "not killed");
    while (jobs.size() < count) usleep(1000);
    std::printf("its job waits for another one\n");
    std::fflush(stdout);

    const pid_t second = start_worker(endpoint, "works");
    int finished = 0;
    for (; finished < count; ++finished) (void)results.pop();
    jobs.close();  // the worker's stream ends, and so it does
    waitpid(second, &status, 0);
    std::printf("%d jobs are done\n", finished);
}
