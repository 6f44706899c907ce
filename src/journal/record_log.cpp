#include "journal/record_log.hpp"

#include <mutex>

#include "journal/segment.hpp"

namespace tenon::inline v0::journal {

void listener::on_failed(position, const error&) noexcept {}

cursor::step cursor::next() {
    for (;;) {
        if (offset_ == end_)
            if (const step s = log_->refill(*this); s != step::record) return s;
        const std::byte* const at = page_->data() + offset_;
        const record found = view_record(at);
        if (found.at > next_) return report_gap(found.at, reason::damaged);
        offset_ += stored_size_at(at);
        if (found.at < next_ || is_closed_mark(at)) continue;
        record_ = found;
        ++next_;
        return step::record;
    }
}

void cursor::seek(position to) noexcept {
    release();
    next_ = to;
}

void cursor::release() noexcept {
    page_ = page_ref();
    offset_ = end_ = 0;
    record_ = {};
    segment_.reset();
    file_.reset();
}

cursor::step cursor::report_gap(position to, reason why) noexcept {
    gap_ = {next_, to, why};
    next_ = to;
    return step::gap;
}

void cursor::enter(const page_ref& p, std::size_t end) noexcept {
    if (page_.get() != p.get()) {
        page_ = p;
        offset_ = 0;
    }
    end_ = end;
}

result<position> record_log::append(const entry& e) {
    auto done = put(e, false, true);
    if (!done) return std::move(done).error();
    return done->at;
}

result<position> record_log::post(const entry& e) {
    auto done = put(e, false, false);
    if (!done) return std::move(done).error();
    return done->at;
}

result<appended> record_log::append_once(const entry& e) { return put(e, true, true); }
result<appended> record_log::post_once(const entry& e) { return put(e, true, false); }

cursor record_log::read(position from) noexcept {
    return cursor(*this, from == 0 ? first() : from);
}

void record_log::add_listener(listener& l) noexcept {
    const std::lock_guard lock(listeners_mutex_);
    listeners_.push_back(l);
}

void record_log::remove_listener(listener& l) noexcept {
    const std::lock_guard lock(listeners_mutex_);
    l.unlink();
}

void record_log::tell_settled() noexcept {
    const std::lock_guard lock(listeners_mutex_);
    if (listeners_.empty()) return;
    const position settled = next();
    for (listener& l : listeners_) l.on_settled(settled);
}

void record_log::tell_failed(position from, const error& why) noexcept {
    const std::lock_guard lock(listeners_mutex_);
    for (listener& l : listeners_) l.on_failed(from, why);
}

}  // namespace tenon::inline v0::journal
