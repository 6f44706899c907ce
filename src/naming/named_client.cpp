#include "naming/named_client.hpp"

#include <algorithm>
#include <thread>

#include "base/random.hpp"

namespace tenon::inline v0::naming {
namespace {

/// A call on its way to an instance, for counting.
class counted {
public:
    explicit counted(provider& p) noexcept : p_(p) {
        p_.outstanding.fetch_add(1, std::memory_order_relaxed);
    }
    counted(const counted&) = delete;
    counted& operator=(const counted&) = delete;
    ~counted() { p_.outstanding.fetch_sub(1, std::memory_order_relaxed); }

private:
    provider& p_;
};

/// A file's owner may change until it is connected to; the server's user is asked for again then.
discover_options with_owners(discover_options o) {
    o.client.owners.insert(o.client.owners.end(), o.owners.begin(), o.owners.end());
    return o;
}

}  // namespace

template <class F>
result<detail::stream_ends> named_client::open_somewhere(const call_options* options, F open) {
    attempts course(*this, options);
    while (provider* p = course.next()) {
        if (auto ready = p->client->begin_to_connect(); !ready) {
            if (course.move_on(ready.error())) continue;
            return std::move(ready).error();
        }
        return open(*p);
    }
    return course.why();
}

namespace {

/// The methods of one contract, bound to a name. One object for all of them.
class named_methods : public std::enable_shared_from_this<named_methods> {
public:
    named_methods(std::shared_ptr<named_client> client, const detail::contract_info& contract)
        : client_(std::move(client)), contract_(contract) {
        methods_.reserve(contract.methods.size());
        for (std::size_t i = 0; i < contract.methods.size(); ++i) methods_.emplace_back(*this, i);
    }

    std::vector<detail::binding> bindings() {
        std::vector<detail::binding> all;
        all.reserve(methods_.size());
        for (method& m : methods_)
            all.emplace_back(std::shared_ptr<detail::target>(shared_from_this(), &m));
        return all;
    }

private:
    class method final : public detail::target {
    public:
        method(named_methods& all, std::size_t index) : all_(all), index_(index) {}

        result<void> call(const detail::call_arguments& args, void* result,
                          const call_options* options) override {
            named_client::attempts course(*all_.client_, options);
            while (provider* p = course.next()) {
                const counted busy(*p);
                auto outcome = all_.client_->method_of(*p, all_.contract_, index_)
                                   .call(args, result, course.options());
                if (outcome || !course.go_on(outcome.error())) return outcome;
            }
            return course.why();
        }

        void start(const detail::call_arguments& args, detail::call_state& state,
                   const call_options* options) override {
            named_client::attempts course(*all_.client_, options);
            while (provider* p = course.next()) {
                if (auto ready = p->client->begin_to_connect(); !ready) {
                    if (course.move_on(ready.error())) continue;
                    state.failed = std::move(ready).error();
                    return state.finish();
                }
                return all_.client_->method_of(*p, all_.contract_, index_)
                    .start(args, state, options);
            }
            state.failed = course.why();
            state.finish();
        }

        result<detail::stream_ends> open(const detail::call_arguments& args,
                                         const open_options* options) override {
            return all_.client_->open_somewhere(options, [&](provider& p) {
                return all_.client_->method_of(p, all_.contract_, index_).open(args, options);
            });
        }

        blob loan(std::size_t size) override {
            named_client::attempts course(*all_.client_, nullptr);
            provider* const p = course.next();
            return p ? all_.client_->method_of(*p, all_.contract_, index_).loan(size) : blob(size);
        }

    private:
        named_methods& all_;
        const std::size_t index_;
    };

