#include "load.hpp"

#include <atomic>
#include <condition_variable>
#include <memory>
#include <mutex>
#include <thread>

#include "tenon/call.hpp"
#include "tenon/contract.hpp"

namespace cli {

namespace {

using clock = std::chrono::steady_clock;

std::uint64_t ns_between(clock::time_point a, clock::time_point b) {
    return static_cast<std::uint64_t>(
        std::max<std::int64_t>(0, std::chrono::nanoseconds(b - a).count()));
}

/// Decides, for all connections together, whether another call is to be made.
class budget {
public:
    budget(const load& what, interruption& interrupt)
        : counted_(what.calls > 0), left_(what.calls), interrupt_(interrupt) {
        end_ = counted_ ? clock::time_point::max() : clock::now() + what.time;
    }

    bool take(clock::time_point now) noexcept {
        if (over_.load(std::memory_order_relaxed) || now >= end_ || interrupt_.happened())
            return false;
        if (!counted_) return true;
        std::uint64_t left = left_.load(std::memory_order_relaxed);
        while (left > 0)
            if (left_.compare_exchange_weak(left, left - 1, std::memory_order_relaxed)) return true;
        return false;
    }
    void stop() noexcept { over_.store(true, std::memory_order_relaxed); }

private:
    const bool counted_;
    std::atomic<std::uint64_t> left_;
    std::atomic<bool> over_{false};
    interruption& interrupt_;
    clock::time_point end_;
};

/// Errors after which further calls would only repeat them.
bool is_final(const tenon::error& e) {
    return e.code() == tenon::errc::unavailable || e.code() == tenon::errc::cancelled;
}

class waiting_caller {
public:
    waiting_caller(const load& what, tenon::client client, tenon::codec codec, budget& calls,
                   interruption& interrupt)
        : what_(what),
          route_(what.name.route()),
          client_(std::move(client)),
          codec_(codec),
          calls_(calls) {
        how_.cancel = &interrupt.cancellation();
    }

    void run() {
        auto start = clock::now();
        while (calls_.take(start)) {
            const auto answer =
                client_.try_call_encoded(route_, codec_, what_.arguments->encoded, how_);
            const auto end = clock::now();
            if (!answer && answer.error().code() == tenon::errc::cancelled) return;
            result.add(ns_between(start, end), answer ? nullptr : &answer.error());
            if (!answer && is_final(answer.error())) return calls_.stop();
            start = end;
        }
    }

    load_result result;

private:
    const load& what_;
    const std::string route_;
    tenon::client client_;
    const tenon::codec codec_;
    tenon::call_options how_;
    budget& calls_;
};

/// A method known by its route only: as many parameters as there are arguments, of any type.
class dynamic_method {
public:
    dynamic_method(const load& what, tenon::codec codec) {
        if (what.arguments->list.is_map())
            throw usage_error(
                "with --outstanding above 1 the arguments go by position; leave out "
                "their names");
        if (codec == tenon::codec::raw) values_.emplace_back(what.arguments->encoded);
        else values_ = what.arguments->list.as_array();
        for (tenon::value& v : values_) {
            pointers_.push_back(&v);
            shapes_.push_back(&tenon::shape_of<tenon::value>());
            info_.param_names.push_back(std::to_string(info_.param_names.size()));
        }
        signature_.params = shapes_.data();
        signature_.param_count = static_cast<std::uint32_t>(values_.size());
        signature_.result = &tenon::shape_of<tenon::value>();
        info_.name = what.name.member;
        info_.wire_codec = codec;
        info_.signature = &signature_;
        contract_.publisher = what.name.publisher;
        contract_.service = what.name.service;
        contract_.methods.push_back(info_);
    }

    tenon::detail::binding bind(const tenon::client& client) const {
        return client.bind(contract_).at(0);
    }
    tenon::detail::call_arguments arguments() const noexcept {
        return {pointers_.data(), signature_.param_count, 0, &signature_};
    }

private:
    tenon::value::array values_;
    std::vector<void*> pointers_;
    std::vector<const tenon::shape*> shapes_;
    tenon::detail::signature signature_{};
    tenon::detail::method_info info_;
    tenon::detail::contract_info contract_;
};

/// One connection with many calls under way; each answer starts the next call, on the client's
/// loop.
class pipelined_caller {
public:
    pipelined_caller(const load& what, tenon::client client, const dynamic_method& method,
                     budget& calls, interruption& interrupt)
        : client_(std::move(client)),
          method_(method),
          binding_(method.bind(client_)),
          calls_(calls) {
        how_.cancel = &interrupt.cancellation();
        slots_.resize(what.outstanding);
    }

    void start() {
        {
            const std::lock_guard lock(mutex_);
            running_ = slots_.size();
        }
        for (slot& s : slots_) go_on(s);
    }

