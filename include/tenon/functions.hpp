#pragma once
// functions: a service made of single functions.
//
//     server.add(tenon::functions("demo", "tools", "1.0.0")
//                    .add("plus", &plus, "a, b").doc("Adds.").idempotent()
//                    .add("greet", [](std::string who) { return "hello " + who; }, "who"));

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

#include "tenon/callable.hpp"
#include "tenon/server.hpp"

namespace tenon::inline v0 {

/// A table of functions to publish as one service. Functions are pointers, lambdas, functors with
/// one operator(), std::function; coroutines, too. Copies share the table. Not thread-safe.
///
///     tenon::functions("demo", "tools", "1.0.0")
///         .doc("Small things.")
///         .add("plus", &plus, "a, b").doc("Adds.").idempotent()
///         .add("greet", [](std::string who) { return "hello " + who; }, "who");
///
/// What follows an add() describes that function. Before the first, doc() describes the table, and
/// flags, codec and errors are those of all functions.
class TENON_API functions : public detail::describes<functions> {
public:
    functions(std::string publisher, std::string service, std::string version);

    /// Parameters are named as in "a, b"; without names they can only be given by position.
    template <class F>
    functions& add(std::string_view name, F f, std::string_view params = {}) {
        using types = detail::checked_callable<F>;
        add(name, params, types::signature(),
            std::make_unique<typename types::template handler<F>>(std::move(f)));
        return *this;
    }

    /// Of the function before, which is a source, sink or channel (see tenon/callable.hpp): as in
    /// stream_description. Throw failure(invalid) if it is none.
    functions& overflow(tenon::overflow policy, std::uint32_t waiting = 0);
    functions& window(std::uint32_t values);

private:
    friend class server;
    struct table;

    void add(std::string_view name, std::string_view params, const detail::signature&,
             std::unique_ptr<detail::handler>);

    std::shared_ptr<table> table_;
};

template <class F>
method_description server::operation(std::string_view service, std::string_view name, F f,
                                     std::string_view params) {
    using types = detail::checked_callable<F>;
    return method_description(
        operate(service, name, params, types::signature(),
                std::make_unique<typename types::template handler<F>>(std::move(f))));
}

}  // namespace tenon::inline v0
