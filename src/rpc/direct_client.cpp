#include "rpc/direct_client.hpp"

#include <algorithm>
#include <deque>
#include <thread>

#include "base/futex.hpp"
#include "codec/codec.hpp"
#include "rpc/server_core.hpp"
#include "rpc/stream/local_stream.hpp"
#include "rpc/stream/wire_stream.hpp"
#include "wire/metadata.hpp"

namespace tenon::inline v0::rpc {

namespace {

/// A method of a contract, at a client's endpoint.
class remote_method final : public detail::target {
public:
    remote_method(std::shared_ptr<direct_client> core, const detail::contract_info& contract,
                  const detail::method_info& info)
        : core_(std::move(core)),
          route_(contract.publisher + "/" + contract.service + "." + info.name),
          codec_(info.wire_codec.value_or(core_->options().codec)),
          codec_is_refused_(!core_->check_codec(codec_)),
          idempotent_(info.flags.idempotent),
          flow_(info.flow_of(false)),
          urgency_(info.flags.priority.value_or(priority::normal)) {
        core_->put_metadata(metadata_, route_, codec_);
        for (std::uint32_t i = 0; i < info.signature->param_count; ++i) {
            names_.push_back(info.param_names[i]);
            parameters_.push_back(
                {names_.back().c_str(), info.signature->params[i], false, nullptr});
        }
    }

    result<void> call(const detail::call_arguments& args, void* result,
                      const call_options* options) override {
        const auto bounds = core_->bounds_of(options, urgency_);
        if (core_->is_local()) return call_here(args, result, bounds);
        wire::outgoing payload;
        blob taken;
        if (const auto in_place = encoded_in_place(args)) {
            payload = wire::outgoing::lend(*in_place);
            // A blob that is given away may lie where the server sees it.
            if (parameters_[0].type->kind == kind::bytes && parameters_[0].type->bytes->is_blob)
                taken = take_large(args, *in_place);
            if (!taken.empty()) payload = {taken.view(), taken.block()};
        } else {
            base::byte_buffer& encoded = scratch();
            TENON_TRY(encode(args, encoded));
            payload = {encoded.view(), &encoded};
        }
        return core_->call(metadata_.view(), payload, codec_, args.types->result, result, bounds,
                           idempotent_);
    }

    void start(const detail::call_arguments& args, detail::call_state& state,
               const call_options* options) override {
        auto& call = async_call::of(state);
        const auto bounds = core_->bounds_of(options, urgency_);
        if (core_->is_local()) return start_here(args, call, bounds);
        const auto in_place = encoded_in_place(args);
        const blob taken = in_place ? take_large(args, *in_place) : blob();
        base::byte_buffer& encoded = scratch();
        wire::outgoing payload;
        if (!taken.empty()) {
            payload = {taken.view(), taken.block()};
        } else if (auto done = encode(args, encoded); done) {
            payload = {encoded.view(), &encoded};
        } else {
            call.failed = std::move(done).error();
            return call.finish_now();
        }
        call.repeatable = idempotent_ && core_->options().retries != 0;
        core_->start(metadata_.view(), payload, codec_, args.types->result, call, bounds);
    }

    result<detail::stream_ends> open(const detail::call_arguments& args,
                                     const open_options* options) override {
        const auto bounds = core_->bounds_of_stream(options, urgency_);
        const stream_start start = options ? options->start : stream_start();
        const stream_origin origin = options ? options->origin : stream_origin();
        detail::flow_settings flow = flow_;
        if (options && options->window != 0) flow.window = options->window;
        if (core_->is_local()) return open_here(args, bounds, flow, start, origin);
        base::byte_buffer& encoded = scratch();
        TENON_TRY(encode(args, encoded));
        stream_plan plan{args.types->stream,
                         flow,
                         codec_,
                         core_->connection().decoding(),
                         &core_->runtime().spin(),
                         core_->connection().values(),
                         args.count != 0};
        return core_->open(metadata_.view(), encoded.view(), plan, bounds,
                           {{}, {}, false, start, origin});
    }

