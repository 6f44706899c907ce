#pragma once
// What a service is, apart from the code behind it: names, documentation, flags, types. Users meet
// method_description, in `describe` and where functions are added.

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include "tenon/flow.hpp"
#include "tenon/handler.hpp"
#include "tenon/priority.hpp"
#include "tenon/value.hpp"

namespace tenon::inline v0 {

/// Where and how a method's handler runs, and what callers may assume. Set in `describe`.
struct method_flags {
    bool blocking = false;    ///< may sleep or compute for long: runs on the pool, never on a loop
    bool idempotent = false;  ///< running twice does no harm: may be retried
    bool serial = false;      ///< one call at a time
    std::optional<tenon::priority> priority{};  ///< of its calls; none: normal
};

namespace detail {

struct contract_info;

/// An error type that `describe` declares, and how the exception being handled is recognised as one.
struct declared_error {
    const shape* type;
    bool (*caught)(error& found);
};

/// What is known of one method of a contract besides its C++ types.
struct TENON_API method_info {
    std::string name;
    std::string doc;
    method_flags flags;
    std::vector<std::string> param_names;
    std::vector<std::pair<std::string, value>> defaults;
    std::optional<codec> wire_codec;
    const detail::signature* signature = nullptr;
    flow_settings up;                    // of a streaming member: of what the client sends …
    flow_settings down;                  // … and of what the server sends
    std::vector<declared_error> errors;  // besides those of its type; the signature has all

    void set_default(std::string_view param, value v);
    void declare(const declared_error&);
    /// How one side sends, with the window of what it takes.
    flow_settings flow_of(bool server) const;

private:
    std::shared_ptr<const detail::signature>
        own_signature_;  // if `errors` are more than the type's
};

/// Which of a class's described members a pointer to member function means; null: none of them.
using member_finder = method_info* (*)(contract_info&, const void* pointer, const void* type);
template <class T>
inline constexpr char type_tag = 0;  // its address tells types apart

struct contract_info {
    std::string publisher;
    std::string service;
    std::string version;
    std::string doc;
    std::vector<method_info> methods;
    /// The application's own control operations; their names have a dot.
    std::vector<method_info> operations;
    bool control = true;  // see publish_options

    TENON_API method_info& add(std::string_view name, std::string_view params, const signature&);
    /// Of all methods that have none of their own.
    TENON_API void set_priority(priority p);
    TENON_API void check() const;  // names, parameter counts; throws failure(invalid)
    /// The same for a control operation of this service.
    TENON_API void check_operation(const method_info&) const;
};

/// Adds to one method what its C++ type cannot say. Self is what the functions return, for chains.
template <class Self>
class describes {
public:
    Self& doc(std::string text) { return info_->doc = std::move(text), self(); }
    Self& blocking(bool yes = true) { return info_->flags.blocking = yes, self(); }
    Self& idempotent(bool yes = true) { return info_->flags.idempotent = yes, self(); }
    Self& serial(bool yes = true) { return info_->flags.serial = yes, self(); }
    /// How calls wait beside others where they do not say it themselves; see tenon/priority.hpp.
    Self& priority(tenon::priority p) { return info_->flags.priority = p, self(); }
    /// Arguments and results always travel in this codec.
    Self& codec(tenon::codec c) { return info_->wire_codec = c, self(); }
    /// Used where a caller leaves the parameter out. Throws failure(invalid) for an unknown name.
    template <class T>
        requires(!std::is_convertible_v<const T&, value>)
    Self& default_value(std::string_view param, const T& v) {
        return default_value(param, value::from(v));
    }
    Self& default_value(std::string_view param, value v) {
        return info_->set_default(param, std::move(v)), self();
    }
    /// Errors the implementation may throw, by type, besides those that a contract's method declares
    /// itself. Callers get their name and data; see error::details_as().
    template <class... Errors>
    Self& errors() {
        (info_->declare({&shape_of<Errors>(), &caught_as<Errors>}), ...);
        return self();
    }

protected:
    explicit describes(method_info* info) noexcept : info_(info) {}
    method_info* info_;

private:
    Self& self() noexcept { return static_cast<Self&>(*this); }
};

}  // namespace detail

/// One method being described; see detail::describes. Streams: tenon/stream_description.hpp.
class method_description : public detail::describes<method_description> {
public:
    explicit method_description(detail::method_info& info) : describes(&info) {}
};

namespace detail {

/// What describes a member of a contract, or of an exposed class (by the pointer's type).
template <class Member>
struct description_of {
    using type = method_description;
};
template <class Member>
    requires requires { typename Member::described_by; }
struct description_of<Member> {
    using type = typename Member::described_by;
};

}  // namespace detail
}  // namespace tenon::inline v0