    /// Waits for the calls under way.
    void join() {
        std::unique_lock lock(mutex_);
        finished_.wait(lock, [this] { return running_ == 0; });
    }

    load_result result;  // after join()

private:
    struct slot {
        clock::time_point started;
    };
    struct on_answer {
        pipelined_caller* self;
        slot* s;
        void operator()(const tenon::result<tenon::value>& r) const { self->answered(*s, r); }
    };
    // The call that this thread is starting. An outcome that is known at once is told inside
    // start(); the next call is then made by the loop below, not by a recursion.
    struct starting {
        const slot* s = nullptr;
        bool answered = false;
    };
    static thread_local starting here;

    void go_on(slot& s) {
        const starting outer = here;
        do {
            s.started = clock::now();
            if (!calls_.take(s.started)) {
                finish();
                break;
            }
            here = {&s, false};
            tenon::detail::callback_call<tenon::value, on_answer>::start(
                binding_, method_.arguments(), &how_, on_answer{this, &s});
        } while (here.answered);
        here = outer;
    }

    void answered(slot& s, const tenon::result<tenon::value>& r) {
        const auto end = clock::now();
        if (r || r.error().code() != tenon::errc::cancelled) {
            const std::lock_guard lock(mutex_);
            result.add(ns_between(s.started, end), r ? nullptr : &r.error());
        }
        if (!r && is_final(r.error())) calls_.stop();
        if (here.s == &s) here.answered = true;
        else go_on(s);
    }

    void finish() {
        const std::lock_guard lock(mutex_);
        if (--running_ == 0) finished_.notify_all();
    }

    tenon::client client_;
    const dynamic_method& method_;
    tenon::detail::binding binding_;
    tenon::call_options how_;
    budget& calls_;
    std::mutex mutex_;
    std::condition_variable finished_;
    std::size_t running_ = 0;
    std::vector<slot> slots_;
};

thread_local pipelined_caller::starting pipelined_caller::here;

load_result run_waiting(const load& what, const std::vector<tenon::client>& clients,
                        tenon::codec codec, budget& calls, interruption& interrupt) {
    std::vector<std::unique_ptr<waiting_caller>> callers;
    for (const tenon::client& c : clients)
        callers.push_back(std::make_unique<waiting_caller>(what, c, codec, calls, interrupt));
    std::vector<std::thread> threads;
    for (std::size_t i = 1; i < callers.size(); ++i)
        threads.emplace_back([&caller = *callers[i]] { caller.run(); });
    callers[0]->run();
    for (std::thread& t : threads) t.join();
    load_result all;
    for (const auto& c : callers) all.add(c->result);
    return all;
}

load_result run_pipelined(const load& what, const std::vector<tenon::client>& clients,
                          const dynamic_method& method, budget& calls, interruption& interrupt) {
    std::vector<std::unique_ptr<pipelined_caller>> callers;
    for (const tenon::client& c : clients)
        callers.push_back(std::make_unique<pipelined_caller>(what, c, method, calls, interrupt));
    for (const auto& c : callers) c->start();
    load_result all;
    for (const auto& c : callers) {
        c->join();
        all.add(c->result);
    }
    return all;
}

}  // namespace

void load_result::add(const load_result& other) {
    times.add(other.times);
    for (std::size_t i = 0; i < errors.size(); ++i) errors[i] += other.errors[i];
    error_count += other.error_count;
    if (!first_error) first_error = other.first_error;
}

void load_result::add(std::uint64_t ns, const tenon::error* failed) {
    if (!failed) return times.add(ns);
    ++errors[static_cast<std::size_t>(failed->code())];
    ++error_count;
    if (!first_error) first_error = *failed;
}

load_result run_load(const load& what, const std::function<target()>& connect, tenon::codec codec,
                     interruption& interrupt) {
    std::optional<dynamic_method> method;
    if (what.outstanding > 1) method.emplace(what, codec);
    std::vector<tenon::client> clients;
    for (std::uint64_t i = 0; i < what.connections; ++i) clients.push_back(connect().client);
    // Connecting is not measured, and what cannot work at all fails here.
    tenon::call_options how;
    how.cancel = &interrupt.cancellation();
    for (tenon::client& c : clients) {
        auto first = c.try_call_encoded(what.name.route(), codec, what.arguments->encoded, how);
        if (first) continue;
        load_result failed;
        failed.add(0, &first.error());
        return failed;
    }
    budget calls(what, interrupt);
    const auto start = clock::now();
    load_result all = method ? run_pipelined(what, clients, *method, calls, interrupt)
                             : run_waiting(what, clients, codec, calls, interrupt);
    all.seconds = std::chrono::duration<double>(clock::now() - start).count();
    return all;
}

}  // namespace cli