    blob loan(std::size_t size) override { return core_->loan(size); }

private:
    static base::byte_buffer& scratch() {
        thread_local base::byte_buffer buffer;
        buffer.clear();
        return buffer;
    }
    std::optional<bytes_view> encoded_in_place(const detail::call_arguments& args) const noexcept {
        return coding::encoded_in_place(codec_, parameters_, {args.items, args.count});
    }
    /// The bytes of an argument that the caller gives away, if it is worth it.
    blob take_large(const detail::call_arguments& args, bytes_view in_place) const {
        if (in_place.size() <= wire::output_queue::copy_limit || (args.movable & 1U) == 0)
            return {};
        return coding::take_bytes(*parameters_[0].type, args.items[0]);
    }
    /// In process: typed if both sides have the same types, else encoded into `room`.
    result<local_request> request_here(const local_method& m, const detail::call_arguments& args,
                                       const direct_client::bounds& b, base::byte_buffer& room) {
        local_request rq;
        rq.deadline = b.deadline;
        rq.cancel = b.cancel;
        rq.urgency = b.told();
        rq.wire_codec = codec_;
        if (m.same_types) {
            rq.typed = &args;
            return rq;
        }
        if (auto encoded = encode(args, room); !encoded) return std::move(encoded).error();
        rq.encoded = room.view();
        return rq;
    }
    static local_result result_here(const local_method& m, const detail::call_arguments& args,
                                    void* object) {
        return {object, m.same_types ? nullptr : args.types->result, m.same_types};
    }

    result<detail::stream_ends> open_here(const detail::call_arguments& args,
                                          const direct_client::bounds& b,
                                          const detail::flow_settings& flow,
                                          const stream_start& start, const stream_origin& origin) {
        auto m = here_.begin(*core_, route_, args.types, true);
        if (!m) return std::move(m).error();
        base::byte_buffer room;
        auto rq = request_here(**m, args, b, room);
        if (!rq) return (*m)->server->end_call(), std::move(rq).error();
        return open_local_stream(*core_, **m, *rq, *args.types->stream, flow, start, origin);
    }

    result<void> call_here(const detail::call_arguments& args, void* object,
                           const direct_client::bounds& b) {
        auto m = here_.begin(*core_, route_, args.types, false);
        if (!m) return std::move(m).error();
        base::byte_buffer room;
        auto rq = request_here(**m, args, b, room);
        if (!rq) return (*m)->server->end_call(), std::move(rq).error();
        return call_local(*core_, **m, *rq, result_here(**m, args, object));
    }

    void start_here(const detail::call_arguments& args, async_call& call,
                    const direct_client::bounds& b) {
        base::byte_buffer room;
        if (auto m = here_.begin(*core_, route_, args.types, false); !m) {
            call.failed = std::move(m).error();
        } else if (auto rq = request_here(**m, args, b, room); !rq) {
            (*m)->server->end_call();
            call.failed = std::move(rq).error();
        } else {
            return start_local(*core_, **m, *rq, result_here(**m, args, call.result), call);
        }
        call.finish_now();
    }

    result<void> encode(const detail::call_arguments& args, base::byte_buffer& to) const {
        if (codec_is_refused_) return core_->check_codec(codec_);
        auto done = coding::encode_arguments(codec_, parameters_, {args.items, args.count}, to);
        if (!done) return std::move(done).error().set_may_have_run(false);
        return done;
    }

