#pragma once
// named_client: the client behind discover(). It knows instances of one service, has a client of
// each that it has called, and sends every call to one of them; a call that surely did not run goes
// to another one.

#include <atomic>
#include <memory>
#include <string>
#include <vector>

#include "base/mutex.hpp"
#include "naming/candidates.hpp"
#include "naming/change_watch.hpp"
#include "rpc/client_core.hpp"
#include "rpc/direct_client.hpp"
#include "tenon/discover.hpp"

namespace tenon::inline v0::naming {

/// One instance and the client of it.
struct provider {
    explicit provider(const candidate& c, const client_options& options)
        : from(c), client(std::make_shared<rpc::direct_client>(c.endpoint, options)) {}

    struct bound {
        const detail::contract_info* contract;
        std::vector<detail::binding> methods;
    };

    const candidate from;
    const std::shared_ptr<rpc::direct_client> client;
    std::atomic<std::uint32_t> outstanding{0};
    std::vector<std::unique_ptr<bound>> contracts;  // guarded by named_client::mutex_
};

class named_client final : public rpc::client_core {
public:
    named_client(std::string_view name, const discover_options& options);
    ~named_client() override;

    const std::string& endpoint() const noexcept override { return text_; }
    const client_options& options() const noexcept override { return options_.client; }
    result<void> wait_ready(std::chrono::milliseconds timeout) override;
    bool is_connected() override;
    result<bytes> call_encoded(std::string_view route, codec c, bytes_view arguments,
                               const call_options& options) override;
    result<void> send(std::string_view route, codec c, bytes_view arguments) override;
    /// To the instance that a call would go to now.
    result<void> send_note(bytes_view content) override;
    /// Of every instance that is called.
    void on_note(std::function<void(const note&)> f) override;
    result<detail::stream_ends> open_stream(const rpc::dynamic_stream& s) override;
    /// The contract must outlive what is bound.
    std::vector<detail::binding> bind(const detail::contract_info& contract) override;

    /// The course of one call over the instances.
    class attempts {
    public:
        attempts(named_client& c, const call_options* options);

        /// The next instance to try; null: there is none left, and error() says why.
        provider* next();
        /// Whether this outcome is not the last word; then next() is to be called.
        bool go_on(const error& e);
        /// The same where the instance cannot even be asked.
        bool move_on(const error& e);
        const error& why() const noexcept { return *why_; }
        /// As given, with what is left of the time.
        const call_options* options() noexcept;
        const std::shared_ptr<provider>& current() const noexcept { return current_; }

    private:
        named_client& client_;
        const call_options* given_;
        call_options adjusted_;
        const base::time_point limit_;
        std::shared_ptr<provider> current_;
        std::vector<std::string> tried_;
        std::optional<error> why_;
    };

    /// A provider's binding of a method.
    detail::target& method_of(provider& p, const detail::contract_info& contract, std::size_t i);

    detail::runtime_core& runtime() const noexcept { return *runtime_; }
    error nobody() const;

    /// Opens a stream at the first instance that can be connected to; `open` does it there.
    template <class F>
    result<detail::stream_ends> open_somewhere(const call_options* options, F open);

private:
    std::shared_ptr<provider> choose(const std::vector<std::string>& tried);
    void rescan(const std::vector<std::string>& tried);
    void drop(std::vector<std::shared_ptr<provider>>::iterator p);
    std::shared_ptr<provider> pick();
    bool may_have_changed();
    /// Whether it may live, all the same.
    bool forget(const std::shared_ptr<provider>& p);

    const service_name name_;
    const std::string text_;
    const discover_options options_;
    const std::shared_ptr<detail::runtime_core> runtime_;

    change_watch* const changes_;  // null where calls stick to one instance, or cannot be made

    base::mutex mutex_;  // guards all below
    std::vector<candidate> candidates_;
    std::vector<std::shared_ptr<provider>> providers_;  // of some of the candidates
    std::vector<std::shared_ptr<provider>> leaving_;    // gone, with calls under way
    std::shared_ptr<provider> current_;                 // where calls stick to one instance
    std::vector<std::function<void(const note&)>> listeners_;
    std::size_t turn_ = 0;
    std::uint64_t changes_seen_ = 0;
};

}  // namespace tenon::inline v0::naming