    const std::shared_ptr<named_client> client_;
    const detail::contract_info& contract_;
    std::vector<method> methods_;
};

}  // namespace

// --- named_client ---

named_client::named_client(std::string_view name, const discover_options& options)
    : name_(service_name::parse(name)),
      text_(name_.text()),
      options_(with_owners(options)),
      runtime_((options.client.runtime ? *options.client.runtime : tenon::runtime::process())
                   .shared_core()),
      changes_(options_.choice == choice::random || !runtime_->usable()
                   ? nullptr
                   : &change_watch::of(*runtime_)) {}

named_client::~named_client() = default;

error named_client::nobody() const {
    return error(errc::unavailable, "nobody serves " + text_)
        .set_origin(text_)
        .set_may_have_run(false);
}

// --- choosing ---

std::shared_ptr<provider> named_client::choose(const std::vector<std::string>& tried) {
    const std::lock_guard lock(mutex_);
    if (current_ && tried.empty()) return current_;
    const bool sticky = options_.choice == choice::random;
    if (sticky || may_have_changed() || candidates_.empty() || !tried.empty()) rescan(tried);
    auto chosen = pick();
    if (sticky) current_ = chosen;
    // Those that were tried are missing; they may serve the next call again.
    if (!tried.empty()) candidates_.clear();
    return chosen;
}

// Mutex held. True: look anew; what changes from now on is counted.
bool named_client::may_have_changed() {
    const auto count = changes_->count();
    if (!count) return true;
    if (*count == changes_seen_) return false;
    changes_seen_ = *count;
    if (options_.scopes.contains(scope::os)) changes_->cover(text_);
    return true;
}

void named_client::rescan(const std::vector<std::string>& tried) {
    candidates_ = find_candidates(*runtime_, name_, options_, tried);
    const auto is_gone = [&](const std::shared_ptr<provider>& p) {
        return std::none_of(candidates_.begin(), candidates_.end(), [&](const candidate& c) {
            return c.id == p->from.id && c.local == p->from.local;
        });
    };
    for (std::size_t i = providers_.size(); i-- > 0;)
        if (is_gone(providers_[i])) drop(providers_.begin() + static_cast<std::ptrdiff_t>(i));
    std::erase_if(leaving_, [](const auto& p) { return p->client->async_calls() == 0; });
}

// The end of its client would end the calls that are still under way.
void named_client::drop(std::vector<std::shared_ptr<provider>>::iterator p) {
    if ((*p)->client->async_calls() != 0) leaving_.push_back(*p);
    providers_.erase(p);
}

std::shared_ptr<provider> named_client::pick() {
    const auto known = [&](const candidate& c) {
        return std::find_if(providers_.begin(), providers_.end(), [&](const auto& p) {
            return p->from.id == c.id && p->from.local == c.local;
        });
    };
    const auto load = [&](const candidate& c) {
        const auto at = known(c);
        if (at == providers_.end()) return 0U;
        return (*at)->outstanding.load(std::memory_order_relaxed) + (*at)->client->async_calls();
    };
    while (!candidates_.empty()) {
        std::size_t index = base::thread_random().below(candidates_.size());
        if (options_.choice == choice::round_robin) {
            index = turn_++ % candidates_.size();
        } else if (options_.choice == choice::least_outstanding) {
            // Among equals the random one above is as good as any.
            for (std::size_t i = 0; i < candidates_.size(); ++i)
                if (load(candidates_[i]) < load(candidates_[index])) index = i;
        }
        const candidate& chosen = candidates_[index];
        if (const auto at = known(chosen); at != providers_.end()) return *at;
        if (may_live(chosen, name_)) {
            const auto made = std::make_shared<provider>(chosen, options_.client);
            for (const auto& f : listeners_) made->client->on_note(f);
            return providers_.emplace_back(made);
        }
        candidates_.erase(candidates_.begin() + static_cast<std::ptrdiff_t>(index));
    }
    return nullptr;
}

bool named_client::forget(const std::shared_ptr<provider>& p) {
    {
        const std::lock_guard lock(mutex_);
        if (current_ == p) current_.reset();
        const auto at = std::find(providers_.begin(), providers_.end(), p);
        if (at != providers_.end()) drop(at);
        std::erase_if(candidates_, [&](const candidate& c) { return c.id == p->from.id; });
    }
    return !p->from.local && may_live(p->from, name_);
}

detail::target& named_client::method_of(provider& p, const detail::contract_info& contract,
                                        std::size_t i) {
    const std::lock_guard lock(mutex_);
    for (const auto& b : p.contracts)
        if (b->contract == &contract) return b->methods[i].get();
    auto& b = *p.contracts.emplace_back(std::make_unique<provider::bound>());
    b.contract = &contract;
    b.methods = p.client->bind(contract);
    return b.methods[i].get();
}

// --- one call ---

named_client::attempts::attempts(named_client& c, const call_options* options)
    : client_(c),
      given_(options),
      limit_(rpc::direct_client::bounds_of(c.options_.client, *c.runtime_, options).deadline) {}

provider* named_client::attempts::next() {
    if (auto e = client_.runtime_->unusable()) {
        why_ = std::move(e);
        return nullptr;
    }
    current_ = client_.choose(tried_);
    if (!current_ && !why_) why_ = client_.nobody();
    return current_.get();
}

bool named_client::attempts::go_on(const error& e) {
    if (e.may_have_run()) return false;
    rpc::direct_client& c = *current_->client;
    if (e.code() != errc::unavailable && e.code() != errc::denied && !c.is_leaving()) return false;
    // A handler may say the same of a call of its own, after it has done who knows what.
    if (c.is_serving()) return false;
    return move_on(e);
}

bool named_client::attempts::move_on(const error& e) {
    // That one is gone is no news; that one is there and does not serve us is.
    if (client_.forget(current_)) why_ = e;
    tried_.push_back(current_->from.id);
    return client_.runtime_->time().now() < limit_;
}

const call_options* named_client::attempts::options() noexcept {
    if (limit_ == base::never || tried_.empty()) return given_;
    if (given_) adjusted_ = *given_;
    adjusted_.timeout = std::max(
        std::chrono::milliseconds(1),
        std::chrono::ceil<std::chrono::milliseconds>(limit_ - client_.runtime_->time().now()));
    return &adjusted_;
}

// --- client_core ---

result<void> named_client::wait_ready(std::chrono::milliseconds timeout) {
    const auto limit = std::chrono::steady_clock::now() + timeout;
    for (;;) {
        attempts course(*this, nullptr);
        while (provider* p = course.next()) {
            auto ready = p->client->begin_to_connect();
            if (ready || !course.move_on(ready.error())) return ready;
        }
        if (auto e = runtime_->unusable()) return *std::move(e);
        if (std::chrono::steady_clock::now() >= limit) return course.why();
        loop::event_loop::before_blocking();
        std::this_thread::sleep_for(std::chrono::milliseconds(5));
    }
}

bool named_client::is_connected() {
    const std::lock_guard lock(mutex_);
    return std::any_of(providers_.begin(), providers_.end(),
                       [](const auto& p) { return p->client->is_connected(); });
}

result<bytes> named_client::call_encoded(std::string_view route, codec c, bytes_view arguments,
                                         const call_options& options) {
    attempts course(*this, &options);
    while (provider* p = course.next()) {
        const counted busy(*p);
        auto answer = p->client->call_encoded(route, c, arguments, *course.options());
        if (answer || !course.go_on(answer.error())) return answer;
    }
    return course.why();
}

result<void> named_client::send(std::string_view route, codec c, bytes_view arguments) {
    attempts course(*this, nullptr);
    while (provider* p = course.next()) {
        auto sent = p->client->send(route, c, arguments);
        if (sent || !course.go_on(sent.error())) return sent;
    }
    return course.why();
}

result<void> named_client::send_note(bytes_view content) {
    attempts course(*this, nullptr);
    while (provider* p = course.next()) {
        auto sent = p->client->send_note(content);
        if (sent || !course.go_on(sent.error())) return sent;
    }
    return course.why();
}

void named_client::on_note(std::function<void(const note&)> f) {
    const std::lock_guard lock(mutex_);
    for (const auto& p : providers_) p->client->on_note(f);
    listeners_.push_back(std::move(f));
}

result<detail::stream_ends> named_client::open_stream(const rpc::dynamic_stream& s) {
    return open_somewhere(s.options, [&](provider& p) { return p.client->open_stream(s); });
}

std::vector<detail::binding> named_client::bind(const detail::contract_info& contract) {
    auto all = std::make_shared<named_methods>(
        std::static_pointer_cast<named_client>(shared_from_this()), contract);
    return all->bindings();
}

}  // namespace tenon::inline v0::naming

namespace tenon::inline v0 {

client discover(std::string_view name, const discover_options& options) {
    auto core = std::make_shared<naming::named_client>(name, options);
    if (options.wait.count() > 0) core->wait_ready(options.wait).value();
    return client(std::move(core));
}

}  // namespace tenon::inline v0