    const std::shared_ptr<direct_client> core_;
    const std::string route_;
    const codec codec_;
    const bool codec_is_refused_;
    const bool idempotent_;
    const detail::flow_settings flow_;
    const priority urgency_;
    base::byte_buffer metadata_;
    local_resolver here_;
    std::deque<std::string> names_;
    std::vector<coding::parameter> parameters_;
};

}  // namespace

direct_client::direct_client(std::string_view endpoint, const client_options& options)
    : endpoint_(transport::parse_endpoint(endpoint).value()),
      text_(transport::to_string(endpoint_)),
      options_(options),
      runtime_((options.runtime ? *options.runtime : tenon::runtime::process()).shared_core()) {
    if (is_local()) {
        session_ = std::make_shared<local_session>(*runtime_, endpoint_.name);
        return;
    }
    connection_ = new client_connection(runtime_, endpoint_, options_);
    (void)connection_->connect();
}

direct_client::~direct_client() {
    if (session_) session_->to_client().close();
    if (!connection_) return;
    connection_->notes().close();
    connection_->retire();
}

result<void> direct_client::send_note(bytes_view content) {
    if (connection_) return connection_->send_note(content);
    if (auto e = runtime_->unusable()) return *std::move(e);
    if (!local_server()) return error(errc::unavailable, "nobody serves " + text_);
    session_->to_server().take(0, content);
    return {};
}

void direct_client::on_note(std::function<void(const note&)> f) {
    (connection_ ? connection_->notes() : session_->to_client()).add(std::move(f));
}

blob direct_client::loan(std::size_t size) {
    return connection_ ? connection_->loan(size) : blob(size);
}

result<void> direct_client::wait_ready(std::chrono::milliseconds timeout) {
    if (!is_local()) return connection_->wait_ready(timeout);
    const auto limit = std::chrono::steady_clock::now() + timeout;
    if (auto e = runtime_->unusable()) return *std::move(e);
    while (!local_server()) {
        if (auto e = runtime_->unusable()) return *std::move(e);
        if (std::chrono::steady_clock::now() >= limit)
            return error(errc::unavailable, "nobody serves " + text_);
        std::this_thread::sleep_for(std::chrono::milliseconds(1));
    }
    return {};
}

bool direct_client::is_connected() {
    return is_local() ? local_server() != nullptr : connection_->is_connected();
}

result<void> direct_client::begin_to_connect() {
    if (!is_local()) return connection_->connect();
    if (auto e = runtime_->unusable()) return *std::move(e);
    if (local_server()) return {};
    return error(errc::unavailable, "nobody serves " + text_).set_may_have_run(false);
}

direct_client::bounds direct_client::bounds_of(const client_options& of_client,
                                               const detail::runtime_core& runtime,
                                               const call_options* options, priority declared) {
    bounds b;
    b.urgency = declared;
    auto timeout = of_client.timeout;
    if (options) {
        if (options->timeout.count() >= 0) timeout = options->timeout;
        b.cancel = options->cancel;
        b.urgency = options->priority.value_or(declared);
        b.tells = b.urgency != declared;
    }
    if (timeout.count() > 0) b.deadline = base::add_time(runtime.time().now(), timeout);
    if (const call_scope* outer = loop::thread_scope()) {
        b.deadline = std::min(b.deadline, outer->deadline);
        if (!b.cancel) b.cancel = outer->cancel;
    }
    return b;
}

direct_client::bounds direct_client::bounds_of_stream(const call_options* options,
                                                      priority declared) const {
    call_options own = options ? *options : call_options();
    own.timeout = std::max(own.timeout, std::chrono::milliseconds(0));
    bounds b = bounds_of(&own, declared);
    b.cancel = own.cancel;
    return b;
}

result<void> direct_client::check_codec(codec c) const {
    if (c != codec::marshal || endpoint_.kind != transport::scheme::tcp ||
        options_.force_insecure_serialisation)
        return {};
    return error(errc::denied,
                 "codec marshal is not for TCP, unless "
                 "client_options::force_insecure_serialisation says otherwise")
        .set_may_have_run(false);
}

void direct_client::put_metadata(base::byte_buffer& to, std::string_view route, codec c) const {
    wire::put_route(to, route);
    if (c != options_.codec) wire::put_data_type(to, mime_type(c));
}

namespace {

// What one call adds to its method's metadata. The remaining time rounds up, so that a server never
// gives up before its caller.
void put_bounds(base::byte_buffer& to, const direct_client::bounds& b, base::time_point now) {
    if (b.deadline != base::never) {
        const auto ms = std::chrono::ceil<std::chrono::milliseconds>(b.deadline - now).count();
        wire::put_deadline(
            to, static_cast<std::uint32_t>(std::clamp<std::int64_t>(ms, 1, 0xffff'ffff)));
    }
    if (b.tells) wire::put_priority(to, b.urgency);
}

bytes_view with_bounds(bytes_view fixed, const direct_client::bounds& b, base::time_point now,
                       base::byte_buffer& room) {
    if (b.deadline == base::never && !b.tells) return fixed;
    room.append(fixed);
    put_bounds(room, b, now);
    return room.view();
}

}  // namespace

result<void> direct_client::call(bytes_view metadata, wire::outgoing payload, codec c,
                                 const shape* result_shape, void* result, const bounds& b,
                                 bool idempotent) {
    // The payload is given away only if no repetition can need it.
    const bool give_away = payload.owned && payload.data.size() > wire::output_queue::copy_limit &&
                           !(idempotent && options_.retries != 0);
    if (!give_away) payload.owned = nullptr;

    repetition again;
    for (;;) {
        base::byte_buffer room;
        blocking_call call(result);
        call.result_shape = result_shape;
        call.wire_codec = c;
        call.deadline = b.deadline;
        call.cancellation = b.cancel;
        call.urgency = b.urgency;
        outgoing_request request;
        request.metadata = with_bounds(metadata, b, runtime_->time().now(), room);
        request.payload = payload;
        connection_->call(call, request);
        auto outcome = std::move(call).outcome();
        if (outcome || give_away ||
            !may_repeat(outcome.error(), again, idempotent, call.was_open, b))
            return outcome;
    }
}

namespace {

/// Sleeps until the time is over or the caller gives up.
class interruptible_sleep final : public cancel_hook {
public:
    void run(std::chrono::nanoseconds time, cancellation* cancel) {
        if (cancel && !cancel->add(*this)) return;
        loop::event_loop::before_blocking();
        const auto until = std::chrono::steady_clock::now() + time;
        for (auto now = until - time; now < until && word_.load() == 0;
             now = std::chrono::steady_clock::now())
            base::futex_wait_for(word_, 0, until - now);
        if (cancel) cancel->remove(*this);
    }
    void on_cancel() noexcept override {
        word_.store(1);
        base::futex_wake(word_);
    }

private:
    base::futex_word word_{0};
};

}  // namespace

// Whether to call again, after having waited for as long as it takes. A call that was given up
// meanwhile is made again and finds out.
bool direct_client::may_repeat(const error& e, repetition& r, bool idempotent, bool was_open,
                               const bounds& b) const {
    if (e.code() == errc::unavailable && !e.may_have_run() && was_open && !r.free_one_used)
        return r.free_one_used = true;
    if (!idempotent || !runtime_->usable()) return false;
    const auto wait = repetition_delay(options_, e, r.attempts);
    if (!wait) return false;
    if (b.deadline != base::never && *wait >= b.deadline - runtime_->time().now()) return false;
    ++r.attempts;
    interruptible_sleep().run(*wait, b.cancel);
    return true;
}

void direct_client::start(bytes_view metadata, wire::outgoing payload, codec c,
                          const shape* result_shape, async_call& call, const bounds& b) {
    base::byte_buffer room;
    call.result_shape = result_shape;
    call.wire_codec = c;
    call.deadline = b.deadline;
    call.cancellation = b.cancel;
    call.urgency = b.urgency;
    outgoing_request request;
    request.metadata = b.deadline == base::never && !b.tells
                           ? metadata
                           : with_bounds(metadata, b, runtime_->time().now(), room);
    request.payload = payload;
    if (call.repeatable) {
        call.metadata.append(request.metadata);
        call.payload.append(payload.data);
        request.payload.owned = nullptr;
    }
    connection_->start(call, request);
}

detail::stream_ends direct_client::open(bytes_view metadata, bytes_view arguments,
                                        const stream_plan& plan, const bounds& b,
                                        stream_status status) {
    wire_stream::opening o;
    o.metadata.append(metadata);
    put_bounds(o.metadata, b, runtime_->time().now());
    o.status = std::move(status);
    o.urgency = b.urgency;
    o.deadline = b.deadline;
    o.cancel = b.cancel;
    auto* const stream = new wire_stream(*connection_, nullptr, plan);
    detail::stream_ends ends = stream->ends(shared_from_this());
    connection_->open(*stream, std::move(o), arguments);
    return ends;
}

namespace {

// Without a contract nobody knows whether the method declares a codec, so ours is always named.
void put_dynamic_metadata(base::byte_buffer& to, std::string_view route, codec c) {
    wire::put_route(to, route);
    wire::put_data_type(to, mime_type(c));
}

}  // namespace

result<bytes> direct_client::call_encoded(std::string_view route, codec c, bytes_view arguments,
                                          const call_options& options) {
    TENON_TRY(check_codec(c));
    bounds b = bounds_of(&options);
    b.tells = options.priority.has_value();
    if (is_local()) return call_encoded_here(route, c, arguments, b);
    base::byte_buffer metadata;
    put_dynamic_metadata(metadata, route, c);
    bytes answer;
    TENON_TRY(
        call(metadata.view(), wire::outgoing::lend(arguments), c, nullptr, &answer, b, false));
    return answer;
}

result<bytes> direct_client::call_encoded_here(std::string_view route, codec c,
                                               bytes_view arguments, const bounds& b) {
    local_resolver once;
    auto m = once.begin(*this, route, nullptr, false);
    if (!m) return std::move(m).error();
    local_request rq;
    rq.wire_codec = c;
    rq.encoded = arguments;
    rq.deadline = b.deadline;
    rq.cancel = b.cancel;
    rq.urgency = b.told();
    bytes answer;
    TENON_TRY(call_local(*this, **m, rq, {&answer, nullptr, false}));
    return answer;
}

result<void> direct_client::send(std::string_view route, codec c, bytes_view arguments) {
    TENON_TRY(check_codec(c));
    if (is_local()) {
        auto answer = call_encoded_here(route, c, arguments, {});
        if (!answer) return std::move(answer).error();
        return {};
    }
    base::byte_buffer metadata;
    put_dynamic_metadata(metadata, route, c);
    outgoing_request request;
    request.metadata = metadata.view();
    request.payload = arguments;
    return connection_->send(request);
}

result<detail::stream_ends> direct_client::open_stream(const dynamic_stream& s) {
    TENON_TRY(check_codec(s.wire_codec));
    const bounds b = bounds_of_stream(s.options);
    detail::flow_settings flow;
    flow.window = s.options->window;
    if (!is_local()) {
        base::byte_buffer metadata;
        put_dynamic_metadata(metadata, s.route, s.wire_codec);
        const stream_plan plan{s.types,           flow,
                               s.wire_codec,      connection_->decoding(),
                               &runtime_->spin(), connection_->values(),
                               s.has_arguments};
        return open(metadata.view(), s.arguments, plan, b,
                    {{}, {}, false, s.options->start, s.options->origin});
    }
    local_resolver once;
    auto m = once.begin(*this, s.route, nullptr, true);
    if (!m) return std::move(m).error();
    local_request rq;
    rq.wire_codec = s.wire_codec;
    rq.encoded = s.arguments;
    rq.deadline = b.deadline;
    rq.cancel = b.cancel;
    return open_local_stream(*this, **m, rq, *s.types, flow, s.options->start, s.options->origin);
}

std::vector<detail::binding> direct_client::bind(const detail::contract_info& contract) {
    std::vector<detail::binding> methods;
    for (const detail::method_info& m : contract.methods)
        methods.emplace_back(std::make_shared<remote_method>(
            std::static_pointer_cast<direct_client>(shared_from_this()), contract, m));
    return methods;
}

}  // namespace tenon::inline v0::rpc
