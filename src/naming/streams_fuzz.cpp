// A hostile peer on a real connection: arbitrary frames against a server with members of every kind
// of stream, and against a client's streams. Nothing crashes, memory stays bounded, and once the
// peer is gone every stream, call and handler has ended.
//
// Input: one byte says whom it is against and what the peer pretends to be; then commands, of which
// most write a frame whose fields are taken from what follows. Time is virtual.

#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <optional>
#include <vector>

#include "base/unique_fd.hpp"
#include "rpc/hello.hpp"
#include "rpc/runtime_core.hpp"
#include "tenon/stream_description.hpp"
#include "tenon/stream_log.hpp"
#include "tenon/stream_members.hpp"
#include "tenon/tenon.hpp"
#include "wire/frame.hpp"
#include "wire/metadata.hpp"

using namespace tenon;
using namespace std::chrono_literals;

namespace streams_fuzz {

struct item {
    int number = 0;
    std::string text;
};
TENON_STRUCT(item, number, text)

/// Named by single letters, which the fuzzer finds.
struct target {
    source<item(int)> a;
    source<item()> b;  // kept, and dropping
    sink<item, long> c;
    sink<item> d;  // kept
    channel<item, item> e;
    channel<item, item> f;  // kept
    source<item()> g;       // a log
    sink<item> h;           // the same log

    static void describe(description<target>& d);
};
TENON_INTERFACE(target, "t", "t", "1.0.0", (a, n), b, c, d, e, f, g, h)

void target::describe(description<target>& d) {
    d[&target::b].overflow(overflow::drop_old, 8).window(4);
    d[&target::f].window(16);
}

generator<item> count(int n) {
    for (int i = 0; i < n; ++i) co_yield item{i, "x"};
}
task<long> sum(reader<item> in) {
    long all = 0;
    while (auto v = co_await in.next()) all += v->number;
    in.acknowledge(1);
    co_return all;
}
task<void> echo(duplex<item, item> s) {
    while (auto v = co_await s.next()) co_await s.send_async(std::move(*v));
}

/// Ends that outlive their handlers. Those are coroutines, because plain functions of streams may
/// block, and so run in the pool, beside this thread.
struct kept_ends {
    std::vector<writer<item>> writers;
    std::vector<reader<item>> readers;
    std::vector<duplex<item, item>> channels;
};
kept_ends& kept() {
    static kept_ends* const k = new kept_ends;  // never taken down: exit() may come at any time
    return *k;
}
template <class End>
void keep(std::vector<End>& in, End end) {
    constexpr std::size_t most = 64;
    if (in.size() < most) in.push_back(std::move(end));
}
task<void> keep_writer(writer<item> w) {
    keep(kept().writers, std::move(w));
    co_return;
}
task<void> keep_reader(reader<item> r) {
    keep(kept().readers, std::move(r));
    co_return;
}
task<void> keep_channel(duplex<item, item> s) {
    keep(kept().channels, std::move(s));
    co_return;
}

}  // namespace streams_fuzz

namespace {

using streams_fuzz::item;

void must(bool ok, const char* what) {
    if (ok) return;
    std::fprintf(stderr, "ERROR: %s\n", what);
    std::abort();
}

/// One runtime and one server for all inputs.
class world {
public:
    world() {
        runtime_options ro;
        ro.spin = false;
        runtime.emplace(detail::runtime_core::make(ro, detail::runtime_core::threads::none, clock));
        runtime->set_log_sink(log_level::error, [](log_level, std::string_view) {});
        server_options so;
        so.runtime = &*runtime;
        so.shared_memory = false;
        so.limits.message = 4'000;
        so.limits.calls_per_connection = 32;
        server.emplace(so);
        auto& t = server->publish<streams_fuzz::target>();
        t.a = streams_fuzz::count;
        t.b = streams_fuzz::keep_writer;
        t.c = streams_fuzz::sum;
        t.d = streams_fuzz::keep_reader;
        t.e = streams_fuzz::echo;
        t.f = streams_fuzz::keep_channel;
        const log<item> both({.max_records = 32}, &*runtime);
        t.g = both;
        t.h = both;
        server->listen(endpoint("server"));
        server->start();
        listener = listen(endpoint("peer").substr(5));
    }

