#include "rpc/notes.hpp"

#include <algorithm>

#include "codec/codec.hpp"
#include "rpc/client_core.hpp"
#include "rpc/local_call.hpp"
#include "rpc/runtime_core.hpp"
#include "rpc/server_core.hpp"
#include "wire/endian.hpp"
#include "wire/metadata.hpp"

namespace tenon::inline v0 {

result<void> send_note(const client& to, const value& content) {
    base::byte_buffer encoded;
    TENON_TRY(rpc::encode_note(content, encoded));
    return to.core().send_note(encoded.view());
}

void on_note(const client& from, std::function<void(const note&)> f) {
    from.core().on_note(std::move(f));
}

namespace rpc {

namespace {

constexpr std::size_t number_size = 8;
constexpr unsigned notes_per_turn = 16;

}  // namespace

result<void> encode_note(const value& content, base::byte_buffer& to) {
    TENON_TRY(coding::encode_value(codec::msgpack, content, to));
    if (to.size() <= longest_note) return {};
    return error(errc::invalid, "a note of " + std::to_string(to.size()) +
                                    " bytes is too long: 16 KiB are allowed")
        .set_may_have_run(false);
}

void put_note_entry(base::byte_buffer& to, std::uint64_t number, bytes_view content) {
    base::byte_buffer entry;
    entry.resize(number_size);
    wire::store_be64(entry.data(), number);
    entry.append(content);
    wire::put_entry(to, wire::mime::note, entry.view());
}

note_entry find_note(bytes_view metadata) noexcept {
    wire::metadata_reader reader(metadata);
    while (const auto e = reader.next()) {
        if (e->mime != wire::mime::note) continue;
        const std::size_t n = e->content.size();
        if (n < number_size || n > number_size + longest_note) return {};
        return {wire::load_be64(e->content.data()), e->content.subspan(number_size)};
    }
    return {};
}

void note_line::push(std::uint64_t number, bytes_view content) {
    numbered_note n;
    n.number = number;
    n.content.append(content);
    if (waiting_.size() >= most_notes) waiting_.pop_front();
    waiting_.push_back(std::move(n));
}

numbered_note note_line::pop() {
    numbered_note n = std::move(waiting_.front());
    waiting_.pop_front();
    return n;
}

void note_line::shift(std::uint64_t n) noexcept {
    for (numbered_note& one : waiting_) one.number -= n;
}

void notes_to_send::restart(std::uint64_t sent) noexcept {
    line_.shift(sent);
    last_ -= sent;
}

void note_receiver::add(listener f) {
    const std::lock_guard lock(mutex_);
    auto all = listeners_ ? *listeners_ : std::vector<listener>();
    all.push_back(std::move(f));
    listeners_ = std::make_shared<const std::vector<listener>>(std::move(all));
}

bool note_receiver::has_listeners() {
    const std::lock_guard lock(mutex_);
    return listeners_ != nullptr;
}

void note_receiver::restart() {
    const std::lock_guard lock(mutex_);
    while (!line_.empty()) line_.pop();
    last_ = told_ = 0;
}

// What there is no memory for is lost.
bool note_receiver::take(std::uint64_t number, bytes_view content) noexcept try {
    {
        const std::lock_guard lock(mutex_);
        if (number == 0) number = last_ + 1;
        if (number <= last_ || !listeners_) return false;
        last_ = number;
        line_.push(number, content);
        if (busy_) return false;
        busy_ = shared_from_this();
    }
    loop_.post(work_);
    return true;
} catch (...) {
    return false;
}

void note_receiver::close() noexcept {
    std::shared_ptr<const std::vector<listener>> gone;  // ends without the mutex
    const std::lock_guard lock(mutex_);
    gone.swap(listeners_);
    while (!line_.empty()) line_.pop();
}

// Mutex held. False: none can be read.
bool note_receiver::next(note& n) {
    while (!line_.empty()) {
        const numbered_note one = line_.pop();
        auto content = coding::decode_value(codec::msgpack, one.content.view());
        if (!content) continue;
        n.content = *std::move(content);
        n.gap = one.number - told_ - 1;
        told_ = one.number;
        return true;
    }
    return false;
}

loop::turn note_receiver::tell(loop::event_loop& loop) {
    std::shared_ptr<note_receiver> self;  // ends last
    for (unsigned i = 0; i < notes_per_turn; ++i) {
        note n;
        std::shared_ptr<const std::vector<listener>> listeners;
        {
            const std::lock_guard lock(mutex_);
            if (!listeners_ || !next(n)) {
                self.swap(busy_);
                break;
            }
            listeners = listeners_;
        }
        const loop::ticket ticket = loop.enter();
        for (const listener& f : *listeners) {
            try {
                f(n);
            } catch (...) {  // as tenon/notes.hpp says
            }
        }
        listeners.reset();
        if (loop.leave(ticket)) continue;
        loop.post(work_);
        return loop::turn::lost;
    }
    if (!self) return loop::turn::again;
    if (idle_) idle_();
    return loop::turn::done;
}

// --- in process ---

local_session::local_session(detail::runtime_core& runtime, const std::string& name)
    : runtime_(runtime),
      name_(name),
      loop_(runtime.next_loop()),
      to_client_(std::make_shared<note_receiver>(loop_)) {}

result<void> local_session::note(const value& content) {
    base::byte_buffer encoded;
    TENON_TRY(encode_note(content, encoded));
    to_client_->take(0, encoded.view());
    return {};
}

note_receiver& local_session::to_server() {
    const std::lock_guard lock(mutex_);
    if (!to_server_) {
        to_server_ = std::make_shared<note_receiver>(loop_);
        to_server_->add([weak = weak_from_this()](const tenon::note& n) {
            if (const auto self = weak.lock()) self->tell_server(n);
        });
    }
    return *to_server_;
}

// A server that stops waits until its callbacks have been told.
void local_session::tell_server(const tenon::note& n) {
    const auto server = runtime_.find(name_);
    if (!server || !server->begin_call()) return;
    server->tell<tenon::session, const tenon::note&>(server->to_be_told().noted, *this, n);
    server->end_call();
}

}  // namespace rpc
}  // namespace tenon::inline v0
