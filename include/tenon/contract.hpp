#pragma once
// The contract: one struct of methods that the server fills in and the client calls.
//
//     struct math {
//         tenon::method<int(int, int)>            plus;
//         tenon::method<std::string(std::string)> greet;
//     };
//     TENON_INTERFACE(math, "demo", "math", "1.0.0", (plus, a, b), (greet, who))
//
// A static member function `describe` of the struct may add documentation, flags and defaults:
//
//     static void describe(tenon::description<math>& d) {
//         d.doc("Arithmetic and manners.");
//         d[&math::plus].doc("Adds.").idempotent().default_value("b", 1);
//     }

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "tenon/call.hpp"
#include "tenon/description.hpp"
#include "tenon/for_each.hpp"
#include "tenon/handler.hpp"

namespace tenon::inline v0 {

/// Handed to the `describe` of a contract, or of a class exposed with TENON_SERVICE.
template <class Contract>
class description {
public:
    description(detail::contract_info& info, Contract& prototype)
        : info_(info), prototype_(&prototype) {}
    description(detail::contract_info& info, detail::member_finder find)
        : info_(info), find_(find) {}

    description& doc(std::string text) {
        info_.doc = std::move(text);
        return *this;
    }

    /// Of all methods for which nothing else is said.
    description& priority(tenon::priority p) {
        info_.set_priority(p);
        return *this;
    }

    /// d[&math::plus]. Gives a method_description, of streams a stream_description. Throws
    /// failure(invalid) for a member function that is not exposed.
    template <class Member, class Class>
    auto operator[](Member Class::*which) {
        if constexpr (std::is_function_v<Member>) {
            using pointer = Member Class::*;
            using described = typename detail::description_of<pointer>::type;
            return described(member(&which, &detail::type_tag<pointer>));
        } else {
            using described = typename detail::description_of<Member>::type;
            return described(*static_cast<detail::method_info*>((prototype_->*which).tag()));
        }
    }

private:
    detail::method_info& member(const void* pointer, const void* type) {
        detail::method_info* found = find_ ? find_(info_, pointer, type) : nullptr;
        if (!found) throw failure(error(errc::invalid, "describe() names a member not exposed"));
        return *found;
    }

    detail::contract_info& info_;
    Contract* prototype_ = nullptr;         // of a contract …
    detail::member_finder find_ = nullptr;  // … or of an exposed class
};

/// One request/response member of a contract: R is what it returns, Errors are the described types
/// of the errors it declares.
///
/// On the server, assign a function, lambda, functor or coroutine that takes the arguments (after
/// an optional tenon::context&) and returns R, result<R>, task<R> or task<result<R>>. It may be
/// called from several threads at once unless the method is `serial`. Assigning after the server
/// has started throws failure(conflict).
///
/// On the client, call it; see call_faces for the ways to. Copies call the same service.
template <class Signature, class... Errors>
class method;

template <class R, class... Args, class... Errors>
class method<R(Args...), Errors...>
    : public detail::call_faces<method<R(Args...), Errors...>, R, std::tuple<std::decay_t<Args>...>,
                                std::tuple<Errors...>> {
    using params = std::tuple<std::decay_t<Args>...>;
    using errors = std::tuple<Errors...>;

public:
    static constexpr const detail::signature& signature() {
        return detail::signature_holder<R, params, errors>::value;
    }

    /// Whether an F can implement this method.
    template <class F>
    static constexpr bool accepts = detail::fits<F, R, std::decay_t<Args>...>;

    template <class F>
        requires(!std::is_same_v<std::remove_cvref_t<F>, method>)
    void operator=(F&& f) {
        using function = std::decay_t<F>;
        static_assert(accepts<function>,
                      "the handler does not take this method's arguments or return its result");
        if constexpr (accepts<function>)
            binding_.implement(std::make_unique<detail::handler_of<function, R, params, errors>>(
                std::forward<F>(f)));
    }

    /// The same method called with these options: m.plus.with({.timeout = 50ms})(1, 2).
    detail::bound_method<R, params, errors> with(const call_options& options) const {
        return {binding_, options};
    }

    // For the library.
    detail::binding& binding() noexcept { return binding_; }
    const detail::binding& target() const noexcept { return binding_; }
    const call_options* options() const noexcept { return nullptr; }
    void* tag() const noexcept { return binding_.tag(); }

private:
    detail::binding binding_;
};

namespace detail {

/// Collects what TENON_INTERFACE says; also walks the members of a contract object.
template <class Contract>
struct contract_visitor {
    Contract& object;
    contract_info* info = nullptr;                   // when describing
    const std::vector<binding>* bindings = nullptr;  // when binding