    std::string endpoint(const char* of) const {
        return "unix:@tenon-fuzz-" + std::to_string(::getpid()) + "-" + of;
    }
    static base::unique_fd dial(std::string_view name) { return make_socket(name, ::connect); }
    static base::unique_fd listen(std::string_view name) {
        base::unique_fd fd = make_socket(name, ::bind);
        must(::listen(fd.get(), 8) == 0, "cannot listen");
        return fd;
    }

    void settle() {
        for (int i = 0; i < 4; ++i) runtime->run_ready();
    }
    void pass(std::chrono::milliseconds time) {
        clock.advance(time);
        settle();
    }

    base::virtual_clock clock;
    std::optional<tenon::runtime> runtime;
    std::optional<tenon::server> server;
    base::unique_fd listener;

private:
    template <class F>
    static base::unique_fd make_socket(std::string_view name, F use) {
        base::unique_fd fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
        sockaddr_un to{};
        to.sun_family = AF_UNIX;
        std::memcpy(to.sun_path + 1, name.data() + 1, name.size() - 1);  // behind the @
        must(use(fd.get(), reinterpret_cast<const sockaddr*>(&to),
                 static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + name.size())) == 0,
             "no socket");
        return fd;
    }
};

world& the_world() {
    static world* const w = new world;  // as above
    return *w;
}

class driver {
public:
    explicit driver(bytes_view input) : w_(the_world()), input_(input) {
        const unsigned kind = take();
        is_tenon_ = (kind & 2) != 0;
        if (kind & 1) be_server();
        else be_client((kind & 4) != 0);
    }

    void run() {
        for (unsigned n = 0; !input_.empty() && n < 200; ++n) step(take());
        write();
        w_.settle();
        end();
    }

private:
    // --- whom it is against ---

    void be_client(bool resumable) {
        fd_ = world::dial(w_.endpoint("server").substr(5));
        base::byte_buffer hello;
        if (is_tenon_) rpc::put_hello_entry(hello, "0123456789ab");
        const bytes_view metadata = hello.view();
        wire::setup_fields s;
        s.keepalive_ms = 20'000;
        s.lifetime_ms = 90'000;
        if (resumable) s.token = as_bytes("token");
        s.metadata_mime = wire::mime::composite;
        s.data_mime = wire::mime::msgpack;
        wire::append_setup(out_, s, resumable ? wire::flag::resume : 0, &metadata, {}, true);
    }

