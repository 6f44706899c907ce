#pragma once
// The second way to define a service: an existing class, exposed as it is, or a table of functions.
//
//     class math_service {
//     public:
//         explicit math_service(std::string hello);
//         int plus(int a, int b) const;
//         std::string greet(const std::string& who);
//     };
//     TENON_SERVICE(math_service, "demo", "math_service", "1.0.0", (plus, a, b), (greet, who))
//
//     server.add<math_service>("hello!");                 // a fresh instance for each request
//     server.add<math_service>(tenon::shared, "hello!");  // one instance for all
//     server.add(tenon::functions("demo", "tools", "1.0.0").add("plus", &plus, "a, b"));
//
// TENON_SERVICE stands in the namespace of the class, behind it. A member function is public, not
// static, not overloaded, and may be inherited. Its parameters, after an optional tenon::context&,
// are values or const references; it returns T, result<T>, task<T>, task<result<T>> or void.
// Member functions that return a generator<T>, or take the reader, writer or duplex of a stream
// first, are sources, sinks and channels; see tenon/stream_members.hpp, which they need.
// A static member function `describe(tenon::description<math_service>& d)` may add documentation,
// flags, defaults and declared errors, as in a contract: d[&math_service::plus].doc("Adds.").

#include <exception>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <tuple>
#include <type_traits>
#include <utility>

#include "tenon/callable.hpp"
#include "tenon/functions.hpp"
#include "tenon/instances.hpp"
#include "tenon/server.hpp"

namespace tenon::inline v0 {

/// server.add<C>(tenon::shared, args…): one instance serves all requests, several at a time unless
/// the methods are `serial`.
struct shared_t {
    explicit shared_t() = default;
};
inline constexpr shared_t shared{};

namespace detail {

/// Lets TENON_SERVICE describe the class, or find the member that a pointer means.
template <class Service>
struct describing {
    using service = Service;
    contract_info& info;
    const void* pointer = nullptr;  // to be found
    const void* type = nullptr;
    method_info* found = nullptr;
    std::size_t next = 0;

    void identity(const char* publisher, const char* name, const char* version) {
        info.publisher = publisher, info.service = name, info.version = version;
    }
    template <auto Member>
    void member(const char* name, const char* params) {
        using member_pointer = decltype(Member);
        if (!type) {
            info.add(name, params, shape_of_call<member_pointer>::signature());
        } else {
            method_info& here = info.methods[next++];
            if (type == &type_tag<member_pointer> &&
                *static_cast<const member_pointer*>(pointer) == Member)
                found = &here;
        }
    }
    static method_info* find(contract_info& info, const void* pointer, const void* type) {
        describing v{info, pointer, type};
        tenon_service(v, std::type_identity<Service>{});
        return v.found;
    }
};

/// Lets TENON_SERVICE bind the members.
template <class Service, class Instances>
struct exposing {
    using service = Service;
    const Instances& instances;
    std::vector<binding> slots;
    std::size_t next = 0;

