#include "rpc/server_core.hpp"

#include <signal.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <thread>

#include "base/unique_fd.hpp"
#include "loop/resume.hpp"
#include "rpc/control.hpp"
#include "rpc/hello.hpp"
#include "rpc/server_connection.hpp"
#include "rpc/service_call.hpp"
#include "rpc/watchers.hpp"
#include "tenon/control.hpp"

namespace tenon::inline v0::rpc {

// Connections beyond the limit that may be around at once, to be told so.
constexpr std::size_t refused_at_once = 64;
// Connections that wait to be accepted when a server stops, and are told so.
constexpr int most_told_at_the_end = 4'096;

// --- acceptor ---

/// Takes connections from one listener. Lives on one loop from open() until it deletes itself.
class acceptor final : public loop::pollable, public loop::timer {
public:
    acceptor(std::shared_ptr<server_core> server, loop::event_loop& loop,
             std::unique_ptr<transport::listener> listener)
        : server_(std::move(server)), loop_(loop), listener_(std::move(listener)) {}

    void open() noexcept { loop_.post(open_); }
    void close() noexcept { loop_.post(close_); }

private:
    loop::turn on_ready(loop::event_loop& loop, loop::ready_flags) override {
        bool any = false;
        for (;;) {
            auto got = listener_->accept();
            if (got.state == transport::io_state::ok) {
                any = true;
                server_->accept(std::move(got.link));
                continue;
            }
            if (got.state == transport::io_state::failed) {
                server_->runtime().log().warning("no more connections can be accepted for now: {}",
                                                 strerror(got.error));
                loop.arm(*this, base::add_time(loop.now(), server_->options().limits.accept_pause));
            }
            return any ? loop::turn::done : loop::turn::nothing;
        }
    }
    loop::turn on_timer(loop::event_loop& loop) override {
        loop.make_ready(*this);
        return loop::turn::done;
    }
    loop::turn open_on_loop(loop::event_loop& loop) {
        if (auto added = loop.watch(*this, listener_->fd()); !added)
            server_->runtime().log().error("cannot listen: {}", added.error().to_string());
        return loop::turn::done;
    }
    loop::turn close_on_loop(loop::event_loop& loop) {
        loop.disarm(*this);
        loop.remove(*this);
        // Those that wait are told, instead of being reset with their requests unread; but a flood
        // must not keep the server from stopping.
        for (int i = 0; i < most_told_at_the_end; ++i) {
            auto got = listener_->accept();
            if (got.state != transport::io_state::ok) break;
            server_->accept(std::move(got.link));
        }
        listener_->close();
        server_->gone(*this);
        delete this;
        return loop::turn::done;
    }

