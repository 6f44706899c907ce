#pragma once
// server: offers services at one or more endpoints.
//
//     tenon::server server;
//     auto& m = server.publish<math>();
//     m.plus = [](int a, int b) { return a + b; };
//     server.listen("tcp://127.0.0.1:5555").run();

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "tenon/contract.hpp"
#include "tenon/options.hpp"
#include "tenon/stats.hpp"

namespace tenon::inline v0 {

namespace rpc {
class server_core;
}  // namespace rpc

class functions;
struct note;          // tenon/notes.hpp
class session;        // tenon/session.hpp
class served_stream;  // the same

namespace detail {
template <class First = void, class...>
inline constexpr bool narrows = std::is_same_v<std::remove_cvref_t<First>, publish_options> ||
                                std::is_same_v<std::remove_cvref_t<First>, scopes>;
}  // namespace detail

/// Configure, start, stop. Configuring is for one thread and ends with start(); the rest is
/// thread-safe. Handlers may run at the same time on loops, pool and in-process callers.
class TENON_API server {
public:
    explicit server(server_options options = {});
    server(const server&) = delete;
    server& operator=(const server&) = delete;
    /// stop() without draining. Must not run in a handler of a call.
    ~server();

    /// Adds an endpoint: "unix:/path", "unix:@name", "tcp://host:port" (port 0: any free one),
    /// "inproc:name". TCP beyond loopback is refused unless server_options::insecure.
    /// Throws failure: `invalid` for the spelling, `conflict` if somebody is there, `denied`.
    server& listen(std::string_view endpoint);

    /// Offers the contract; assign its members before start(). Members that stay unassigned answer
    /// `unsupported`. The object lives as long as the server. Throws failure(conflict) if the
    /// service is published already.
    template <class Contract>
    Contract& publish(const publish_options& options = {}) {
        auto object = std::make_unique<holder<Contract>>();
        const std::vector<detail::binding> bindings =
            offer(detail::contract_of<Contract>(), options);
        detail::contract_visitor<Contract> v{object->contract, nullptr, &bindings};
        tenon_interface(v);
        Contract& contract = object->contract;
        keep(std::move(object));
        return contract;
    }
    /// The same, seen from these scopes only.
    template <class Contract>
    Contract& publish(scopes seen) {
        return publish<Contract>(publish_options{.seen = seen});
    }

    /// Offers the contract, implemented by the members of the same names of one Implementation,
    /// made here from `args`. A missing or unfitting member does not compile.
    template <class Contract, class Implementation, class... Args>
    Implementation& implement(Args&&... args) {
        auto object = std::make_shared<Implementation>(std::forward<Args>(args)...);
        tenon_implement(publish<Contract>(), object);
        return *object;
    }

    // The second way to define a service; tenon/service.hpp has the definitions.

    /// Offers a class exposed with TENON_SERVICE: each request gets a fresh instance, made from
    /// copies of the arguments; std::ref and std::shared_ptr let them share something. With
    /// `tenon::shared` as the first argument one instance, made here, serves all requests. What the
    /// constructor throws is the error of the call, which then has surely not run.
    template <class Service, class... Args>
        requires(!detail::narrows<Args...>)
    server& add(Args&&... args) {
        return add<Service>(publish_options{}, std::forward<Args>(args)...);
    }
    template <class Service, class... Args>
    server& add(scopes seen, Args&&... args) {
        return add<Service>(publish_options{.seen = seen}, std::forward<Args>(args)...);
    }
    template <class Service, class... Args>
    server& add(const publish_options& options, Args&&... args);

    /// Offers an existing object of an exposed class to all requests.
    template <class Service>
    server& add(std::shared_ptr<Service> object) {
        return add(publish_options{}, std::move(object));
    }
    template <class Service>
    server& add(scopes seen, std::shared_ptr<Service> object) {
        return add(publish_options{.seen = seen}, std::move(object));
    }
    template <class Service>
    server& add(const publish_options& options, std::shared_ptr<Service> object);

