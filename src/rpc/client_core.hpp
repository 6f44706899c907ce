#pragma once
// What stands behind tenon::client: one endpoint (direct_client), or whoever serves a name.

#include <chrono>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "rpc/known_manifests.hpp"
#include "tenon/client.hpp"
#include "tenon/stream_core.hpp"

namespace tenon::inline v0 {
struct note;
}  // namespace tenon::inline v0

namespace tenon::inline v0::rpc {

/// A stream that is opened by its member's name. The views are read before it is open.
struct dynamic_stream {
    std::string_view route;
    bytes_view arguments;
    codec wire_codec;
    const detail::stream_types* types;  // what this side sends and takes
    const open_options* options;
    bool has_arguments;
};

/// Thread-safe. See tenon::client for what each function promises.
class client_core : public std::enable_shared_from_this<client_core> {
public:
    virtual ~client_core() = default;

    /// Where it connects to, or the name it looks for.
    virtual const std::string& endpoint() const noexcept = 0;
    virtual const client_options& options() const noexcept = 0;
    virtual result<void> wait_ready(std::chrono::milliseconds timeout) = 0;
    virtual bool is_connected() = 0;

    virtual result<bytes> call_encoded(std::string_view route, codec c, bytes_view arguments,
                                       const call_options& options) = 0;
    virtual result<void> send(std::string_view route, codec c, bytes_view arguments) = 0;
    virtual result<void> send_note(bytes_view content) = 0;
    virtual void on_note(std::function<void(const note&)> f) = 0;
    virtual result<detail::stream_ends> open_stream(const dynamic_stream& s) = 0;

    /// What the methods of a contract call, in their order.
    virtual std::vector<detail::binding> bind(const detail::contract_info& contract) = 0;

    known_manifests& manifests() noexcept { return manifests_; }

private:
    known_manifests manifests_;
};

}  // namespace tenon::inline v0::rpc
