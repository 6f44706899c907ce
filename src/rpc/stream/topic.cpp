// What tenon/topic.hpp stands on.

#include "tenon/topic.hpp"

#include <algorithm>
#include <vector>

#include "base/mutex.hpp"

namespace tenon::inline v0::detail {

namespace {

const topic_options& checked(const topic_options& o) {
    if (o.policy == overflow::block)
        throw failure(error(errc::invalid, "a topic does not wait for its subscribers"));
    return o;
}

class topic_core final : public fan_out {
public:
    explicit topic_core(const topic_options& options) : options_(checked(options)) {}

    void add(std::shared_ptr<outlet> to, const topic_options* options) override {
        if (options) to->set_flow(flow_of(checked(*options), 0));
        else if (to->flow().overflow == overflow::block) to->set_flow(flow_of(options_, 0));
        subscribers gone;
        const std::lock_guard lock(mutex_);
        if (closed_) return end(*to);
        // Those that have ended are looked for now and then, so that their number is bounded even
        // if nothing is ever published.
        if (all_.size() >= sweep_at_) {
            sweep(gone);
            sweep_at_ = 2 * all_.size() + few;
        }
        all_.push_back(std::move(to));
    }

    void publish(const void* value) override {
        subscribers gone;
        const std::lock_guard lock(mutex_);
        if (closed_) throw failure(error(errc::conflict, "the topic is closed"));
        ++published_;
        bool any_closed = false;
        for (const auto& s : all_)
            any_closed |= s->try_send(const_cast<void*>(value), false) == departure::closed;
        if (any_closed) sweep(gone);
    }

    void close(std::optional<error> why) override {
        subscribers gone;
        const std::lock_guard lock(mutex_);
        if (closed_) return;
        closed_ = true;
        why_ = std::move(why);
        for (const auto& s : all_) {
            lost_ += s->stats().lost;
            end(*s);
        }
        gone.swap(all_);
    }

    topic_stats stats() override {
        subscribers gone;
        const std::lock_guard lock(mutex_);
        sweep(gone);
        topic_stats s{all_.size(), published_, lost_};
        for (const auto& one : all_) s.lost += one->stats().lost;
        return s;
    }

    const topic_options& options() const noexcept override { return options_; }

private:
    using subscribers = std::vector<std::shared_ptr<outlet>>;
    static constexpr std::size_t few = 16;

    // Mutex held. What `gone` gets is let go of without it.
    void sweep(subscribers& gone) {
        const auto open = [](const auto& s) { return s->is_open(); };
        const auto first = std::stable_partition(all_.begin(), all_.end(), open);
        for (auto i = first; i != all_.end(); ++i) {
            lost_ += (*i)->stats().lost;
            gone.push_back(std::move(*i));
        }
        all_.erase(first, all_.end());
    }
    void end(outlet& to) noexcept {
        if (why_) to.fail(*why_);
        else to.finish();
    }

    const topic_options options_;

    base::mutex mutex_;  // guards all below; also keeps the order of values
    subscribers all_;
    std::size_t sweep_at_ = few;
    std::uint64_t published_ = 0;
    std::uint64_t lost_ = 0;  // of subscribers that have gone
    bool closed_ = false;
    std::optional<error> why_;
};

}  // namespace

fan_out::~fan_out() = default;

std::shared_ptr<fan_out> fan_out::make(const topic_options& options) {
    return std::make_shared<topic_core>(options);
}

flow_settings flow_of(const topic_options& o, std::uint32_t window) {
    return {o.policy, o.buffer, window, o.same_key};
}

}  // namespace tenon::inline v0::detail