    void identity(const char* publisher, const char* service, const char* version) {
        if (info) info->publisher = publisher, info->service = service, info->version = version;
    }
    template <class Method>
    void member(Method& m, const char* name, const char* params) {
        if (info) {
            info->add(name, params, Method::signature());
        } else {
            m.binding() = (*bindings)[next++];
        }
    }
    std::size_t next = 0;
};

template <class Contract>
concept described_contract = requires(contract_visitor<Contract>& v) {
    tenon_interface(v);
};

template <class Contract>
void set_tags(Contract& object, contract_info& info) {
    std::vector<binding> tags;
    for (method_info& m : info.methods) tags.push_back(binding::tagged(&m));
    contract_visitor<Contract> v{object, nullptr, &tags};
    tenon_interface(v);
}

/// The contract's description, built at its first use; never changes afterwards.
template <class Contract>
const contract_info& contract_of() {
    static_assert(described_contract<Contract>,
                  "describe this contract with TENON_INTERFACE in its own namespace");
    static const contract_info info = [] {
        contract_info made;
        Contract prototype;
        contract_visitor<Contract> v{prototype, &made};
        tenon_interface(v);
        if constexpr (requires(description<Contract> & d) { Contract::describe(d); }) {
            set_tags(prototype, made);
            description<Contract> d(made, prototype);
            Contract::describe(d);
        }
        made.check();
        return made;
    }();
    return info;
}

}  // namespace detail
}  // namespace tenon::inline v0

// Members are written `name` or `(name, parameter…)`.
#define TENON_INTERFACE(Contract, publisher, service, version, ...)                           \
    inline void tenon_interface(::tenon::detail::contract_visitor<Contract>& tenon_visitor) { \
        tenon_visitor.identity(publisher, service, version);                                  \
        TENON_FOR_EACH(TENON_INTERFACE_MEMBER, Contract, __VA_ARGS__);                        \
    }                                                                                         \
    template <class Implementation>                                                           \
    void tenon_implement(Contract& tenon_contract,                                            \
                         const std::shared_ptr<Implementation>& tenon_object) {               \
        TENON_FOR_EACH(TENON_IMPLEMENT_MEMBER, Contract, __VA_ARGS__);                        \
    }

#define TENON_STRINGIZE(...) TENON_STRINGIZE_(__VA_ARGS__)
#define TENON_STRINGIZE_(...) #__VA_ARGS__

#define TENON_INTERFACE_MEMBER(Contract, entry)                  \
    tenon_visitor.member(tenon_visitor.object.TENON_HEAD(entry), \
                         TENON_STRINGIZE(TENON_HEAD(entry)), TENON_STRINGIZE(TENON_TAIL(entry)))

#define TENON_IMPLEMENT_MEMBER(Contract, entry)                                                   \
    [&] {                                                                                         \
        auto tenon_call = [tenon_object](auto&&... tenon_args)                                    \
            -> decltype(tenon_object->TENON_HEAD(entry)(                                          \
                static_cast<decltype(tenon_args)&&>(tenon_args)...)) {                            \
            return tenon_object->TENON_HEAD(entry)(                                               \
                static_cast<decltype(tenon_args)&&>(tenon_args)...);                              \
        };                                                                                        \
        constexpr bool tenon_fits = std::remove_cvref_t<decltype(tenon_contract.TENON_HEAD(       \
            entry))>::template accepts<decltype(tenon_call)>;                                     \
        static_assert(tenon_fits, "the class that implements " #Contract                          \
                                  " lacks a fitting member " TENON_STRINGIZE(TENON_HEAD(entry))); \
        if constexpr (tenon_fits) tenon_contract.TENON_HEAD(entry) = std::move(tenon_call);       \
    }()