    const std::shared_ptr<server_core> server_;
    loop::event_loop& loop_;
    const std::unique_ptr<transport::listener> listener_;
    loop::member_work<&acceptor::open_on_loop> open_{*this};
    loop::member_work<&acceptor::close_on_loop> close_{*this};
};

// --- configuring ---

server_core::server_core(server_options options)
    : options_(std::move(options)),
      runtime_((options_.runtime ? *options_.runtime : tenon::runtime::process()).shared_core()),
      methods_(std::make_shared<method_table>()),
      watchers_(std::make_shared<watchers>(*this)),
      instance_(make_instance_id()),
      reassembly_(options_.limits.reassembly),
      shared_memory_(std::make_shared<wire::byte_budget>(options_.limits.shared_memory)),
      stream_memory_(std::make_shared<wire::byte_budget>(options_.limits.stream_memory)) {
    decoding_.refuse_unknown_members = options_.refuse_unknown_members;
    decoding_.max_depth = options_.limits.depth;
    access_.allow_uid.assign(options_.allow_uids.begin(), options_.allow_uids.end());
    access_.allow_gid.assign(options_.allow_gids.begin(), options_.allow_gids.end());
    constexpr unsigned group_write = 0020, other_write = 0002;
    if (options_.mode & group_write)
        access_.allow_gid.push_back(options_.group ? *options_.group : getegid());
    access_.everybody = (options_.mode & other_write) != 0;
    // The monitor may look at a method for a moment after the server has gone.
    runtime_->keep(methods_);
}

server_core::~server_core() = default;

void server_core::listen(std::string_view text) {
    if (!configuring()) throw failure(error(errc::conflict, "listen() comes before start()"));
    transport::endpoint at = transport::parse_endpoint(text).value();
    if (at.kind == transport::scheme::inproc) {
        runtime_->announce(at.name, shared_from_this()).value();
        names_.push_back(at.name);
        endpoints_.push_back(transport::to_string(at));
        return;
    }
    transport::listen_options o;
    o.insecure = options_.insecure;
    o.group = options_.group;
    o.mode = options_.mode;
    o.shared_memory = shared_memory();
    // Who may connect is checked by credentials; the file must not stand in the way of the others.
    if (!options_.allow_uids.empty() || !options_.allow_gids.empty()) o.mode = 0666;
    auto listener = transport::open_listener(at, o).value();
    endpoints_.push_back(transport::to_string(listener->local()));
    add(std::move(listener));
}

transport::shared_memory_options server_core::shared_memory() const {
    transport::shared_memory_options o;
    o.allowed = options_.shared_memory;
    o.largest_segment = options_.limits.message;
    o.link_limit = options_.limits.shared_memory_per_connection;
    o.budget = shared_memory_;
    return o;
}

void server_core::add(std::unique_ptr<transport::listener> listener) {
    pending_.push_back(std::move(listener));
}

namespace {

/// What the members of a published contract are bound to: assigning implements them.
class method_slot final : public detail::target {
public:
    method_slot(std::shared_ptr<server_core> server, method_entry& entry)
        : server_(std::move(server)), entry_(entry) {}

