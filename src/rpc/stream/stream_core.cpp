// What the templates of tenon/stream.hpp call.

#include <cstring>

#include "base/random.hpp"
#include "rpc/stream/inlet.hpp"
#include "rpc/stream/outlet.hpp"
#include "tenon/delivery.hpp"
#include "tenon/stream.hpp"

namespace tenon::inline v0::detail {

namespace {

constexpr call_scope empty_scope{};

}  // namespace

inlet::~inlet() = default;
seek_listener::~seek_listener() = default;
outlet::~outlet() = default;

arrival inlet::outcome_of(stream_wait& w) noexcept { return w.get<rpc::inlet_waiter>().outcome; }
departure outlet::outcome_of(stream_wait& w) noexcept {
    return w.get<rpc::outlet_waiter>().outcome;
}

void throw_stream_failure(error e) { throw failure(std::move(e)); }
error no_stream() { return error(errc::conflict, "this is no stream"); }
error given_up() { return error(errc::cancelled, "given up by the caller"); }

stream_origin random_origin() {
    stream_origin o;
    for (std::size_t i = 0; i < o.session.size(); i += sizeof(std::uint64_t)) {
        const std::uint64_t part = base::random_seed();
        std::memcpy(o.session.data() + i, &part, sizeof part);
    }
    return o;
}

const call_scope& handler_scope() noexcept { return empty_scope; }

}  // namespace tenon::inline v0::detail