    void identity(const char*, const char*, const char*) {}
    template <auto Member>
    void member(const char*, const char*) {
        using types = shape_of_call<decltype(Member)>;
        using call = typename decltype(call_of_member<Member, Instances>())::type;
        slots[next++].implement(
            std::make_unique<typename types::template handler<call>>(call(instances)));
    }
};

template <class Service>
concept exposed = requires(describing<Service>& v) {
    tenon_service(v, std::type_identity<Service>{});
};

/// The description of an exposed class, built at its first use; never changes afterwards.
template <class Service>
const contract_info& service_of() {
    static const contract_info info = [] {
        contract_info made;
        describing<Service> v{made};
        tenon_service(v, std::type_identity<Service>{});
        if constexpr (requires(description<Service> & d) { Service::describe(d); }) {
            description<Service> d(made, &describing<Service>::find);
            Service::describe(d);
        }
        made.check();
        return made;
    }();
    return info;
}

template <class Service, class... Args>
auto instances_of(Args&&... args) {
    constexpr bool can_be_made =
        std::is_constructible_v<Service, decltype(fresh_instances<Service>::pass(
                                             std::declval<const std::decay_t<Args>&>()))...>;
    static_assert(
        can_be_made,
        "the class cannot be made from copies of these arguments for each request: give "
        "it what it takes as a const reference or value, a std::ref or std::shared_ptr to "
        "share, or tenon::shared first");
    if constexpr (can_be_made) return fresh_instances<Service, std::decay_t<Args>...>(args...);
    else return shared_instance<Service>(nullptr);
}
template <class Service, class... Args>
auto instances_of(const shared_t&, Args&&... args) {
    return shared_instance<Service>(std::make_shared<Service>(std::forward<Args>(args)...));
}

}  // namespace detail

template <class Service, class Instances>
server& server::expose(const publish_options& options, const Instances& instances) {
    detail::exposing<Service, Instances> v{instances,
                                           offer(detail::service_of<Service>(), options)};
    tenon_service(v, std::type_identity<Service>{});
    return *this;
}

template <class Service, class... Args>
server& server::add(const publish_options& options, Args&&... args) {
    static_assert(detail::exposed<Service>,
                  "expose this class with TENON_SERVICE in its own namespace");
    if constexpr (detail::exposed<Service>)
        expose<Service>(options, detail::instances_of<Service>(std::forward<Args>(args)...));
    return *this;
}

template <class Service>
server& server::add(const publish_options& options, std::shared_ptr<Service> object) {
    static_assert(detail::exposed<Service>,
                  "expose this class with TENON_SERVICE in its own namespace");
    if constexpr (detail::exposed<Service>)
        expose<Service>(options, detail::shared_instance<Service>(std::move(object)));
    return *this;
}

}  // namespace tenon::inline v0

// Members are written `name` or `(name, parameter…)`.
#define TENON_SERVICE(Service, publisher, name, version, ...)                        \
    template <class TenonVisitor>                                                    \
    void tenon_service(TenonVisitor& tenon_visitor, ::std::type_identity<Service>) { \
        tenon_visitor.identity(publisher, name, version);                            \
        TENON_FOR_EACH(TENON_SERVICE_MEMBER, Service, __VA_ARGS__);                  \
    }

// clang-format off
#define TENON_SERVICE_MEMBER(Service, entry)                                                       \
    [&]<class tenon_class>(::std::type_identity<tenon_class>) {                                    \
        constexpr bool tenon_found =                                                               \
            requires { ::tenon::detail::member_function(&tenon_class::TENON_HEAD(entry)); };       \
        static_assert(tenon_found, TENON_SERVICE_NAME(Service, entry)                              \
                      " is not a public member function, or overloaded, or static");               \
        if constexpr (tenon_found) {                                                               \
            using tenon_types =                                                                    \
                ::tenon::detail::shape_of_call<decltype(&tenon_class::TENON_HEAD(entry))>;         \
            constexpr const char* tenon_params = TENON_STRINGIZE(TENON_TAIL(entry));               \
            TENON_CHECK_CALLABLE(tenon_types, TENON_SERVICE_NAME(Service, entry))                  \
            if constexpr (tenon_types::is_fit) {                                                   \
                static_assert(tenon_types::is_named_by(tenon_params),                              \
                              TENON_SERVICE_NAME(Service, entry)                                   \
                              " has another number of parameters than TENON_SERVICE names");       \
                tenon_visitor.template member<&tenon_class::TENON_HEAD(entry)>(                    \
                    TENON_STRINGIZE(TENON_HEAD(entry)), tenon_params);                             \
            }                                                                                      \
        }                                                                                          \
    }(::std::type_identity<typename TenonVisitor::service>{})
#define TENON_SERVICE_NAME(Service, entry) #Service "::" TENON_STRINGIZE(TENON_HEAD(entry))
// clang-format on
