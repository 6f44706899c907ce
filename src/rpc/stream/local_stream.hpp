#pragma once
// local_stream: a stream to a server in the same process. Objects are handed over; nothing is
// encoded unless the two sides were compiled with different types.

#include <atomic>
#include <memory>

#include "rpc/local_call.hpp"
#include "rpc/service_call.hpp"
#include "rpc/stream/inlet.hpp"
#include "rpc/stream/outlet.hpp"

namespace tenon::inline v0::rpc {

/// Ends the call that begin() began, once it has been served. `flow` is of what the client sends.
result<detail::stream_ends> open_local_stream(direct_client& client, const local_method& method,
                                              const local_request& rq,
                                              const detail::stream_types& types,
                                              const detail::flow_settings& flow,
                                              const stream_start& start,
                                              const stream_origin& origin);

}  // namespace tenon::inline v0::rpc
