// What reader::on_value() stands on.

#include <algorithm>
#include <atomic>
#include <mutex>
#include <thread>
#include <vector>

#include "base/mutex.hpp"
#include "loop/loop.hpp"
#include "tenon/reader.hpp"

namespace tenon::inline v0::detail {

namespace {

class handler_list final : public value_handlers {
public:
    std::uint64_t add(handler f) override {
        const std::lock_guard lock(mutex_);
        auto more = std::make_shared<entries>(*all_);
        more->push_back(std::make_shared<entry>(++last_, std::move(f)));
        all_ = std::move(more);
        return last_;
    }
    void remove(std::uint64_t id) override {
        std::shared_ptr<const entries> before;  // goes without the mutex, and what is in it
        {
            const std::lock_guard lock(mutex_);
            auto rest = std::make_shared<entries>();
            for (const auto& e : *all_) {
                if (e->id == id) e->removed = true;
                else rest->push_back(e);
            }
            before = std::exchange(all_, std::move(rest));
        }
        wait_for_others();
    }
    void on_end(end_handler f) override {
        {
            const std::lock_guard lock(mutex_);
            on_end_.swap(f);
        }
        wait_for_others();
    }
    bool any() override {
        const std::lock_guard lock(mutex_);
        return !all_->empty();
    }
    bool begin() noexcept override { return !begun_.exchange(true); }
    void handle(void* value) override {
        const running here(*this);
        std::shared_ptr<const entries> now;
        {
            const std::lock_guard lock(mutex_);
            now = all_;
        }
        for (const auto& e : *now)
            if (!e->removed && e->f(value)) return;
    }
    void ended(std::optional<error> why) override {
        const running here(*this);
        end_handler f;
        {
            const std::lock_guard lock(mutex_);
            f.swap(on_end_);
        }
        if (f) f(std::move(why));
    }

private:
    struct entry {
        entry(std::uint64_t i, handler h) : id(i), f(std::move(h)) {}
        const std::uint64_t id;
        handler f;
        std::atomic<bool> removed{false};
    };
    using entries = std::vector<std::shared_ptr<entry>>;

    /// While handlers run, on this thread.
    class running {
    public:
        explicit running(handler_list& l) : list_(l), lock_(l.calling_) {
            list_.caller_ = std::this_thread::get_id();
        }
        running(const running&) = delete;
        running& operator=(const running&) = delete;
        ~running() { list_.caller_ = std::thread::id(); }

    private:
        handler_list& list_;
        const std::lock_guard<base::mutex> lock_;
    };

    void wait_for_others() {
        if (caller_ == std::this_thread::get_id()) return;
        if (calling_.try_lock()) return calling_.unlock();
        loop::event_loop::before_blocking();
        const std::lock_guard until_they_have_returned(calling_);
    }

    base::mutex calling_;  // held while handlers run; taken before the other
    std::atomic<std::thread::id> caller_{};
    std::atomic<bool> begun_{false};

    base::mutex mutex_;  // guards all below
    std::shared_ptr<const entries> all_ = std::make_shared<entries>();
    end_handler on_end_;
    std::uint64_t last_ = 0;
};

}  // namespace

std::shared_ptr<value_handlers> value_handlers::make() { return std::make_shared<handler_list>(); }

}  // namespace tenon::inline v0::detail
