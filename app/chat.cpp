// tenon chat: lines both ways over a channel.

#include <fmt/format.h>
#include <signal.h>
#include <unistd.h>

#include <atomic>
#include <condition_variable>
#include <exception>
#include <mutex>
#include <thread>

#include "commands.hpp"
#include "lines.hpp"
#include "output.hpp"
#include "streams.hpp"

namespace cli {

namespace {

/// What comes, printed by a thread of its own.
class listener {
public:
    listener(tenon::duplex<tenon::value, tenon::value>& from, const stream_command& command)
        : command_(command), from_(from), thread_([this] { run(); }) {}
    listener(const listener&) = delete;
    listener& operator=(const listener&) = delete;
    ~listener() {
        from_.stop();
        thread_.join();
    }

    bool is_over() const noexcept { return over_.load(); }
    /// Waits for the end of the stream, for `patience` at most (0: no limit); throws output_error.
    tenon::result<void> finish(std::chrono::milliseconds patience) {
        std::unique_lock lock(mutex_);
        const auto over = [this] { return is_over(); };
        if (patience.count() == 0) ended_.wait(lock, over);
        else if (!ended_.wait_for(lock, patience, over))
            return tenon::error(tenon::errc::deadline,
                                fmt::format("no end within {} ms", patience.count()));
        if (problem_) std::rethrow_exception(problem_);
        return outcome_;
    }

private:
    void run() noexcept {
        try {
            value_printer out(command_.format());
            outcome_ = print_values(from_, out, 0, std::chrono::milliseconds(0));
        } catch (...) {
            problem_ = std::current_exception();
        }
        const std::lock_guard lock(mutex_);
        over_ = true;
        ended_.notify_all();
    }

    const stream_command& command_;
    tenon::duplex<tenon::value, tenon::value>& from_;
    std::mutex mutex_;
    std::condition_variable ended_;
    std::atomic<bool> over_{false};
    tenon::result<void> outcome_;
    std::exception_ptr problem_;
    std::thread thread_;
};

void send_lines(tenon::duplex<tenon::value, tenon::value>& to, const listener& other,
                const stream_command& command, interruption& interrupt) {
    const bool is_typed = ::isatty(STDIN_FILENO) != 0;
    line_reader lines(interrupt, [&] { return other.is_over(); });
    while (const auto line = lines.next()) {
        std::optional<tenon::value> v;
        try {
            v = value_of_line(*line, lines.number(), command, true);
        } catch (const usage_error& e) {
            if (!is_typed) throw;
            note(e.what());
        }
        if (v && !send_value(to, *v, interrupt)) return;
    }
    to.finish();
}

int run(const stream_command& command, const std::vector<std::string>& words,
        interruption& interrupt) {
    stream_request request(command, words, interrupt);
    if (const auto exit = request.check()) return *exit;
    try {
        auto both = tenon::open_channel_with(request.options(), request.client(), request.route(),
                                             request.arguments());
        const on_interruption stop(interrupt, [&]() noexcept { both.stop(); });
        listener other(both, command);
        send_lines(both, other, command, interrupt);
        if (interrupt.happened()) return interruption::exit_code;
        const auto done = other.finish(command.target.timeout);
        if (interrupt.happened()) return interruption::exit_code;
        return done ? 0 : request.fail(done.error());
    } catch (const tenon::failure& f) {
        return request.fail(f.error());
    } catch (const output_error&) {
        if (reader_has_gone()) return 0;
        throw;
    }
}

}  // namespace

int chat(arguments args, interruption& interrupt) {
    stream_command command{"chat", {}};
    command_line line(
        "chat", "[OPTION…] PUBLISHER/SERVICE.CHANNEL [ARGUMENT…]",
        "Sends the lines of stdin over a channel and prints what comes back, as it comes.\n"
        "The end of stdin ends this direction; the command ends when the other one has.\n"
        "--timeout is the longest wait for that.",
        std::string(argument_help) + R"(
Lines are JSON; one that does not begin like an object, a list or a string and is not
JSON goes as a string. Blank lines are skipped.

Examples:
  tenon chat example/echo.shout
  printf 'one\ntwo\n' | tenon chat example/echo.shout --text
)");
    command.add_to(line, "lines are strings as they are, both ways");
    const std::vector<std::string> words = line.parse(args);
    if (words.empty())
        throw usage_error(
            "which channel? give PUBLISHER/SERVICE.CHANNEL, as in example/echo.shout");
    ::signal(SIGPIPE, SIG_IGN);
    return run(command, words, interrupt);
}

}  // namespace cli
