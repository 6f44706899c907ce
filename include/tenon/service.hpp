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
#include "tenon/server.hpp"

namespace tenon::inline v0 {

/// server.add<C>(tenon::shared, args…): one instance serves all requests, several at a time unless
/// the methods are `serial`.
struct shared_t {
    explicit shared_t() = default;
};
inline constexpr shared_t shared{};

namespace detail {

// Where the object of a call comes from: `get(ctx)` gives it, for the time of the call.

/// A fresh one, made from copies of the arguments.
template <class Service, class... Args>
class fresh_instances {
public:
    explicit fresh_instances(const Args&... args)
        : args_(std::make_shared<const std::tuple<Args...>>(args...)) {}

    Service get(context& ctx) const {
        try {
            return std::apply([](const Args&... a) { return Service(pass(a)...); }, *args_);
        } catch (...) {
            error e = caught<>(ctx);
            throw failure(e.set_may_have_run(false));
        }
    }

    /// References are what std::ref was given.
    template <class A>
    static decltype(auto) pass(const A& a) {
        if constexpr (std::is_same_v<std::unwrap_reference_t<A>, A>) return (a);
        else return a.get();
    }

private:
    std::shared_ptr<const std::tuple<Args...>> args_;
};

template <class Service>
class shared_instance {
public:
    explicit shared_instance(std::shared_ptr<Service> object) : object_(std::move(object)) {
        if (!object_) throw failure(error(errc::invalid, "add() was given no object"));
    }
    Service& get(context&) const noexcept { return *object_; }

private:
    std::shared_ptr<Service> object_;
};

/// Calls one member function of a class. A coroutine keeps the object in its frame until it has
/// finished.
template <auto Member, class Instances, class Args>
class member_call;
template <auto Member, class Instances, class... Args>
class member_call<Member, Instances, std::tuple<Args...>> {
    using types = shape_of_call<decltype(Member)>;
    using returned = typename types::returned;

public:
    explicit member_call(const Instances& instances) : instances_(instances) {}

    returned operator()(context& ctx, Args&&... args) {
        if constexpr (types::is_task) {
            return wait(instances_, ctx, args...);
        } else {
            decltype(auto) object = instances_.get(ctx);
            return invoke(object, ctx, args...);
        }
    }

private:
    template <class Service>
    static returned invoke(Service& object, context& ctx, Args&... args) {
        if constexpr (types::takes_context) return (object.*Member)(ctx, std::move(args)...);
        else return (object.*Member)(std::move(args)...);
    }
    // The arguments lie in the frame of handler_of::run().
    static returned wait(const Instances& instances, context& ctx, Args&... args) {
        decltype(auto) object = instances.get(ctx);
        returned work = invoke(object, ctx, args...);
        co_return co_await std::move(work);
    }

    Instances instances_;
};

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
        using call = member_call<Member, Instances, typename types::args>;
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
