#include "rpc/metrics.hpp"

#include <fmt/format.h>

#include <iterator>

#include "rpc/server_core.hpp"

namespace tenon::inline v0::rpc {

namespace {

struct counted_method {
    const method_entry* method;
    counter_parts::totals totals;
};
using entries = std::vector<counted_method>;

// Borders of the buckets that Prometheus sees: 1.024 µs to 17.2 s, each twice the one before.
constexpr unsigned first_bits = 10;
constexpr unsigned last_bits = 34;

constexpr double seconds(std::uint64_t ns) { return static_cast<double>(ns) * 1e-9; }

class writer {
public:
    void family(std::string_view name, std::string_view type, std::string_view help) {
        name_ = name;
        put("# HELP {} {}\n# TYPE {} {}\n", name, help, name, type);
    }
    /// Labels without their braces.
    template <class Number>
    void sample(std::string_view suffix, std::string_view labels, Number n) {
        const bool any = !labels.empty();
        put("{}{}{}{}{} {}\n", name_, suffix, any ? "{" : "", labels, any ? "}" : "", n);
    }
    std::string take() { return std::move(text_); }

private:
    template <class... Args>
    void put(fmt::format_string<Args...> format, Args&&... args) {
        fmt::format_to(std::back_inserter(text_), format, std::forward<Args>(args)...);
    }

    std::string text_;
    std::string name_;
};

std::string labels_of(const method_entry& m) {
    const std::string_view route = m.route();
    const std::string_view service = service_of(route);
    const std::size_t slash = service.find('/');
    return fmt::format(
        R"(publisher="{}",service="{}",method="{}")", escape_label(service.substr(0, slash)),
        escape_label(service.substr(slash + 1)), escape_label(route.substr(service.size() + 1)));
}

void put_server(writer& w, const server_core& server) {
    w.family("tenon_build_info", "gauge", "The library's version and the server's instance.");
    w.sample("",
             fmt::format(R"(version="{}",server="{}")", library_version(),
                         escape_label(server.instance())),
             1);
    w.family("tenon_uptime_seconds", "gauge", "Time since the server started.");
    w.sample("", "", seconds(static_cast<std::uint64_t>(server.uptime().count())));
    std::uint64_t now, accepted;
    server.count_connections(now, accepted);
    w.family("tenon_connections", "gauge", "Connections there are.");
    w.sample("", "", now);
    w.family("tenon_connections_accepted_total", "counter", "Connections accepted so far.");
    w.sample("", "", accepted);
}

void put_counts(writer& w, std::string_view name, std::string_view type, std::string_view help,
                const entries& methods, std::uint64_t counter_parts::totals::*which) {
    w.family(name, type, help);
    for (const counted_method& m : methods) w.sample("", labels_of(*m.method), m.totals.*which);
}

void put_errors(writer& w, const entries& methods) {
    w.family("tenon_errors_total", "counter", "Calls that failed, by the code of the error.");
    for (const counted_method& m : methods)
        for (std::size_t i = 0; i < method_counters::codes; ++i)
            if (const auto n = m.totals.errors[i])
                w.sample("",
                         fmt::format(R"({},code="{}")", labels_of(*m.method),
                                     to_string(static_cast<errc>(i))),
                         n);
}

void put_histogram(writer& w, const method_entry& m, const histogram::snapshot& s) {
    const std::string labels = labels_of(m);
    for (unsigned bits = first_bits; bits <= last_bits; ++bits)
        w.sample("_bucket", fmt::format(R"({},le="{}")", labels, seconds(std::uint64_t{1} << bits)),
                 s.below(bits));
    w.sample("_bucket", labels + R"(,le="+Inf")", s.count);
    w.sample("_sum", labels, seconds(s.sum_ns));
    w.sample("_count", labels, s.count);
}

}  // namespace

std::string escape_label(std::string_view text) {
    std::string escaped;
    for (const char c : text) {
        if (c == '\n') {
            escaped += "\\n";
            continue;
        }
        if (c == '"' || c == '\\') escaped += '\\';
        escaped += c;
    }
    return escaped;
}

std::string metrics_of(const server_core& server, observer who) {
    entries methods;
    for (const method_entry* m : methods_for(server, "*", who))
        methods.push_back({m, m->counters.read()});
    writer w;
    put_server(w, server);
    put_counts(w, "tenon_calls_total", "counter", "Calls taken up.", methods,
               &counter_parts::totals::calls);
    put_errors(w, methods);
    put_counts(w, "tenon_in_flight", "gauge",
               "Calls not answered yet, without quick ones at their first try.", methods,
               &counter_parts::totals::in_flight);
    w.family("tenon_streams", "gauge", "Streams that are open, of sources, sinks and channels.");
    for (const counted_method& m : methods)
        if (m.method->kind() != detail::member_kind::method)
            w.sample("", labels_of(*m.method), m.method->open_streams.load());
    put_counts(w, "tenon_slow_runs_total", "counter", "Runs that held an event loop for too long.",
               methods, &counter_parts::totals::slow);
    w.family("tenon_call_seconds", "histogram",
             "From taking a call up until its handler answered; of a sample of the quick calls.");
    for (const counted_method& m : methods) put_histogram(w, *m.method, m.totals.latency);
    w.family("tenon_queue_wait_seconds", "histogram",
             "How long calls waited for a thread of the pool or a serial method.");
    for (const counted_method& m : methods)
        if (m.method->on_pool() || m.method->gate())
            put_histogram(w, *m.method, m.totals.queue_wait);
    return w.take();
}

}  // namespace tenon::inline v0::rpc
