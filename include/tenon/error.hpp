#pragma once
// The closed set of failures a call can end with, and the error object that carries one.
//
// Every code has one number on each wire (RSocket, HTTP, JSON-RPC) and one exit code of the
// command line; docs/operate.md lists them. A service's own errors all have the code `failed` and
// tell themselves apart by name.

#include <chrono>
#include <cstdint>
#include <exception>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "tenon/bytes.hpp"
#include "tenon/export.hpp"

namespace tenon::inline v0 {

enum class errc : std::uint8_t {
    failed = 1,   ///< the service's own error; see error::name() and error::details()
    overloaded,   ///< refused for lack of room; the call surely did not run
    cancelled,    ///< given up by the caller, or its client went away
    invalid,      ///< arguments, message or state that can never work
    deadline,     ///< not finished in time
    unavailable,  ///< no connection to the service, or it was lost
    not_found,    ///< no such service or file
    denied,       ///< the caller is not allowed to do this
    conflict,     ///< the name or address is taken, or the state has changed meanwhile
    unsupported,  ///< the other side does not offer what was asked for
    internal,     ///< a defect of the service, such as an exception of unknown type
    data_loss,    ///< what arrived is damaged or incomplete
};

/// The code's name as spelled above. Unknown values give "unknown".
TENON_API std::string_view to_string(errc code) noexcept;

/// The code with that name, if there is one.
TENON_API std::optional<errc> errc_from_string(std::string_view name) noexcept;

/// What a command ends with for this failure: 10 to 21; docs/operate.md has the table.
TENON_API int exit_code(errc code) noexcept;

/// One failure: a code, a message for people, and what the program may need to know of it.
/// A value type; copies share their text. Reading is thread-safe, changing is not.
class TENON_API error {
public:
    /// Without a message the code's name stands in for it.
    explicit error(errc code, std::string message = {});

    errc code() const noexcept { return code_; }
    std::string_view message() const noexcept;

    /// The service's name of the error; empty unless code() is `failed` and the service named it.
    std::string_view name() const noexcept;

    /// Who reported it, as "publisher/service.member" or an endpoint; empty if it arose here.
    std::string_view origin() const noexcept;

    /// False only if the call surely did not run, so that it may be repeated without harm.
    bool may_have_run() const noexcept { return may_have_run_; }

    /// How long to wait before trying again, where the other side said so.
    std::optional<std::chrono::milliseconds> retry_after() const noexcept;

    /// The service's data of the error, one MessagePack value; empty if there is none.
    /// Valid while this error, or a copy of it, lives.
    bytes_view details() const noexcept;

    /// details() as a described type; nothing if absent or of another shape.
    /// Defined in tenon/codec.hpp.
    template <class T>
    std::optional<T> details_as() const;

    error& set_name(std::string name);
    error& set_origin(std::string origin);
    error& set_details(bytes msgpack);
    error& set_retry_after(std::chrono::milliseconds delay);
    error& set_may_have_run(bool value) noexcept;

    /// "invalid: order.items[3].price: expected number, got string", with name and origin if set.
    std::string to_string() const;

private:
    struct text;
    text& own();  // this object's text, not shared with any copy

    errc code_;
    bool may_have_run_ = true;
    std::shared_ptr<text> text_;
};

/// An error in flight, as thrown by result<T>::value() and by blocking calls.
class TENON_API failure : public std::exception {
public:
    explicit failure(tenon::error e);
    const tenon::error& error() const noexcept { return error_; }
    errc code() const noexcept { return error_.code(); }
    const char* what() const noexcept override { return what_->c_str(); }

private:
    tenon::error error_;
    std::shared_ptr<const std::string> what_;
};

}  // namespace tenon::inline v0
