#pragma once
// What a handler may ask about the call it serves.

#include <chrono>
#include <cstdint>
#include <optional>
#include <string_view>

#include "tenon/blob.hpp"
#include "tenon/bytes.hpp"
#include "tenon/export.hpp"
#include "tenon/priority.hpp"

namespace tenon::inline v0 {

class cancellation;
class session;        // tenon/session.hpp
class served_stream;  // the same

/// The other end of a connection.
struct peer_info {
    std::string_view transport;    ///< "inproc", "shm", "unix", "tcp"
    std::string_view address;      ///< "127.0.0.1:40312"; empty where the transport has none
    bool has_credentials = false;  ///< the kernel vouches for the three below
    std::int64_t pid = -1;
    std::uint32_t uid = 0;
    std::uint32_t gid = 0;
};

/// One call being served. A handler that wants it takes `tenon::context&` as its first parameter.
/// Valid until the handler has returned (a coroutine handler: until it has finished); views obtained
/// from it live as long. Every function may be called from any thread.
class TENON_API context {
public:
    context(const context&) = delete;
    context& operator=(const context&) = delete;

    /// "publisher/service.method" as called.
    std::string_view route() const noexcept;

    const peer_info& peer() const noexcept;

    /// The connection that the call came over, and the stream that is served: for objects of the
    /// program's own; see tenon/session.hpp. Of a call that is no stream stream() throws
    /// failure(conflict).
    tenon::session& session() noexcept;
    served_stream& stream();

    /// The time by which the caller wants the answer; nothing if it set no limit. Tenon calls made
    /// inside the handler inherit it.
    std::optional<std::chrono::steady_clock::time_point> deadline() const noexcept;

    /// Of this call: the caller's, or what `describe` says. Calls made inside the handler do not
    /// inherit it.
    tenon::priority priority() const noexcept;

    /// True once the caller gave up, its connection broke, or the deadline passed. Long handlers
    /// look at it now and then; what they return after that is dropped. A handler that runs in
    /// place on a loop occupies what would read a remote caller's giving up, so that reaches it
    /// once another thread has taken the loop over: after 2 ms, or at its first Tenon call that
    /// waits.
    bool cancelled() const noexcept;

    /// For waiting on, or handing to other calls; see tenon/task.hpp.
    tenon::cancellation& cancellation() noexcept;

    /// Room for a result of this size: in memory that the caller sees, if the call came over shared
    /// memory and there is some left, so that the result is not copied; else in memory of its own.
    blob loan(std::size_t size);

    /// W3C traceparent of the caller; empty if it sent none.
    std::string_view trace() const noexcept;

protected:
    context() = default;
    ~context() = default;
};

}  // namespace tenon::inline v0
