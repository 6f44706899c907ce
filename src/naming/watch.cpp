// watch(): a thread that waits for changes, scans, and tells the differences.

#include <poll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <thread>

#include "loop/thread.hpp"
#include "naming/changes.hpp"
#include "naming/listing.hpp"

namespace tenon::inline v0 {

class watching::state final : public rpc::table_observer,
                              public std::enable_shared_from_this<watching::state> {
public:
    state(std::string_view pattern, std::function<void(presence, const instance&)> callback,
          const list_options& options)
        : pattern_(pattern),
          callback_(std::move(callback)),
          options_(options),
          runtime_((options.runtime ? *options.runtime : tenon::runtime::process()).shared_core()),
          changes_(naming::directory_changes::open(runtime_->options().directory).value()),
          wake_(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {
        options_.runtime = nullptr;
        if (!wake_)
            throw failure(error(errc::overloaded, "out of file descriptors (see ulimit -n)"));
    }

    void start() {
        runtime_->services().add(*this);
        // The thread has its own share, because the callback may let go of the handle.
        thread_ = loop::start_thread("tenon-watch", nullptr,
                                     [self = shared_from_this()] { self->run(); });
    }

    void stop() noexcept {
        if (runtime_->is_forked()) return thread_.detach();  // there is no thread here
        if (stopping_.exchange(true)) return;
        runtime_->services().remove(*this);
        wake();
        if (thread_.get_id() == std::this_thread::get_id()) thread_.detach();
        else thread_.join();
    }

    void on_table_change() noexcept override { wake(); }

private:
    // A closing file is told of before its lock is released, and servers start in several steps.
    static constexpr auto settling_time = std::chrono::milliseconds(5);
    // A busy machine may take longer to end a process.
    static constexpr int second_look = 100;  // ms

    void wake() noexcept {
        const std::uint64_t one = 1;
        (void)!::write(wake_.get(), &one, sizeof one);
    }

    void run() {
        for (bool look_again = false; !stopping_.load();) {
            tell_differences();
            if (stopping_.load()) return;
            std::array<pollfd, 2> fds{{{changes_.fd(), POLLIN, 0}, {wake_.get(), POLLIN, 0}}};
            ::poll(fds.data(), fds.size(), look_again ? second_look : -1);
            std::this_thread::sleep_for(settling_time);
            look_again = changes_.drain().lock_closed;
            std::uint64_t count;
            (void)!::read(wake_.get(), &count, sizeof count);
        }
    }

    void tell_differences() {
        if (options_.scopes.contains(scope::os)) changes_.cover(pattern_);
        naming::instances now = naming::scan(*runtime_, pattern_, options_, known_);
        for (const auto& [key, i] : known_)
            if (!now.contains(key)) tell(presence::left, i);
        for (const auto& [key, i] : now)
            if (!known_.contains(key)) tell(presence::arrived, i);
        known_ = std::move(now);
    }

    void tell(presence p, const instance& i) {
        if (!stopping_.load()) callback_(p, i);
    }

    const std::string pattern_;
    const std::function<void(presence, const instance&)> callback_;
    list_options options_;
    const std::shared_ptr<detail::runtime_core> runtime_;
    naming::directory_changes changes_;
    const base::unique_fd wake_;
    std::atomic<bool> stopping_{false};
    naming::instances known_;  // the thread's
    std::thread thread_;
};

watching::watching() noexcept = default;
watching::watching(std::shared_ptr<state> s) noexcept : state_(std::move(s)) {}
watching::watching(watching&&) noexcept = default;
watching& watching::operator=(watching&& o) noexcept {
    if (this != &o) {
        stop();
        state_ = std::move(o.state_);
    }
    return *this;
}
watching::~watching() { stop(); }

void watching::stop() noexcept {
    // The callback may destroy this handle.
    if (const auto s = std::exchange(state_, nullptr)) s->stop();
}

watching watch(std::string_view pattern, std::function<void(presence, const instance&)> callback,
               const list_options& options) {
    auto s = std::make_shared<watching::state>(pattern, std::move(callback), options);
    s->start();
    return watching(std::move(s));
}

}  // namespace tenon::inline v0
