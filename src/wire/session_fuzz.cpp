// Arbitrary frames and calls against a session of each role: memory stays bounded, streams stay
// in balance, and everything it sends parses.
//
// Input: a sequence of commands. One byte says what to do; frames have a two-byte length.

#include <cstdint>
#include <cstdlib>
#include <vector>

#include "wire/endian.hpp"
#include "wire/session.hpp"

using namespace tenon;
using namespace std::chrono_literals;

namespace {

void must(bool ok) {
    if (!ok) std::abort();
}

class driver {
public:
    driver(wire::role r, wire::framing f, bool resumable, bytes_view input)
        : input_(input),
          session_(r, options(f, resumable), now_),
          messages_(f == wire::framing::messages),
          client_(r == wire::role::client) {
        if (!client_) return;
        must(bool(session_.setup("m/m", "d/d", as_bytes("hello"), {}, as_bytes("token"))));
    }

    void run() {
        while (!input_.empty()) {
            step(take());
            must(session_.peer_streams() <= 16);
            must(session_.next_deadline() >= wire::time_point{});
            if (const wire::retention* kept = session_.out().kept())
                must(kept->bytes() <= 3'000 + 2 * wire::output_queue::fragment_limit);
        }
        session_.lost();
        std::size_t left = session_.own_streams() + session_.peer_streams();
        while (session_.orphan().kind != wire::event_kind::none) must(left-- > 0);
        must(session_.own_streams() + session_.peer_streams() == 0);
        session_.release_if_idle();
    }

private:
    static wire::session_options options(wire::framing f, bool resumable) {
        wire::session_options o;
        o.output_framing = f;
        o.max_requests = 16;
        o.message_limit = 2000;
        o.reassembly_limit = 5000;
        o.retention = resumable ? 3000 : 0;
        return o;
    }

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

    wire::stream_ref pick() {
        return refs_.empty() ? wire::stream_ref{1, 1} : refs_[take() % refs_.size()];
    }

    wire::outgoing payload() {
        const unsigned n = take();
        static const bytes large(400'000, std::byte{7});
        if (n % 16 == 15) return wire::outgoing(bytes_view(large).first(n * 1500u));
        return wire::outgoing(bytes_view(large).first(n));
    }

    void step(unsigned command) {
        if (session_.out().pending() > 2'000'000) write();
        switch (command % 16) {
            case 0:
            case 1:
            case 2:
            case 3:
            case 4: return give(take_some(take() << 8 | take()));
            case 5: return give(take_some(take() % 32 + 6));
            case 6: return open();
            case 7: session_.respond(pick(), payload()); return;
            case 8: return (void)session_.send(pick(), payload(), as_bytes("m"), take() % 4 == 0);
            case 9: return session_.cancel(pick());
            case 10: return session_.fail(pick(), errc::failed, as_bytes("no"));
            case 11: return session_.request_n(pick(), take() % 5);
            case 12: return session_.complete(pick());
            case 13:
                switch (take() % 4) {
                    case 0: return read_straight();
                    case 1: return change_link();
                    default: break;
                }
                return session_.extension(pick(), take(), true, {}, as_bytes("x"));
            case 14:
                now_ += std::chrono::milliseconds(take() * 100);
                check(session_.tick(now_));
                return check(session_.expire(now_));
            default: return write();
        }
    }

    /// Loses the link, or finds another one.
    void change_link() {
        if (!session_.is_detached()) {
            if (take() % 4 == 0) session_.expect_acknowledgements();
            const bool may = session_.is_resumable() && session_.established();
            must(session_.detach(now_) == may);
            if (may) sent_.clear();
            return;
        }
        if (client_) return session_.resume(now_);
        const wire::retention& kept = *session_.out().kept();
        wire::resume_fields r;
        r.last_received = kept.first() + take() * 3;
        r.first_available = take();
        const bool may = bool(session_.may_resume(r));
        const bool does = bool(session_.resume(r, now_));
        must(may || !does);
        must(session_.is_detached() != does);
    }

    /// Data that goes to its place, while the stream may end.
    void read_straight() {
        const unsigned id = take() % 64;
        wire::session::room r = session_.take_room(id, take() * 10);
        for (std::byte& b : r.span()) b = std::byte{1};
        const std::size_t n = r.n == 0 ? 0 : take() % (r.n + 1);
        if (take() % 4 == 0) session_.cancel(pick());
        if (take() % 4 == 0) check(session_.expire(now_ += 40s));
        session_.put_room(std::move(r), n);
    }

    void open() {
        const auto kind = static_cast<wire::request_kind>(take() % 4);
        if (session_.own_streams() > 100) return;
        const auto r =
            session_.request(kind, as_bytes("m"), payload(), this, take(), take() % 8 == 0);
        if (r) remember(*r);
    }

    void remember(wire::stream_ref r) {
        if (refs_.size() < 64) refs_.push_back(r);
        else refs_[take() % refs_.size()] = r;
    }

    void give(bytes_view b) {
        const auto f = wire::parse_frame(b);
        check(f ? session_.receive(*f, now_) : session_.reject(f.error().message()));
    }

    void check(const wire::event& e) {
        must(e.metadata.size() <= wire::max_metadata_size);
        must(e.storage.size() <= 2000);
        must(e.kind != wire::event_kind::closed || session_.closed());
        if (e.kind == wire::event_kind::silent) return change_link();
        if (e.kind == wire::event_kind::request) {
            remember(e.stream);
            must(e.ended == !session_.alive(e.stream));
            session_.attach(e.stream, this);
        } else if (e.stream.id != 0) {
            must(e.user == this);
            must(e.ended == !session_.alive(e.stream));
        }
    }

    /// Takes what would be written, and checks every complete frame of it.
    void write() {
        wire::segment s[6];
        const std::size_t n = session_.out().gather(s);
        std::size_t size = 0;
        for (std::size_t i = 0; i < n; ++i) {
            sent_.insert(sent_.end(), s[i].data, s[i].data + s[i].size);
            size += s[i].size;
        }
        if (size != 0) session_.out().consume(size);
        if (messages_) {
            if (n != 0) must(bool(wire::parse_frame(sent_)));
            sent_.clear();
            return;
        }
        std::size_t at = 0;
        while (sent_.size() - at >= 3) {
            const std::size_t length = wire::load_be24(sent_.data() + at);
            must(length >= wire::header_size && length <= wire::output_queue::fragment_limit);
            if (sent_.size() - at - 3 < length) break;
            const auto f = wire::parse_frame(bytes_view(sent_).subspan(at + 3, length));
            must(f && f->type != wire::frame_type::ignored);
            at += 3 + length;
        }
        sent_.erase(sent_.begin(), sent_.begin() + static_cast<std::ptrdiff_t>(at));
    }

    bytes_view input_;
    wire::time_point now_{1000s};
    wire::session session_;
    bool messages_;
    bool client_;
    bytes sent_;
    std::vector<wire::stream_ref> refs_;
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    if (size < 1) return 0;
    const bytes_view b(reinterpret_cast<const std::byte*>(data) + 1, size - 1);
    driver(data[0] & 1 ? wire::role::server : wire::role::client,
           data[0] & 2 ? wire::framing::messages : wire::framing::stream, (data[0] & 4) != 0, b)
        .run();
    return 0;
}
