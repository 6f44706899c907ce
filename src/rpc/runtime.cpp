#include "tenon/runtime.hpp"

#include <malloc.h>
#include <pthread.h>

#include <algorithm>
#include <mutex>
#include <thread>

#include "loop/thread.hpp"
#include "rpc/method_table.hpp"
#include "rpc/runtime_core.hpp"
#include "rpc/server_core.hpp"

namespace tenon::inline v0 {

namespace {

// Counts fork()s in this process' ancestry since the first runtime. A runtime made before a fork
// has no threads in the child, so its handles must fail there instead of waiting for ever.
std::atomic<unsigned> fork_count{0};

unsigned watch_forks() {
    static const int registered = pthread_atfork(
        nullptr, nullptr, [] { fork_count.fetch_add(1, std::memory_order_relaxed); });
    (void)registered;
    return fork_count.load(std::memory_order_relaxed);
}

bool pool_is_busy(void* pool) { return static_cast<loop::worker_pool*>(pool)->has_runnable(); }

}  // namespace

namespace detail {

runtime_core::runtime_core(const runtime_options& options, threads kind,
                           const base::time_source& time)
    : options_(options), kind_(kind), time_(time), fork_generation_(watch_forks()) {
    spin_.enabled = options.spin;
    spin_.max_budget = std::chrono::nanoseconds(options.spin_budget).count();
    loop::pool_options pool;
    pool.resident = std::min(options.pool.resident, options.pool.most);
    pool.max = options.pool.most;
    pool.target_wait = options.pool.target_wait;
    pool.idle_time = options.pool.idle_end;
    pool.queue_limit = options.pool.queue_limit;
    pool_ = std::make_unique<loop::worker_pool>(std::move(pool));
}

std::shared_ptr<runtime_core> runtime_core::make(const runtime_options& options, threads kind,
                                                 const base::time_source& time) {
    // The last owner may be one of our own threads (a client that goes away on its loop), which
    // cannot join itself.
    auto destroy = [](runtime_core* core) {
        if (core->in_own_thread()) std::thread([core] { delete core; }).detach();
        else delete core;
    };
    std::shared_ptr<runtime_core> core(new runtime_core(options, kind, time), destroy);
    core->start();
    return core;
}

void runtime_core::start() {
    loop::loop_options lo;
    lo.time = &time_;
    lo.spin = &spin_;
    lo.busy_elsewhere = &pool_is_busy;
    lo.context = pool_.get();
    const std::size_t count = is_external() ? 1 : std::max(1U, options_.loops);
    for (; lo.index < count; ++lo.index) loops_.push_back(std::make_unique<loop::event_loop>(lo));
    if (is_external()) {
        loops_.front()->run_ready();  // from now on what is posted makes fd() readable
        return;
    }

    loop::monitor_options mo;
    mo.take_over_after = options_.slow_handler;
    mo.on_slow = [](loop::event_loop&, const void* what) { rpc::note_slow_run(what); };
    monitor_ = std::make_unique<loop::monitor>(std::move(mo));
    loop::crew_options co;
    co.max_threads = options_.standby_most + count;
    crew_ = std::make_unique<loop::crew>(co);
    for (auto& l : loops_) {
        monitor_->watch(*l).value();
        crew_->start(*l).value();
    }
}

runtime_core::~runtime_core() {
    if (!is_forked()) {
        stop();
        return;
    }
    // The threads do not exist here; joining or destroying them would hang.
    (void)crew_.release();
    (void)monitor_.release();
    (void)pool_.release();
    for (auto& l : loops_) (void)l.release();
    for (auto& [make, c] : companions_) (void)c.release();
}

companion& runtime_core::companion_of(std::unique_ptr<companion> (*make)(runtime_core&)) {
    const std::lock_guard lock(making_);
    auto& slot = companions_[make];
    if (!slot) slot = make(*this);
    return *slot;
}

loop::event_loop& runtime_core::next_loop() noexcept {
    const std::size_t n = loops_.size();
    if (n == 1) return *loops_.front();
    // A loop that sleeps half of the time has room, and what it does may be mere chance.
    const auto pressure = [](const loop::event_loop& l) {
        constexpr unsigned half = 500;
        return 2 * (std::max(l.busy(), half) - half);
    };
    std::uint64_t tenants = 0, busy = 0;
    for (const auto& l : loops_) tenants += l->tenants(), busy += pressure(*l);
    // What a connection adds, as far as one can tell from those there are; idle ones count, too.
    const std::uint64_t each = 1 + (tenants == 0 ? 0 : busy / tenants);
    const std::size_t first = next_.fetch_add(1, std::memory_order_relaxed);
    loop::event_loop* best = nullptr;
    std::uint64_t least = 0;
    for (std::size_t i = 0; i < n; ++i) {
        loop::event_loop& l = *loops_[(first + i) % n];
        const std::uint64_t load = pressure(l) + each * l.tenants();
        if (best && load >= least) continue;
        best = &l;
        least = load;
    }
    return *best;
}

// The allocator keeps what lies between other memory: after ten thousand connections were busy, most
// of what they had. To search all of it takes milliseconds, so not on a loop, and not for little.
constexpr std::size_t much_memory = std::size_t{1} << 20;

void runtime_core::gave_back(std::size_t bytes) noexcept {
    if (given_back_.fetch_add(bytes, std::memory_order_relaxed) + bytes < much_memory) return;
    if (trimming_.exchange(true, std::memory_order_acq_rel)) return;
    if (!pool_->submit(trim_)) trimming_.store(false, std::memory_order_release);
}

void runtime_core::trim_job::run() noexcept {
    while (core_.given_back_.exchange(0, std::memory_order_relaxed) >= much_memory) {
#ifdef __GLIBC__
        ::malloc_trim(0);
#endif
    }
    // Release: whoever submits the job anew finds it at its end.
    core_.trimming_.store(false, std::memory_order_release);
}

bool runtime_core::is_forked() const noexcept {
    return fork_generation_ != fork_count.load(std::memory_order_relaxed);
}

bool runtime_core::usable() const noexcept {
    return running_.load(std::memory_order_relaxed) && !is_forked();
}

std::optional<error> runtime_core::unusable() const {
    if (usable()) return std::nullopt;
    error e(errc::unavailable, is_forked()
                                   ? "used after fork: make a new runtime in the child process"
                                   : "the runtime has been stopped");
    return e.set_may_have_run(false);
}

void runtime_core::post(loop::event_loop& to, loop::work& w) noexcept {
    {
        const std::lock_guard lock(mutex_);
        to.post(w);
        if (!over_) return;
    }
    // Nobody else would run it, unless another thread, or a caller of this one, is at it.
    if (to.in_loop_thread()) return;
    const std::unique_lock one(leftovers_, std::try_to_lock);
    if (one) to.run_ready();
}

bool runtime_core::in_own_thread() const noexcept {
    const void* group = loop::this_thread().group;
    return group && (group == crew_.get() || group == pool_.get());
}

void runtime_core::stop() {
    if (is_forked()) return;
    if (in_own_thread())
        throw failure(error(errc::conflict, "a runtime cannot be stopped from its own threads"));
    std::vector<std::shared_ptr<rpc::server_core>> servers;
    {
        const std::lock_guard lock(mutex_);
        if (!running_.exchange(false)) return;
        for (const auto& s : servers_)
            if (auto server = s.lock()) servers.push_back(std::move(server));
        servers_.clear();
        for (runtime_part& p : parts_) p.on_runtime_stop();
    }
    for (const auto& s : servers) s->on_runtime_stop();
    if (monitor_) monitor_->stop().value();
    if (crew_) crew_->stop().value();
    pool_->stop(false).value();
    run_leftovers();
    {
        const std::lock_guard lock(mutex_);
        over_ = true;
    }
    run_leftovers();  // what was posted meanwhile
}

void runtime_core::run_leftovers() {
    constexpr int rounds = 10;  // each piece of work may post the next one
    const std::lock_guard one(leftovers_);
    for (int i = 0; i < rounds; ++i)
        for (auto& l : loops_) l->run_ready();
}

void runtime_core::join(runtime_part& part) {
    if (is_forked()) return;
    const std::lock_guard lock(mutex_);
    parts_.push_back(part);
}

void runtime_core::leave(runtime_part& part) noexcept {
    const std::lock_guard lock(mutex_);
    part.unlink();
}

void runtime_core::join(const std::shared_ptr<rpc::server_core>& server) {
    const std::lock_guard lock(mutex_);
    std::erase_if(servers_, [](const auto& s) { return s.expired(); });
    servers_.push_back(server);
}

void runtime_core::keep(std::shared_ptr<const void> thing) {
    if (is_forked()) return;
    // Far longer than a look of the monitor takes.
    constexpr std::chrono::minutes long_enough(1);
    const auto now = std::chrono::steady_clock::now();
    const std::lock_guard lock(mutex_);
    std::erase_if(kept_, [&](kept_thing& k) {
        if (k.thing.use_count() != 1) return false;
        k.alone_since = std::min(k.alone_since, now);
        return now - k.alone_since > long_enough;
    });
    kept_.push_back({std::move(thing)});
}

result<void> runtime_core::announce(const std::string& name,
                                    const std::shared_ptr<rpc::server_core>& server) {
    if (auto e = unusable()) return *std::move(e);
    const std::lock_guard lock(mutex_);
    auto& slot = names_[name];
    if (!slot.expired()) return error(errc::conflict, "inproc:" + name + " is already served");
    slot = server;
    return {};
}

void runtime_core::withdraw(const std::string& name, const rpc::server_core* server) noexcept {
    if (is_forked()) return;
    const std::lock_guard lock(mutex_);
    auto at = names_.find(name);
    if (at == names_.end()) return;
    const auto held = at->second.lock();
    if (!held || held.get() == server) names_.erase(at);
}

std::shared_ptr<rpc::server_core> runtime_core::find(const std::string& name) const {
    if (is_forked()) return nullptr;
    const std::lock_guard lock(mutex_);
    auto at = names_.find(name);
    return at == names_.end() ? nullptr : at->second.lock();
}

}  // namespace detail

runtime::runtime(const runtime_options& options)
    : core_(detail::runtime_core::make(options, detail::runtime_core::threads::own)) {}

runtime& runtime::process() {
    static runtime instance;
    return instance;
}

runtime runtime::external(const runtime_options& options) {
    return runtime(detail::runtime_core::make(options, detail::runtime_core::threads::none));
}

int runtime::fd() const noexcept { return core_->loop(0).fd(); }

void runtime::run_ready() {
    if (!core_->is_forked()) core_->loop(0).run_ready();
}

std::optional<std::chrono::steady_clock::time_point> runtime::next_deadline() const {
    const auto at = core_->loop(0).next_deadline();
    if (at == base::never) return std::nullopt;
    return at;
}

void runtime::set_log_sink(log_level least, log_sink sink) {
    core_->log().set_sink(least, std::move(sink));
}

void runtime::stop() { core_->stop(); }

}  // namespace tenon::inline v0
