#pragma once
// Calls to a server in the same process: typed objects are handed over, nothing is encoded unless
// the two sides were compiled with different types.
//
// Quick handlers run on the caller's thread. In process a deadline is a request to stop, because
// the handler may look at what lies on the caller's stack: the call returns when the handler does.

#include <atomic>
#include <deque>
#include <memory>
#include <string>

#include "base/mutex.hpp"
#include "rpc/notes.hpp"
#include "rpc/outgoing_call.hpp"
#include "rpc/service_call.hpp"

namespace tenon::inline v0::rpc {

class direct_client;
class server_core;

/// What a server knows of an in-process client.
class local_session final : public session, public std::enable_shared_from_this<local_session> {
public:
    /// A session with whoever serves that name.
    local_session(detail::runtime_core& runtime, const std::string& name);

    const peer_info& peer() const noexcept override { return this_process; }
    std::uint64_t id() const noexcept override { return 0; }

    result<void> note(const value& content) override;
    note_receiver& to_client() noexcept { return *to_client_; }
    note_receiver& to_server();

    static const peer_info this_process;

private:
    void tell_server(const tenon::note& n);

    detail::runtime_core& runtime_;  // the client's, and so is this
    const std::string name_;
    loop::event_loop& loop_;
    const std::shared_ptr<note_receiver> to_client_;
    base::mutex mutex_;                         // guards to_server_
    std::shared_ptr<note_receiver> to_server_;  // made when it is first needed
};

/// What an in-process call is made of. The views are read before the call function returns.
struct local_request {
    const detail::call_arguments* typed = nullptr;  // either these, if the types are the same …
    codec wire_codec = codec::msgpack;              // … or encoded ones
    bytes_view encoded;
    base::time_point deadline = base::never;
    cancellation* cancel = nullptr;
    std::optional<priority> urgency;  // none: the method's
};

/// Where the result goes: an object of the method's own type (`shape` null, `typed`), of another
/// type that is decoded (`shape`), or the encoded bytes (neither).
struct local_result {
    void* object = nullptr;
    const shape* decoded_as = nullptr;
    bool typed = false;
};

/// A running in-process server and one of its methods.
struct local_method {
    std::shared_ptr<server_core> server;
    method_entry* method = nullptr;
    bool same_types = false;
};

/// Finds a method by route and remembers it as long as its server runs. Thread-safe.
class local_resolver {
public:
    /// The member, with server_core::begin_call() done; `unsupported` if it is a stream and a method
    /// is meant, or the reverse. `types` null: never the same types.
    result<const local_method*> begin(const direct_client& client, std::string_view route,
                                      const detail::signature* types, bool is_stream);

private:
    std::atomic<const local_method*> current_{nullptr};
    base::mutex mutex_;             // guards all_
    std::deque<local_method> all_;  // grows by one per server restart; never shrinks, see current_
};

/// Fills in a call that is about to be served.
void fill_local_call(service_call& call, const local_request& rq, const server_core& server,
                     loop::event_loop& loop);

/// Both end the call that begin() began.
result<void> call_local(direct_client& client, const local_method& method, const local_request& rq,
                        const local_result& out);
void start_local(direct_client& client, const local_method& method, const local_request& rq,
                 const local_result& out, async_call& call);

}  // namespace tenon::inline v0::rpc
