#include "commands.hpp"

#include <array>

namespace cli {

namespace {

constexpr std::array commands{
    command{"call", "call a method and print its result", group::use, call, word::member,
            word::argument},
    command{"subscribe", "print the values of a source", group::use, subscribe, word::source,
            word::argument},
    command{"send", "send lines of stdin to a sink, print its reply", group::use, send, word::sink,
            word::argument},
    command{"chat", "send and print lines over a channel", group::use, chat, word::channel,
            word::argument},
    command{"ping", "see whether a server is there, and how far", group::use, ping, word::service,
            word::none},
    command{"bench", "measure latency and throughput of a method", group::use, bench, word::member,
            word::argument},
    command{"list", "which services run, where, and as they come and go", group::look, list,
            word::pattern, word::none},
    command{"describe", "what a service offers: methods, types, documentation", group::look,
            describe, word::name, word::none},
    command{"stats", "calls, errors and latencies by method", group::look, stats,
            word::member_pattern, word::none},
    command{"control streams", "which streams are open, and what passes on them", group::look,
            control_streams, word::member_pattern, word::none},
    command{"control pause", "stop the values of a stream", group::look, control_pause,
            word::service, word::none},
    command{"control resume", "let a stream go on that was paused", group::look, control_resume,
            word::service, word::none},
    command{"control close", "end a stream on both sides", group::look, control_close,
            word::service, word::none},
    command{"control watch", "be told when a server goes away, and what is slow", group::look,
            control_watch, word::service, word::none},
    command{"log-level", "see or set what a server logs", group::look, log_level, word::service,
            word::log_level},
    command{"manifest show", "print a manifest", group::contracts, manifest_show,
            word::service_or_file, word::none},
    command{"manifest diff", "what changed, and whether it breaks callers", group::contracts,
            manifest_diff, word::service_or_file, word::service_or_file},
    command{"manifest hash", "print what equal manifests have in common", group::contracts,
            manifest_hash, word::service_or_file, word::none},
    command{"gen cpp", "make a C++ header with a service's contract", group::contracts, gen_cpp,
            word::service_or_file, word::none},
    command{"gen json-schema", "make a JSON Schema of a service's types", group::contracts,
            gen_json_schema, word::service_or_file, word::none},
    command{"completion", "print a script that completes command lines in a shell", group::program,
            completion_script, word::shell, word::none},
    command{"complete", "asked by those scripts", group::hidden, complete, word::none, word::none},
};

}  // namespace

std::span<const command> all_commands() { return commands; }

const command* find_command(arguments args, std::size_t& words) {
    for (const command& c : commands) {
        const std::string_view name = c.name;
        const std::size_t space = name.find(' ');
        words = space == name.npos ? 1 : 2;
        if (args.size() >= words && args[0] == name.substr(0, space) &&
            (words == 1 || args[1] == name.substr(space + 1)))
            return &c;
    }
    return nullptr;
}

}  // namespace cli
