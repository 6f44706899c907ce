#pragma once
// A client of one endpoint: how a call to it is prepared, sent and, where that is safe, repeated.

#include <memory>
#include <string>

#include "rpc/client_connection.hpp"
#include "rpc/client_core.hpp"
#include "rpc/local_call.hpp"
#include "rpc/runtime_core.hpp"

namespace tenon::inline v0::rpc {

class direct_client final : public client_core {
public:
    direct_client(std::string_view endpoint, const client_options& options);
    ~direct_client() override;

    const std::string& endpoint() const noexcept override { return text_; }
    const client_options& options() const noexcept override { return options_; }
    detail::runtime_core& runtime() const noexcept { return *runtime_; }
    bool is_local() const noexcept { return endpoint_.kind == transport::scheme::inproc; }

    result<void> wait_ready(std::chrono::milliseconds timeout) override;
    bool is_connected() override;
    /// Connects if need be, without waiting: an error if nobody is there, as far as that can be told
    /// at once.
    result<void> begin_to_connect();
    /// See client_connection.
    bool is_serving() { return connection_ ? connection_->is_serving() : is_connected(); }
    bool is_leaving() { return connection_ && connection_->is_leaving(); }
    std::uint32_t async_calls() { return connection_ ? connection_->async_calls() : 0; }

    /// The in-process server, if it runs now.
    std::shared_ptr<server_core> local_server() const { return runtime_->find(endpoint_.name); }
    client_connection& connection() noexcept { return *connection_; }

    blob loan(std::size_t size);

    /// Deadline and cancellation of a call made now, with what it inherits from the handler that
    /// makes it.
    struct bounds {
        base::time_point deadline = base::never;
        cancellation* cancel = nullptr;
        priority urgency = priority::normal;
        bool tells = false;  // the server, because it is not what the method declares
        std::optional<priority> told() const {
            return tells ? std::optional(urgency) : std::nullopt;
        }
    };
    bounds bounds_of(const call_options* options, priority declared = priority::normal) const {
        return bounds_of(options_, *runtime_, options, declared);
    }
    /// The same of a stream. The client's own timeout does not end it. Nor does it refer to what
    /// cancels the handler that opens it, because it may outlive that; waits there do.
    bounds bounds_of_stream(const call_options* options,
                            priority declared = priority::normal) const;
    static bounds bounds_of(const client_options& of_client, const detail::runtime_core& runtime,
                            const call_options* options, priority declared = priority::normal);

    /// Sends an encoded call and waits; repeats it where that does no harm. `metadata` is the part
    /// that does not change from call to call; without a result shape `result` is a tenon::bytes.
    result<void> call(bytes_view metadata, wire::outgoing payload, codec c,
                      const shape* result_shape, void* result, const bounds& b, bool idempotent);
    /// The payload must not be lent.
    void start(bytes_view metadata, wire::outgoing payload, codec c, const shape* result_shape,
               async_call& call, const bounds& b);

    /// Opens a stream with encoded arguments.
    detail::stream_ends open(bytes_view metadata, bytes_view arguments, const stream_plan& plan,
                             const bounds& b, stream_status status);

    result<bytes> call_encoded(std::string_view route, codec c, bytes_view arguments,
                               const call_options& options) override;
    result<void> send(std::string_view route, codec c, bytes_view arguments) override;
    result<void> send_note(bytes_view content) override;
    void on_note(std::function<void(const note&)> f) override;
    result<detail::stream_ends> open_stream(const dynamic_stream& s) override;
    std::vector<detail::binding> bind(const detail::contract_info& contract) override;

    /// Whether this client may use the codec at its endpoint.
    result<void> check_codec(codec c) const;
    /// Routing metadata, and the codec if it is not the connection's.
    void put_metadata(base::byte_buffer& to, std::string_view route, codec c) const;

    const std::shared_ptr<detail::runtime_core>& shared_runtime() const noexcept {
        return runtime_;
    }
    /// What in-process servers know of this client; null for other endpoints.
    const std::shared_ptr<local_session>& session() const noexcept { return session_; }

private:
    result<bytes> call_encoded_here(std::string_view route, codec c, bytes_view arguments,
                                    const bounds& b);
    struct repetition {
        unsigned attempts = 0;       // that count
        bool free_one_used = false;  // the one for a connection that was found broken
    };
    bool may_repeat(const error& e, repetition& r, bool idempotent, bool was_open,
                    const bounds& b) const;

    const transport::endpoint endpoint_;
    const std::string text_;
    const client_options options_;
    const std::shared_ptr<detail::runtime_core> runtime_;
    std::shared_ptr<local_session> session_;
    client_connection* connection_ = nullptr;  // null for in-process endpoints
};

}  // namespace tenon::inline v0::rpc