    void be_server() {
        client_options o;
        o.runtime = &*w_.runtime;
        o.shared_memory = false;
        o.limits.message = 4'000;
        o.backoff_first = o.backoff_last = 1h;  // one connection only
        client_.emplace(connect<streams_fuzz::target>(w_.endpoint("peer"), o));
        take_streams();
        for (int i = 0; i < 10 && fd_.get() < 0; ++i) {
            w_.settle();
            fd_ = base::unique_fd(
                ::accept4(w_.listener.get(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK));
        }
        must(fd_.get() >= 0, "the client does not connect");
        if (!is_tenon_) return;
        base::byte_buffer hello;
        rpc::put_hello_entry(hello, "0123456789ab");
        wire::frame f;
        f.type = wire::frame_type::metadata_push;
        f.has_metadata = true;
        f.metadata = hello.view();
        wire::append_frame(out_, f, true);
    }
    void take_streams() {
        kept_.readers.push_back(client_->a(5));
        auto sum = client_->c();
        kept_.writers.push_back(sum);
        auto both = client_->e();
        kept_.channels.push_back(both);
        tell_values(client_->a(3));
    }
    static void tell_values(reader<item> r) {
        spawn(wait_for_values(std::move(r)), scope(), [](task<void>&) {});
    }
    static const call_scope& scope() {
        static const call_scope s;
        return s;
    }
    static task<void> wait_for_values(reader<item> r) {
        while (auto v = co_await r.next()) {}
    }

    // --- commands ---

    unsigned take() {
        if (input_.empty()) return 0;
        const auto v = std::to_integer<unsigned>(input_[0]);
        input_ = input_.subspan(1);
        return v;
    }
    bytes_view take_some(std::size_t n) {
        const bytes_view b = input_.first(std::min(n, input_.size()));
        input_ = input_.subspan(b.size());
        return b;
    }
    std::uint32_t stream() { return 1 + 2 * (take() % 8) + (take() % 16 == 15 ? 1 : 0); }

    void step(unsigned command) {
        switch (command % 16) {
            case 0: return (void)out_.append(take_some(take() << 8 | take()));
            case 1:
            case 2:
            case 3: return request();
            case 4:
            case 5:
            case 6:
            case 7: return payload();
            case 8: return numbered(wire::frame_type::request_n);
            case 9: return numbered(wire::frame_type::cancel);
            case 10: return numbered(wire::frame_type::error);
            case 11: return extension();
            case 12: return use_writers();
            case 13: return use_readers();
            case 14: write(); return w_.pass(std::chrono::milliseconds(take() * take()));
            default: write(); return w_.settle();
        }
    }

    /// Most values fit.
    base::byte_buffer value() {
        base::byte_buffer b;
        const unsigned how = take();
        if (how % 4 == 0) b.append(take_some(how));
        else if (how == 255)
            b.append(encode(codec::msgpack, item{1, std::string(5'000, 'y')}).value());
        else b.append(encode(codec::msgpack, item{static_cast<int>(how), "y"}).value());
        return b;
    }
    /// A status entry, as it ought to be or not.
    void put_status(base::byte_buffer& to) {
        const unsigned what = take();
        tenon::value map{tenon::value::map()};
        if (what & 1) map["open"] = tenon::value(true);
        if (what & 2) map["gap"] = tenon::value(std::uint64_t{take()} << take() % 64);
        if (what & 4) map["position"] = tenon::value(std::uint64_t{take()} << take() % 64);
        if (what & 8) map["epoch"] = tenon::value(std::uint64_t{take()});
        if (what & 16) map["from"] = tenon::value(take() & 1 ? "earliest" : "position");
        if (what & 32) map["session"] = tenon::value(bytes(16, std::byte{1}));
        if (what & 64) map["error"] = tenon::value(bytes(take() % 9, std::byte{'e'}));
        if (what & 128) return wire::put_status(to, take_some(take()));
        wire::put_status(to, encode(codec::msgpack, map).value());
    }

    void request() {
        base::byte_buffer metadata;
        const std::string name(1, static_cast<char>('a' + take() % 9));
        wire::put_route(metadata, "t/t." + name);
        const unsigned how = take();
        if (how & 1) put_status(metadata);
        wire::frame f;
        f.type = static_cast<wire::frame_type>(4 + (how >> 1) % 4);
        f.flags = static_cast<std::uint16_t>((how & 8 ? wire::flag::complete : 0) |
                                             (how & 16 ? wire::flag::follows : 0));
        f.stream = stream();
        f.n = how & 32 ? take() + 1 : wire::max_n;
        const base::byte_buffer data = value();
        f.has_metadata = true;
        f.metadata = metadata.view();
        f.data = data.view();
        wire::append_frame(out_, f, true);
    }
    void payload() {
        base::byte_buffer metadata;
        const unsigned how = take();
        if (how & 1) put_status(metadata);
        wire::frame f;
        f.type = wire::frame_type::payload;
        f.flags = static_cast<std::uint16_t>((how & 2 ? wire::flag::complete : 0) |
                                             (how & 4 ? 0 : wire::flag::next) |
                                             (how & 8 ? wire::flag::follows : 0));
        f.stream = stream();
        const base::byte_buffer data = value();
        f.has_metadata = how & 1;
        f.metadata = metadata.view();
        f.data = data.view();
        const unsigned times = how & 16 ? 1 + take() : 1;
        for (unsigned i = 0; i < times; ++i) wire::append_frame(out_, f, true);
    }
    void numbered(wire::frame_type type) {
        wire::frame f;
        f.type = type;
        f.stream = stream();
        f.n = take() << (take() % 24);
        f.code = wire::error_code::application_error + take() % 4;
        if (type == wire::frame_type::error) f.data = take_some(take() % 32);
        wire::append_frame(out_, f, true);
    }
    void extension() {
        wire::frame f;
        f.type = wire::frame_type::ext;
        f.flags = wire::flag::ignore;
        f.stream = stream();
        f.code = 0x544E0000 + take() % 4;
        base::byte_buffer data;
        if (f.code == 0x544E0003) put_seek(data);
        else data.append(take_some(take() % 12));
        f.data = data.view();
        wire::append_frame(out_, f, true);
    }
    void put_seek(base::byte_buffer& to) {
        const unsigned what = take();
        if (what & 128) return to.append(take_some(take() % 32));
        static constexpr const char* from[] = {"earliest", "latest", "position", "time"};
        tenon::value map{tenon::value::map()};
        map["seek"] = tenon::value(std::uint64_t{take()});
        if (what & 1) map["from"] = tenon::value(from[(what >> 1) % 4]);
        if (what & 8) map["position"] = tenon::value(std::uint64_t{take()} << take() % 64);
        if (what & 16) map["epoch"] = tenon::value(std::uint64_t{take()});
        if (what & 32) map["time"] = tenon::value(std::uint64_t{take()} << take() % 64);
        to.append(encode(codec::msgpack, map).value());
    }

    template <class T>
    T* pick(std::vector<T>& from) {
        return from.empty() ? nullptr : &from[take() % from.size()];
    }
    void use_writers() {
        const unsigned how = take();
        if (auto* const w = pick(kept_.writers); w && *w) use_writer(*w, how);
        if (auto* const c = pick(kept_.channels); c && *c) use_channel(*c, how >> 3);
        w_.settle();
    }
    static void use_writer(writer<item>& w, unsigned how) {
        switch (how % 8) {
            case 0: return w.finish();
            case 1: return w.fail(error(errc::failed, "no"));
            case 2: w = {}; return;
            case 3: return w.place_next(1 + how, 7);
            case 4: return w.allow_seeking();
            case 5: return (void)w.sought();
            default: (void)w.try_send(item{1, "z"});
        }
    }
    static void use_channel(duplex<item, item>& c, unsigned how) {
        switch (how % 8) {
            case 0: return c.finish();
            case 1: return c.stop();
            case 2: c = {}; return;
            case 3: return c.acknowledge(how);
            case 4: return poll(c);
            default: (void)c.try_send(item{1, "z"});
        }
    }
    template <class R>
    static void poll(R& r) {
        try {
            (void)r.poll();
        } catch (const failure&) {  // how the stream ended
        }
    }
    void use_readers() {
        const unsigned how = take();
        auto* const r = pick(kept_.readers);
        if (!r || !*r) return;
        switch (how % 8) {
            case 0: r->stop(); break;
            case 1: *r = {}; break;
            case 2: r->acknowledge(how); break;
            case 3:
                (void)r->seek(how & 8 ? stream_start::at_position(how) : stream_start::latest());
                break;
            default: poll(*r);
        }
        w_.settle();
    }

    // --- the socket ---

    void write() {
        if (fd_.get() < 0) return;
        std::size_t at = 0;
        while (at < out_.size()) {
            const ssize_t n = ::send(fd_.get(), out_.data() + at, out_.size() - at, MSG_NOSIGNAL);
            if (n <= 0) break;
            at += static_cast<std::size_t>(n);
            w_.settle();
            drain();
        }
        out_.clear();
        w_.settle();
        drain();
    }
    void drain() {
        char some[65536];
        while (::recv(fd_.get(), some, sizeof some, 0) > 0) {}
    }

    /// The peer goes, and with it everything.
    void end() {
        fd_ = {};
        client_.reset();
        w_.settle();
        for (int i = 0; i < 3; ++i) {
            kept_ = {};
            w_.settle();
        }
        // A session that waits to be resumed goes on for a while.
        if (!is_quiet()) w_.pass(61s);
        for (int i = 0; i < 50 && !is_quiet(); ++i) w_.pass(10ms);
        kept_ = {};
        must(is_quiet(), "a connection outlives its peer");
    }
    bool is_quiet() { return w_.server->status().connections == 0; }

    world& w_;
    streams_fuzz::kept_ends& kept_ = streams_fuzz::kept();
    bytes_view input_;
    bool is_tenon_ = false;
    base::unique_fd fd_;
    base::byte_buffer out_;
    std::optional<stub<streams_fuzz::target>> client_;
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    driver(bytes_view(reinterpret_cast<const std::byte*>(data), size)).run();
    return 0;
}
