#pragma once
// The core of a call: what the templates of tenon/call.hpp stand on. Users need failure_of only.

#include <coroutine>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <type_traits>
#include <utility>

#include "tenon/codec.hpp"
#include "tenon/handler.hpp"
#include "tenon/options.hpp"
#include "tenon/result.hpp"
#include "tenon/task.hpp"

namespace tenon::inline v0 {

/// What a blocking call or co_await throws for an error that the method declares: a failure that
/// also holds the error's data. An undeclared error is thrown as plain failure.
template <class E>
class failure_of : public failure {
public:
    failure_of(tenon::error e, E data) : failure(std::move(e)), data_(std::move(data)) {}
    const E& data() const noexcept { return data_; }

private:
    E data_;
};

struct open_options;  // tenon/stream_core.hpp

namespace detail {

struct stream_ends;  // the same

/// Arguments of one call, as pointers to objects of the parameter types. They are read before the
/// call function returns. Bit i of `movable` says that the i-th may be moved from.
struct call_arguments {
    void* const* items;
    std::uint32_t count;
    std::uint32_t movable;
    const signature* types;
};

/// One asynchronous call under way. Pinned in memory from start() until it has finished or was
/// abandoned.
class TENON_API call_state {
public:
    call_state(const call_state&) = delete;
    call_state& operator=(const call_state&) = delete;

    /// Cancels the call if it is under way; afterwards nothing of it is touched any more. Waits
    /// while its completion runs on another thread.
    void abandon() noexcept;

    /// What came out; nothing: the result was written. Valid once finished.
    std::optional<error> failed;

    // For coroutines.
    bool is_finished() const noexcept;
    /// False: has finished, go on. True: the coroutine is resumed once it has.
    bool suspend(std::coroutine_handle<> h, const call_scope* scope) noexcept;

    /// For callbacks: called once, on the client's loop as user code, or inside target::start() if
    /// the outcome is known at once. May destroy the object.
    virtual void finished() noexcept {}

    // For the library; see src/rpc/outgoing_call.hpp.
    void* internal() noexcept { return storage_; }
    /// The outcome is known before start() returns.
    void finish() noexcept;

protected:
    enum class use : bool { coroutine, callback };
    call_state(void* result, use kind) noexcept;
    ~call_state();

private:
    static constexpr std::size_t storage_size = 384;
    alignas(std::max_align_t) std::byte storage_[storage_size];
};

/// What a bound method calls.
class TENON_API target {
public:
    virtual ~target();
    /// Blocking. The result object is live and of the result type; void: null.
    virtual result<void> call(const call_arguments&, void* result, const call_options*);
    /// Starts `state`; see call_state::finished.
    virtual void start(const call_arguments&, call_state& state, const call_options*);
    /// Opens a stream.
    virtual result<stream_ends> open(const call_arguments&, const open_options*);
    /// Room for an argument, see call_faces::loan().
    virtual blob loan(std::size_t size);
    /// Server side: sets the implementation.
    virtual void implement(std::unique_ptr<handler>);
    virtual void* tag() const noexcept;
};

/// A method's connection to what it calls or implements. One shared pointer.
class TENON_API binding {
public:
    binding() noexcept = default;
    explicit binding(std::shared_ptr<target> t) noexcept : target_(std::move(t)) {}

    /// Throws failure(conflict) where nothing is bound.
    target& get() const {
        if (!target_) unbound();
        return *target_;
    }
    void implement(std::unique_ptr<handler> h) { get().implement(std::move(h)); }
    /// A binding that carries nothing but a tag.
    static binding tagged(void* tag);
    void* tag() const noexcept { return target_ ? target_->tag() : nullptr; }

private:
    [[noreturn]] static void unbound();

    std::shared_ptr<target> target_;
};

template <class... Errors>
[[noreturn]] void throw_failure(error e) {
    [[maybe_unused]] const auto as = [&]<class E>(std::type_identity<E>) {
        if (e.name() != shape_of<E>().name) return;
        if (auto data = e.details_as<E>()) throw failure_of<E>(e, *std::move(data));
    };
    (as(std::type_identity<Errors>{}), ...);
    throw failure(std::move(e));
}

}  // namespace detail
}  // namespace tenon::inline v0