    void implement(std::unique_ptr<detail::handler> h) override {
        const auto server = server_.lock();
        if (!server || !server->configuring())
            throw failure(error(errc::conflict, entry_.route() +
                                                    " cannot be implemented after the server has "
                                                    "started"));
        entry_.set_handler(std::move(h));
    }

private:
    const std::weak_ptr<server_core> server_;
    method_entry& entry_;
};

}  // namespace

std::vector<detail::binding> server_core::add(const detail::contract_info& info,
                                              const publish_options& options) {
    if (!configuring()) throw failure(error(errc::conflict, "publish() comes before start()"));
    const detail::contract_info& control = detail::contract_of<tenon::control>();
    if (info.publisher == control.publisher && info.service == control.service)
        throw failure(error(errc::conflict, "every server offers tenon/control by itself"));
    for (const published_service& s : services_)
        if (s.contract.publisher == info.publisher && s.contract.service == info.service)
            throw failure(error(errc::conflict,
                                info.publisher + "/" + info.service + " is published already"));
    services_.push_back({info, options});
    services_.back().contract.control = options.control;
    return add_methods(info, options.seen);
}

std::vector<detail::binding> server_core::add_control(const detail::contract_info& info) {
    return add_methods(info, scope::all);
}

std::vector<detail::binding> server_core::add_methods(const detail::contract_info& info,
                                                      scopes seen) {
    std::vector<detail::binding> slots;
    for (const detail::method_info& m : info.methods) {
        method_entry& entry = *methods_->add(info, m, seen, runtime_->log()).value();
        entry.set_watchers(watchers_);
        slots.emplace_back(std::make_shared<method_slot>(shared_from_this(), entry));
    }
    return slots;
}

detail::method_info& server_core::add_operation(std::string_view service, std::string_view name,
                                                std::string_view params,
                                                const detail::signature& types,
                                                std::unique_ptr<detail::handler> handler) {
    if (!configuring()) throw failure(error(errc::conflict, "operation() comes before start()"));
    const auto at = std::find_if(services_.begin(), services_.end(), [&](const auto& s) {
        return s.contract.publisher + "/" + s.contract.service == service;
    });
    if (at == services_.end())
        throw failure(error(errc::invalid, std::string(service) + " is not published"));
    detail::contract_info one;
    detail::method_info& info = one.add(name, params, types);
    at->contract.check_operation(info);
    const std::string route = std::string(service) + "." + info.name;
    if (!at->options.control)
        throw failure(error(errc::conflict, route + ": the service is published without control"));
    const auto index = static_cast<std::size_t>(at - services_.begin());
    for (const operation& o : operations_)
        if (o.service == index && o.info.name == name)
            throw failure(error(errc::conflict, route + " is there already"));
    return operations_.emplace_back(operation{index, std::move(info), std::move(handler)}).info;
}

server_callbacks& server_core::callbacks() {
    if (!configuring()) throw failure(error(errc::conflict, "callbacks come before start()"));
    return callbacks_;
}

void server_core::note_thrown(const error& e) noexcept {
    runtime_->log().warning("a callback of the server has thrown: {}", e.to_string());
}

void server_core::publish_operations() {
    for (operation& o : operations_) {
        published_service& s = services_[o.service];
        s.contract.check_operation(o.info);
        s.contract.operations.push_back(o.info);
        method_entry* entry =
            methods_->add(s.contract, o.info, s.options.seen, runtime_->log()).value();
        entry->set_watchers(watchers_);
        entry->set_handler(std::move(o.handler));
    }
}

void server_core::start() {
    if (auto e = runtime_->unusable()) throw failure(*std::move(e));
    if (configuring()) publish_control(*this);
    state expected = state::configuring;
    if (!state_.compare_exchange_strong(expected, state::running))
        throw failure(error(errc::conflict, "the server has been started before"));
    started_at_ = std::chrono::system_clock::now();
    running_since_ = runtime_->time().now();
    runtime_->join(shared_from_this());
    try {
        publish_operations();
        runtime_->announce(instance_, shared_from_this()).value();
        names_.push_back(instance_);
        for (const auto& part : parts_) part->on_start(*this);
    } catch (...) {
        stop_parts();
        pending_.clear();
        state_ = state::stopped;
        throw;
    }
    for (auto& listener : pending_) {
        auto* a = new acceptor(shared_from_this(), runtime_->next_loop(), std::move(listener));
        {
            const std::lock_guard lock(mutex_);
            acceptors_.push_back(a);
        }
        a->open();
    }
    pending_.clear();
    for (const auto& started : on_started_) started(endpoints_);
}

std::vector<std::string> server_core::endpoints() const { return endpoints_; }

manifest server_core::manifest_of(const published_service& service) const {
    const std::lock_guard lock(manifests_mutex_);
    const auto known = manifests_.find(&service);
    if (known != manifests_.end()) return known->second;
    return manifests_.emplace(&service, detail::make_manifest(service.contract)).first->second;
}

std::chrono::nanoseconds server_core::uptime() const noexcept {
    const bool has_started = running_since_ != base::time_point();
    return has_started ? runtime_->time().now() - running_since_ : std::chrono::nanoseconds(0);
}

void server_core::count_connections(std::uint64_t& now, std::uint64_t& accepted) const {
    const std::lock_guard lock(mutex_);
    now = connection_count_;
    accepted = accepted_;
}

std::vector<connection_stats> server_core::connections() {
    std::vector<connection_stats> all;
    const std::lock_guard lock(mutex_);
    all.reserve(connection_count_);
    for (server_connection& c : connections_) all.push_back(c.stats());
    return all;
}

// --- connections ---

std::string server_core::refusal(const transport::link& link, const std::string& key) {
    if (!transport::is_admitted(access_, link))
        return "this user is not admitted; see allow_uids and allow_gids";
    if (connection_count_ >= options_.limits.connections) return "too many connections";
    if (per_peer_[key] >= options_.limits.connections_per_peer)
        return "too many connections from " + key;
    return {};
}

void server_core::accept(std::unique_ptr<transport::link> link) {
    std::string why;
    const std::string key = server_connection::key_of(link->peer());
    std::uint64_t id;
    {
        const std::lock_guard lock(mutex_);
        const state now = state_;
        if (now != state::running && now != state::draining) return;
        why = now == state::draining ? "the server is stopping" : refusal(*link, key);
        // Refused peers are told, but not in any number.
        if (!why.empty() && connection_count_ >= options_.limits.connections + refused_at_once)
            return;
        ++connection_count_;
        ++per_peer_[key];
        id = ++accepted_;
    }
    auto* c = new server_connection(shared_from_this(), id, runtime_->next_loop(), std::move(link),
                                    std::move(why));
    // Under the mutex, because stop() may end the connection as soon as it is in the list.
    const std::lock_guard lock(mutex_);
    connections_.push_back(*c);
    c->open();
    // In case stop() has not seen it.
    if (state_ == state::draining) c->drain();
    else if (state_ != state::running) c->abort();
}

void server_core::closed(server_connection& c) noexcept {
    const std::lock_guard lock(mutex_);
    static_cast<base::list_hook<server_core>&>(c).unlink();
    std::erase(resumable_, &c);
}

namespace {

/// Takes the same time wherever they differ.
bool are_same(bytes_view a, bytes_view b) noexcept {
    if (a.size() != b.size()) return false;
    std::byte difference{0};
    for (std::size_t i = 0; i < a.size(); ++i) difference |= a[i] ^ b[i];
    return difference == std::byte{0};
}

}  // namespace

std::string server_core::enlist(server_connection& c) {
    const std::lock_guard lock(mutex_);
    for (const server_connection* other : resumable_)
        if (are_same(other->resume_token(), c.resume_token())) return "the resume token is in use";
    if (resumable_.size() >= options_.limits.resumable_sessions)
        return "too many sessions that can be resumed";
    resumable_.push_back(&c);
    return {};
}

server_connection* server_core::find_resumable(bytes_view token,
                                               const std::string& peer_key) noexcept {
    const std::lock_guard lock(mutex_);
    for (server_connection* c : resumable_) {
        if (!are_same(c->resume_token(), token) || c->peer_key() != peer_key) continue;
        c->hold();
        return c;
    }
    return nullptr;
}

void server_core::gone(const std::string& peer_key) noexcept {
    const std::lock_guard lock(mutex_);
    --connection_count_;
    if (const auto at = per_peer_.find(peer_key); at != per_peer_.end() && --at->second == 0)
        per_peer_.erase(at);
    changed_.notify_all();
}

void server_core::gone(acceptor& a) noexcept {
    const std::lock_guard lock(mutex_);
    std::erase(acceptors_, &a);
    changed_.notify_all();
}

bool server_core::begin_call() noexcept {
    // seq_cst against stop(): either it sees this call, or we see that it has begun to stop.
    local_calls_[loop::part_of_this_thread()].n.fetch_add(1, std::memory_order_seq_cst);
    if (state_.load(std::memory_order_seq_cst) == state::running) return true;
    end_call();
    return false;
}

void server_core::end_call() noexcept {
    local_calls_[loop::part_of_this_thread()].n.fetch_sub(1, std::memory_order_seq_cst);
    if (state_.load(std::memory_order_seq_cst) == state::running) return;
    const std::lock_guard lock(mutex_);
    changed_.notify_all();
}

/// While the server stops, not less than there are: all have been counted before, and what ends
/// meanwhile asks for another look.
std::int64_t server_core::local_calls() const noexcept {
    std::int64_t sum = 0;
    for (const call_count& c : local_calls_) sum += c.n.load(std::memory_order_seq_cst);
    return sum;
}

// --- the end ---

void server_core::wait_until(base::time_point limit, bool (server_core::*done)() const) {
    loop::event_loop::before_blocking();
    std::unique_lock lock(mutex_);
    const auto finished = [&] { return (this->*done)(); };
    if (!runtime_->is_external() && runtime_->usable()) {
        if (limit == base::never) changed_.wait(lock, finished);
        else changed_.wait_until(lock, limit, finished);
        return;
    }
    // There is no thread but this one that could run the loops.
    while (!finished() && std::chrono::steady_clock::now() < limit) {
        lock.unlock();
        if (runtime_->usable()) runtime_->loop(0).run_ready();
        else runtime_->run_leftovers();
        std::this_thread::sleep_for(std::chrono::milliseconds(1));
        lock.lock();
    }
}

void server_core::on_runtime_stop() noexcept {
    {
        const std::lock_guard lock(mutex_);
        for (server_connection& c : connections_) c.abort();
    }
    stopping_.cancel();
}

void server_core::stop_parts() noexcept {
    for (const std::string& n : names_) runtime_->withdraw(n, this);
    names_.clear();
    for (const auto& part : parts_) part->on_stop();
    parts_.clear();
}

void server_core::stop(std::chrono::milliseconds drain) {
    // A quick handler of an in-process caller and one on the pool are not the loop's user code;
    // callbacks, which have no scope, are, and another thread goes on with their loop meanwhile.
    const bool on_loop = loop::event_loop::in_user_code();
    if (service_call::serving(*methods_) ||
        (on_loop && (loop::thread_scope() || runtime_->is_external())))
        throw failure(error(errc::conflict, "a server cannot be stopped from a handler"));
    if (runtime_->is_forked()) return;  // the sockets and the threads are the parent's
    const std::lock_guard one_at_a_time(stop_mutex_);
    const state before = state_.exchange(drain.count() > 0 ? state::draining : state::aborting);
    stop_parts();
    watchers_->close();
    if (before == state::running) {
        const auto limit = std::chrono::steady_clock::now() + drain;
        {
            const std::lock_guard lock(mutex_);
            for (acceptor* a : acceptors_) a->close();
            for (server_connection& c : connections_) c.drain();
        }
        if (drain.count() > 0) wait_until(limit, &server_core::is_idle);
        {
            const std::lock_guard lock(mutex_);
            state_ = state::aborting;
            for (server_connection& c : connections_) c.abort();
        }
        stopping_.cancel();
        wait_until(base::never, &server_core::is_idle);
    }
    state_ = state::stopped;
    for (const auto& m : methods_->all()) m->set_handler(nullptr);
    const std::lock_guard lock(mutex_);
    const std::uint64_t one = 1;
    if (run_fd_ >= 0) (void)!::write(run_fd_, &one, sizeof one);
}

namespace {

// run() turns signals into a write on this descriptor. One run() at a time handles signals.
std::atomic<int> signal_fd{-1};

void on_signal(int) {
    const int saved = errno;
    const std::uint64_t one = 1;
    if (const int fd = signal_fd.load(); fd >= 0) (void)!::write(fd, &one, sizeof one);
    errno = saved;
}

class signals_caught {
public:
    explicit signals_caught(int fd) {
        int expected = -1;
        if (!signal_fd.compare_exchange_strong(expected, fd))
            throw failure(error(errc::conflict, "another server's run() handles the signals"));
        struct sigaction action {};
        action.sa_handler = &on_signal;
        sigemptyset(&action.sa_mask);
        ::sigaction(SIGINT, &action, &interrupt_);
        ::sigaction(SIGTERM, &action, &terminate_);
    }
    ~signals_caught() {
        ::sigaction(SIGINT, &interrupt_, nullptr);
        ::sigaction(SIGTERM, &terminate_, nullptr);
        signal_fd = -1;
    }

private:
    struct sigaction interrupt_ {};
    struct sigaction terminate_ {};
};

}  // namespace

void server_core::run() {
    if (runtime_->is_external())
        throw failure(error(errc::unsupported,
                            "run() needs a runtime with threads; call run_ready() instead"));
    base::unique_fd wake(::eventfd(0, EFD_CLOEXEC));
    if (!wake) throw failure(error(errc::unavailable, "no descriptor left"));
    const signals_caught caught(wake.get());
    {
        const std::lock_guard lock(mutex_);
        run_fd_ = wake.get();
    }
    start();
    std::uint64_t count;
    while (::read(wake.get(), &count, sizeof count) < 0 && errno == EINTR) {}
    {
        const std::lock_guard lock(mutex_);
        run_fd_ = -1;
    }
    stop(options_.drain);
}

}  // namespace tenon::inline v0::rpc
