#include "tenon/client.hpp"

#include "codec/codec.hpp"
#include "rpc/direct_client.hpp"
#include "tenon/client_streams.hpp"

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

namespace {

result<detail::stream_ends> try_open(const client& c, std::string_view route,
                                     const value& arguments, const detail::stream_types& types,
                                     const stream_options& options) {
    rpc::client_core& core = c.core();
    const codec wire_codec = options.codec.value_or(core.options().codec);
    base::byte_buffer encoded;
    if (wire_codec == codec::raw) {
        // The bytes of the one parameter, if there is one.
        const bool is_list = arguments.is_array() && arguments.size() <= 1;
        const value one = !is_list ? arguments : arguments.size() == 1 ? arguments[0] : value();
        TENON_TRY(coding::encode_value(wire_codec, one, encoded));
    } else {
        TENON_TRY(core.manifests().check_open(core, route, arguments, wire_codec, options));
        TENON_TRY(coding::encode_value(wire_codec, arguments, encoded));
    }
    const bool has_arguments = arguments.size() != 0;
    return core.open_stream({route, encoded.view(), wire_codec, &types, &options, has_arguments});
}

}  // namespace

namespace detail {

stream_ends open_by_route(const client& c, std::string_view route, const value& arguments,
                          const stream_types& types, const stream_options& options) {
    auto opened = try_open(c, route, arguments, types, options);
    return opened ? *std::move(opened) : failed_stream(types, std::move(opened).error());
}

}  // namespace detail

}  // namespace tenon::inline v0
