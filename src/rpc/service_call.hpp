#pragma once
// service_call: one call being served, the object behind tenon::context.
//
// Quick calls live on the stack of the thread that serves them. Calls that outlast it (coroutines,
// the pool, waiting for a serial method) are *kept*: copied to recycled memory and counted.

#include <atomic>
#include <optional>
#include <string>

#include "base/block.hpp"
#include "base/buffer.hpp"
#include "base/clock.hpp"
#include "base/intrusive.hpp"
#include "loop/worker_pool.hpp"
#include "rpc/method_table.hpp"
#include "tenon/call.hpp"
#include "tenon/cancellation.hpp"
#include "tenon/context.hpp"
#include "tenon/session.hpp"
#include "tenon/stream_core.hpp"
#include "tenon/task.hpp"
#include "wire/session.hpp"

namespace tenon::inline v0 {

namespace detail {
class runtime_core;
}  // namespace detail

namespace rpc {

/// Where the answer of a call goes: a connection, or an in-process caller.
class reply_path {
public:
    /// The result (of the method's result type, void: null) may be moved from.
    virtual void answer(service_call& call, void* result) = 0;
    virtual void fail(service_call& call, const error& e) = 0;
    /// The stack call became `kept`, which has its own share in the path from now on …
    virtual void keep(service_call& from, service_call& kept) = 0;
    /// … given back here, when the kept call is about to be destroyed.
    virtual void release(service_call& kept) noexcept = 0;
    /// The scope the caller is in.
    virtual scopes from() const noexcept = 0;
    virtual tenon::session& session_of() noexcept = 0;
    /// Null: not of a stream.
    virtual served_stream* stream_of() noexcept { return nullptr; }
    /// Room for a result, where the caller sees it if that is possible.
    virtual blob loan(std::size_t size) { return blob(size); }

protected:
    ~reply_path() = default;
};

class service_call final : public context, public loop::job, public base::list_hook<serial_gate> {
public:
    service_call(detail::runtime_core& runtime, method_entry& method, reply_path& path,
                 const peer_info& peer) noexcept
        : runtime_(runtime), method_(&method), path_(&path), peer_(&peer) {}
    ~service_call() = default;

    static service_call& of(context& c) noexcept { return static_cast<service_call&>(c); }
    static const service_call& of(const context& c) noexcept {
        return static_cast<const service_call&>(c);
    }

    method_entry& method() const noexcept { return *method_; }
    detail::runtime_core& runtime() const noexcept { return runtime_; }
    const peer_info& peer_of() const noexcept { return *peer_; }
    scopes from() const noexcept { return path_->from(); }
    reply_path& path() const noexcept { return *path_; }

    /// Serves the call where it belongs: here, on the pool, or when its serial method is free.
    /// `may_block`: the calling thread may run blocking handlers.
    void dispatch(bool may_block);

    /// Copies what lies in the receive buffer, which another thread may use once a handler runs.
    void own_input();

    /// A counted copy in recycled memory that takes over the content; this object is spent.
    service_call& keep();
    bool is_kept() const noexcept { return refs_.load(std::memory_order_relaxed) != 0; }
    void add_ref() noexcept { refs_.fetch_add(1, std::memory_order_relaxed); }
    /// For who only has a guarded pointer. False: on a stack, or about to end.
    bool try_add_ref() noexcept {
        std::uint32_t n = refs_.load(std::memory_order_relaxed);
        while (n != 0)
            if (refs_.compare_exchange_weak(n, n + 1, std::memory_order_relaxed)) return true;
        return false;
    }
    void release() noexcept;

    /// A call on a stack whose loop went on without it is attached to its stream and may be
    /// cancelled; between pin() and unpin() it does not end.
    void pin() noexcept { pins_.fetch_add(1, std::memory_order_relaxed); }
    void unpin() noexcept { pins_.fetch_sub(1, std::memory_order_release); }
    void wait_for_pins() const noexcept;

    /// Whether the calling thread is inside a handler of one of these methods.
    static bool serving(const method_table& methods) noexcept;

    blob loan(std::size_t size) { return path_->loan(size); }
    bool decode(void* const* objects) noexcept;
    /// The handler has ended, and with it what views among its parameters point to. In debug builds
    /// that memory, which must still be this call's, is written over, so that who kept one notices.
    void forget_arguments() noexcept;
    void answer(void* result) noexcept;
    void fail(error e) noexcept;

    // On the pool.
    void run() noexcept override;
    void drop() noexcept override;

    static void* operator new(std::size_t size) { return detail::frame_allocate(size); }
    static void operator delete(void* p, std::size_t size) noexcept { detail::frame_free(p, size); }

    // Content, filled in by the path.
    codec wire_codec = codec::msgpack;
    bytes_view data;                                // encoded arguments …
    const detail::call_arguments* local = nullptr;  // … or an in-process caller's
    base::byte_buffer storage;                      // what `data` lies in, if this call owns it …
    base::block_ref lies_in;                        // … or shares it
    base::byte_buffer arena;                        // for decoded views
    base::byte_buffer parked;                       // receive buffer of a connection that went on
    const decode_options* decoding = nullptr;
    std::string_view trace;  // in trace_storage once kept
    std::string trace_storage;
    call_scope scope;
    tenon::cancellation cancel;
    base::time_point deadline = base::never;
    wire::stream_ref stream;
    std::unique_ptr<detail::stream_ends> ends;  // of a stream, until they are accepted
    bool wants_answer = true;
    bool caller_waits = false;  // `local` stays valid until the call is answered
    bool cleared = false;       // see server_connection::in_place_
    bool holds_path = false;
    bool outlived = false;  // its loop went on without it; guarded by the connection's mutex

private:
    bool decode_local(void* const* objects);
    bool own_arguments() noexcept;  // those of a caller that does not wait are encoded
    void serve() noexcept;
    void submit_to_pool();
    void settle() noexcept;

    detail::runtime_core& runtime_;
    method_entry* method_;
    reply_path* path_;
    const peer_info* peer_;
    std::atomic<std::uint32_t> refs_{0};   // 0: on the stack
    method_counters* counters_ = nullptr;  // of this loop or thread
    unsigned weight_ = 0;     // in the method's latency; 0: not measured; kept: always 1
    base::time_point begun_;  // if measured
    std::atomic<std::uint32_t> pins_{0};
    bool answered_ = false;
    bool in_gate_ = false;  // leaves the method's gate when it ends
};

}  // namespace rpc
}  // namespace tenon::inline v0
