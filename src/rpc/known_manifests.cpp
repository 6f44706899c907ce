#include "rpc/known_manifests.hpp"

#include <mutex>

#include "codec/codec.hpp"
#include "rpc/client_core.hpp"
#include "rpc/method_table.hpp"

namespace tenon::inline v0::rpc {

std::optional<manifest> known_manifests::find(std::string_view service) {
    const std::lock_guard lock(mutex_);
    const auto at = by_service_.find(service);
    if (at == by_service_.end()) return std::nullopt;
    return at->second;
}

result<manifest> known_manifests::fetch(client_core& client, std::string_view service,
                                        const call_options& how) {
    const auto known = find(service);
    base::byte_buffer arguments;
    const value list = value::list({service, known ? known->hash() : std::string()});
    TENON_TRY(coding::encode_value(codec::msgpack, list, arguments));
    const auto ask = [&] {
        return client.call_encoded("tenon/control.manifest", codec::msgpack, arguments.view(), how);
    };
    auto answer = ask();
    // It may be the first call after the server has been restarted.
    if (!answer && answer.error().code() == errc::unavailable) answer = ask();
    if (!answer) return std::move(answer).error();
    auto content = coding::decode_value(codec::msgpack, *answer);
    if (!content) return std::move(content).error();
    if (content->is_nil() && known) return *known;
    auto got = manifest::from(*std::move(content));
    if (!got)
        return error(errc::data_loss,
                     "what the server gave is no manifest: " + std::string(got.error().message()));
    const std::lock_guard lock(mutex_);
    by_service_.insert_or_assign(std::string(service), *got);
    any_.store(true, std::memory_order_relaxed);
    return got;
}

result<void> known_manifests::check(client_core& client, std::string_view route,
                                    const value& arguments, codec c, const call_options& how,
                                    checking check_of) {
    // Relaxed: a call that does not come after fetch() need not be checked.
    if (!any_.load(std::memory_order_relaxed)) return {};
    const std::string_view service = service_of(route);
    const auto known = find(service);
    if (!known || service.size() == route.size()) return {};
    const std::string_view member = route.substr(service.size() + 1);
    auto fits = ((*known).*check_of)(member, arguments, c);
    if (fits) return fits;
    if (const auto now = fetch(client, service, how); now && now->hash() != known->hash())
        fits = ((*now).*check_of)(member, arguments, c);
    if (!fits) return std::move(fits).error().set_may_have_run(false);
    return fits;
}

}  // namespace tenon::inline v0::rpc
