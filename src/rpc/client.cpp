#include "tenon/client.hpp"

#include "codec/codec.hpp"
#include "rpc/direct_client.hpp"

namespace tenon::inline v0 {

client::client(std::string_view endpoint, const client_options& options)
    : core_(std::make_shared<rpc::direct_client>(endpoint, options)) {}

client connect(std::string_view endpoint, const client_options& options) {
    return client(endpoint, options);
}

result<void> client::wait_ready(std::chrono::milliseconds timeout) {
    return core_->wait_ready(timeout);
}
bool client::is_connected() const { return core_->is_connected(); }
const std::string& client::endpoint() const noexcept { return core_->endpoint(); }

result<value> client::try_call(std::string_view route, const value& arguments,
                               const call_options& options) {
    const codec c = core_->options().codec;
    TENON_TRY(core_->manifests().check(*core_, route, arguments, c, options));
    base::byte_buffer encoded;
    TENON_TRY(coding::encode_value(c, arguments, encoded));
    auto answer = core_->call_encoded(route, c, encoded.view(), options);
    if (!answer) return std::move(answer).error();
    return coding::decode_value(c, *answer);
}

result<bytes> client::try_call_encoded(std::string_view route, codec c, bytes_view arguments,
                                       const call_options& options) {
    return core_->call_encoded(route, c, arguments, options);
}

result<void> client::send(std::string_view route, const value& arguments) {
    const codec c = core_->options().codec;
    TENON_TRY(core_->manifests().check(*core_, route, arguments, c, {}));
    base::byte_buffer encoded;
    TENON_TRY(coding::encode_value(c, arguments, encoded));
    return core_->send(route, c, encoded.view());
}

result<tenon::manifest> client::manifest(std::string_view service, const call_options& options) {
    return core_->manifests().fetch(*core_, service, options);
}

std::vector<detail::binding> client::bind(const detail::contract_info& contract) const {
    return core_->bind(contract);
}

}  // namespace tenon::inline v0
