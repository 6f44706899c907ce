#pragma once
// How the member functions of an exposed class are called: on which object, and how that lives as
// long as the call. Users need not read this.

#include <memory>
#include <tuple>
#include <type_traits>
#include <utility>

#include "tenon/callable.hpp"
#include "tenon/context.hpp"
#include "tenon/error.hpp"
#include "tenon/result.hpp"
#include "tenon/task.hpp"

namespace tenon::inline v0::detail {

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
    // The arguments lie in the frame of handler_of::run(), or of stream_handler::run().
    static returned wait(const Instances& instances, context& ctx, Args&... args) {
        decltype(auto) object = instances.get(ctx);
        returned work = invoke(object, ctx, args...);
        co_return co_await std::move(work);
    }

    Instances instances_;
};

/// The same for one that returns a generator<Value>: sends what it yields.
template <auto Member, class Instances, class Value, class Args>
class member_values;
template <auto Member, class Instances, class Value, class... Args>
class member_values<Member, Instances, Value, std::tuple<Args...>> {
    using types = shape_of_call<decltype(Member)>;

public:
    explicit member_values(const Instances& instances) : instances_(instances) {}

    task<void> operator()(context& ctx, writer<Value>&& out, Args&&... args) {
        return send(instances_, ctx, out, args...);
    }

private:
    // All lies in the frame of stream_handler::run().
    static task<void> send(const Instances& instances, context& ctx, writer<Value>& out,
                           Args&... args) {
        decltype(auto) object = instances.get(ctx);
        auto values = [&] {
            if constexpr (types::takes_context) return (object.*Member)(ctx, std::move(args)...);
            else return (object.*Member)(std::move(args)...);
        }();
        co_await values.run(*out.core());
    }

    Instances instances_;
};

template <auto Member, class Instances>
auto call_of_member() {
    using types = shape_of_call<decltype(Member)>;
    if constexpr (is_generator<typename types::returned>)
        return std::type_identity<
            member_values<Member, Instances, typename types::member::down, typename types::args>>();
    else return std::type_identity<member_call<Member, Instances, typename types::passed>>();
}

}  // namespace tenon::inline v0::detail
