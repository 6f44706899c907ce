#pragma once
// Streams without a contract: by route, with values as tenon::value or as any described type.
//
//     auto c = tenon::connect("unix:/run/demo/feed.sock");
//     for (const tenon::value& v : tenon::subscribe(c, "demo/feed.ticks", 5)) …
//     for (const tick& t : tenon::subscribe<tick>(c, "demo/feed.ticks", 5)) …
//     auto mean = tenon::open_sink<double, double>(c, "demo/feed.mean");
//     auto chat = tenon::open_channel(c, "demo/feed.chat");
//
// The handles are those of tenon/stream.hpp. Arguments are positional, as those of client::call().
// Values travel in the client's codec, unless the options say otherwise; a type other than `value`
// must fit what the member sends and takes, else the stream ends with `invalid`. Once the client has
// the service's manifest, arguments are checked before anything is sent.
//
// Opening does not wait. Whatever goes wrong is what the stream ends with: nobody listens, the member
// is of another kind, the arguments do not fit.

#include <optional>
#include <string_view>

#include "tenon/client.hpp"
#include "tenon/stream.hpp"

namespace tenon::inline v0 {

/// How a stream is opened by route.
struct stream_options : open_options {
    /// Of the arguments and values; none: the client's.
    std::optional<tenon::codec> codec{};
};

namespace detail {

template <member_kind Kind, class Up, class Down>
inline constexpr stream_types dynamic_types{Kind, &value_ops_of<Up>, &value_ops_of<Down>};

TENON_API stream_ends open_by_route(const client& c, std::string_view route, const value& arguments,
                                    const stream_types& types, const stream_options& options);

template <class T>
value argument(const T& v) {
    if constexpr (std::is_convertible_v<const T&, value>) return v;
    else return value::from(v);
}
template <class... Args>
value argument_list(const Args&... args) {
    return value(value::array{argument(args)...});
}

}  // namespace detail

/// Values of a source. The arguments as one value: an array is positional, a map by name.
template <class T = value>
reader<T> subscribe_with(const stream_options& options, const client& c, std::string_view route,
                         const value& arguments) {
    constexpr auto& types = detail::dynamic_types<detail::member_kind::source, void, T>;
    return reader<T>(detail::open_by_route(c, route, arguments, types, options).in);
}
template <class T = value, class... Args>
reader<T> subscribe(const client& c, std::string_view route, const Args&... args) {
    return subscribe_with<T>({}, c, route, detail::argument_list(args...));
}

/// The sending end of a sink. With Reply `value` the reply of a sink that has none is nil.
template <class T = value, class Reply = value>
reply_writer<T, Reply> open_sink_with(const stream_options& options, const client& c,
                                      std::string_view route, const value& arguments) {
    constexpr auto& types = detail::dynamic_types<detail::member_kind::sink, T, Reply>;
    return reply_writer<T, Reply>(detail::open_by_route(c, route, arguments, types, options));
}
template <class T = value, class Reply = value, class... Args>
reply_writer<T, Reply> open_sink(const client& c, std::string_view route, const Args&... args) {
    return open_sink_with<T, Reply>({}, c, route, detail::argument_list(args...));
}

/// Both ends of a channel; In is what the server sends.
template <class In = value, class Out = value>
duplex<In, Out> open_channel_with(const stream_options& options, const client& c,
                                  std::string_view route, const value& arguments) {
    constexpr auto& types = detail::dynamic_types<detail::member_kind::channel, Out, In>;
    return duplex<In, Out>(detail::open_by_route(c, route, arguments, types, options));
}
template <class In = value, class Out = value, class... Args>
duplex<In, Out> open_channel(const client& c, std::string_view route, const Args&... args) {
    return open_channel_with<In, Out>({}, c, route, detail::argument_list(args...));
}

}  // namespace tenon::inline v0
