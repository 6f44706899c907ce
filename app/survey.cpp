#include <future>
#include <set>

#include "stats.hpp"
#include "tenon/control.hpp"
#include "tenon/discover.hpp"

namespace cli {

std::vector<target> find_servers(const name_pattern& pattern, const target_options& options) {
    std::vector<target> servers;
    if (const auto endpoint = options.endpoint()) {
        servers.push_back(open_endpoint(*endpoint, options));
        return servers;
    }
    std::set<std::string> known;
    for (const tenon::instance& i : tenon::list(pattern.service)) {
        if (!options.instance.empty() && options.instance != i.id) continue;
        if (!known.insert(i.id).second) continue;  // serves more than one service
        target_options exactly = options;
        exactly.instance = i.id;
        servers.push_back(open_target({i.publisher, i.service, {}}, exactly));
    }
    return servers;
}

survey ask_for_stats(std::vector<target> servers, const name_pattern& pattern,
                     interruption& interrupt) {
    survey s;
    tenon::call_options how;
    how.cancel = &interrupt.cancellation();
    // All at once, so that one that hangs does not delay the others.
    std::vector<std::future<tenon::result<tenon::server_stats>>> answers;
    answers.reserve(servers.size());
    for (target& t : servers)
        answers.push_back(
            tenon::stub<tenon::control>(t.client).stats.with(how).future(pattern.service));
    for (std::size_t i = 0; i < servers.size(); ++i) {
        target& t = servers[i];
        auto answer = answers[i].get();
        if (interrupt.happened()) continue;
        if (!answer) {
            if (!t.by_name || answer.error().code() != tenon::errc::unavailable)
                s.errors.push_back({std::move(t), std::move(answer).error()});
            continue;
        }
        std::erase_if(answer->methods, [&](const tenon::method_stats& m) {
            return !pattern.takes_member(member_of(m.route));
        });
        s.servers.push_back({std::move(t), std::chrono::steady_clock::now(), *std::move(answer)});
    }
    return s;
}

std::optional<rate> rates::of(const counted& server, const tenon::method_stats& m) const {
    const auto at = last_.find({server.stats.instance, m.route});
    if (at == last_.end()) return std::nullopt;
    const sample& before = at->second;
    const double seconds = std::chrono::duration<double>(server.when - before.when).count();
    if (seconds <= 0 || m.calls < before.calls || m.errors < before.errors) return std::nullopt;
    return rate{static_cast<double>(m.calls - before.calls) / seconds,
                static_cast<double>(m.errors - before.errors) / seconds};
}

void rates::keep(const survey& s) {
    last_.clear();
    for (const counted& c : s.servers)
        for (const tenon::method_stats& m : c.stats.methods)
            last_[{c.stats.instance, m.route}] = {c.when, m.calls, m.errors};
}

}  // namespace cli