    /// Offers a table of functions.
    server& add(const functions& table) { return add(publish_options{}, table); }
    server& add(scopes seen, const functions& table) {
        return add(publish_options{.seen = seen}, table);
    }
    server& add(const publish_options& options, const functions& table);

    /// Adds an operation of the application's own to the control side of a service that is published
    /// already: server.operation("demo/math", "cache.clear", […] { … }).doc("Forgets everything.")
    /// Called by its route, "demo/math.cache.clear". The function is like those of tenon::functions.
    /// Throws failure: `invalid` for a name without a dot or an unknown service, `conflict` if the
    /// service is published without control or has the operation. The description may be used until
    /// start().
    template <class F>
    method_description operation(std::string_view service, std::string_view name, F f,
                                 std::string_view params = {});

    /// Called when the server has started, with its endpoints (real port numbers); may be given
    /// several.
    server& on_started(std::function<void(const std::vector<std::string>&)> f);

    /// Called as user code of the connection's loop, so to be quick, when a client has connected (not
    /// one in process, which has no connection) and when its connection has ended; may be given
    /// several, before start(). Calls of the connection run between the two, except that coroutines
    /// which do not heed their cancellation may run on. What a callback throws is logged.
    server& on_connected(std::function<void(session&)> f);
    server& on_disconnected(std::function<void(session&)> f);
    /// The same of streams: before the member's function is called (in process on the thread that
    /// opens the stream), and when nothing more can pass; a function that still has an end may run on.
    server& on_stream_opened(std::function<void(served_stream&)> f);
    server& on_stream_closed(std::function<void(served_stream&)> f);

    /// Told of the notes of clients, those in process included, as user code of a loop, so to be
    /// quick, one after the other for each session; several are all told. See tenon/notes.hpp.
    server& on_note(std::function<void(session&, const note&)> f);

    /// Begins to accept. Throws failure(conflict) if it was started before.
    void start();

    /// Where it listens because of listen(), after start(); port 0 has become the real one. The
    /// sockets of published names are not among them: see tenon/discover.hpp.
    std::vector<std::string> endpoints() const;

    /// Refuses new calls, waits up to server_options::drain (or `drain`) for those in flight,
    /// cancels the rest, and waits for their handlers to end. Throws failure(conflict) in one of
    /// its own handlers. A stopped server stays stopped.
    void stop();
    void stop(std::chrono::milliseconds drain);

    /// start(), then waits for SIGINT, SIGTERM or stop(), then stops. Only here the library touches
    /// signal dispositions, and it restores them. Needs a runtime with threads of its own.
    void run();
    /// The same; `started` is called once the server has started, with its endpoints or nothing.
    template <class F>
        requires(std::is_invocable_v<F&, const std::vector<std::string>&> ||
                 std::is_invocable_v<F&>)
    void run(F started) {
        if constexpr (std::is_invocable_v<F&, const std::vector<std::string>&>)
            on_started(std::move(started));
        else on_started([f = std::move(started)](const std::vector<std::string>&) mutable { f(); });
        run();
    }

    /// Of the methods in the order of their publishing, without those of tenon/control.
    std::vector<method_stats> stats() const;
    /// The whole server; what it and its methods have counted since start().
    server_stats status() const;
    /// status() as text for Prometheus, format 0.0.4 (text/plain; version=0.0.4).
    std::string metrics() const;
    /// The connections it has now.
    std::vector<connection_stats> connections() const;

private:
    struct kept {
        virtual ~kept() = default;
    };
    template <class Contract>
    struct holder final : kept {
        Contract contract;
    };

    std::vector<detail::binding> offer(const detail::contract_info& info,
                                       const publish_options& options);
    template <class Service, class Instances>
    server& expose(const publish_options& options, const Instances& instances);
    detail::method_info& operate(std::string_view service, std::string_view name,
                                 std::string_view params, const detail::signature& types,
                                 std::unique_ptr<detail::handler> handler);
    void keep(std::unique_ptr<kept> object);

    std::shared_ptr<rpc::server_core> core_;
    std::vector<std::unique_ptr<kept>> kept_;
};

}  // namespace tenon::inline v0
