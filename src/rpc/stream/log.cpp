// What stands behind tenon::log: a journal of encoded values.

#include <deque>

#include "journal/open_log.hpp"
#include "rpc/runtime_core.hpp"
#include "rpc/stream/inlet.hpp"
#include "tenon/stream_log.hpp"

namespace tenon::inline v0 {

namespace rpc {

namespace {

constexpr codec stored_as = codec::msgpack;

std::int64_t nanoseconds_of(std::chrono::system_clock::time_point t) {
    return std::chrono::duration_cast<std::chrono::nanoseconds>(t.time_since_epoch()).count();
}

journal::position begin_of(journal::record_log& log, const stream_start& from) {
    switch (from.where) {
        case stream_start::at::unsaid:
        case stream_start::at::latest: return log.next();
        case stream_start::at::earliest: return log.first();
        case stream_start::at::time: return log.position_at(nanoseconds_of(from.time));
        case stream_start::at::position: break;
    }
    // Positions of another log say nothing here.
    if (from.epoch != 0 && from.epoch != log.epoch()) return log.first();
    return from.position;
}

/// News of a log, as a stream of one value at most that waits.
class bulletin final : public stream_feeder, public journal::listener {
public:
    bulletin(journal::record_log& log, detail::runtime_core& runtime)
        : log_(log),
          loop_(runtime.loop(0)),
          in_(detail::value_ops_of<bool>, 1, 1, *this, runtime.spin()),
          reader_(std::shared_ptr<detail::inlet>(std::shared_ptr<void>(), &in_)) {}

    void begin() noexcept { log_.add_listener(*this); }
    void end() noexcept { log_.remove_listener(*this); }
    reader<bool>& news() noexcept { return reader_; }
    void tell() noexcept {
        bool yes = true;
        loop::turn t;
        (void)in_.push_object(&yes, true, {}, t);
    }

    void on_settled(journal::position) noexcept override { tell(); }
    void consumed(std::uint32_t) noexcept override {}
    void stopped() noexcept override {}
    void acknowledged(std::uint64_t) noexcept override {}
    std::optional<error> cannot_seek() override { return error(errc::unsupported, "no positions"); }
    void seek(std::uint32_t, const stream_start&) noexcept override {}
    loop::event_loop* fallback() noexcept override { return &loop_; }

private:
    journal::record_log& log_;
    loop::event_loop& loop_;
    stream_inlet in_;
    reader<bool> reader_;
};

class cursor final : public detail::log_cursor {
public:
    cursor(std::shared_ptr<journal::record_log> log, const stream_start& from, const shape& type,
           detail::runtime_core& runtime)
        : log_(std::move(log)),
          at_(log_->read(begin_of(*log_, from))),
          type_(type),
          news_(*log_, runtime) {
        news_.begin();
    }
    ~cursor() override { news_.end(); }

    void seek(const stream_start& to) override { at_ = log_->read(begin_of(*log_, to)); }
    void on_seek() noexcept override { news_.tell(); }

    step next(void* to) override {
        using at = journal::cursor::step;
        for (;;) {
            switch (at_.next()) {
                case at::record: break;
                case at::gap: continue;  // positions tell
                case at::end: return step::end;
                case at::failed: throw failure(at_.failure());
            }
            auto done = coding::decode_object(stored_as, type_, to, at_.get().data, {});
            if (done) return step::value;
            throw failure(error(errc::data_loss, "the log holds something else: " +
                                                     std::string(done.error().message())));
        }
    }
    std::uint64_t position() const noexcept override { return at_.get().at; }
    reader<bool>& news() override { return news_.news(); }

private:
    const std::shared_ptr<journal::record_log> log_;
    journal::cursor at_;
    const shape& type_;
    bulletin news_;
};

/// Acknowledges values, in order, as the log tells that they are settled.
class intake final : public detail::log_intake, public journal::listener {
public:
    intake(std::shared_ptr<journal::record_log> log, std::shared_ptr<detail::inlet> from,
           const shape& type, detail::runtime_core& runtime)
        : log_(std::move(log)),
          from_(std::move(from)),
          type_(type),
          origin_(from_->origin()),
          next_(origin_.number),
          news_(*log_, runtime) {
        log_->add_listener(*this);
        news_.begin();
    }
    ~intake() override {
        news_.end();
        log_->remove_listener(*this);
    }

    bool store(const void* value) override {
        fail_if_failed();
        encoded_.clear();
        coding::encode_object(stored_as, type_, value, encoded_).value();
        journal::entry e;
        e.data = encoded_.view();
        if (origin_) {
            e.tag.session.bytes = origin_.session;
            e.tag.number = next_;
        }
        auto put = origin_ ? log_->post_once(e) : plain(e);
        if (!put && put.error().code() == errc::overloaded) return false;
        if (!put) throw failure(std::move(put).error());
        {
            const std::lock_guard lock(mutex_);
            waiting_.push_back({put->at, next_++});
        }
        settle(log_->next());
        return true;
    }
    bool is_settled() override {
        fail_if_failed();
        const std::lock_guard lock(mutex_);
        return waiting_.empty();
    }
    reader<bool>& news() override { return news_.news(); }

    void on_settled(journal::position next) noexcept override { settle(next); }
    void on_failed(journal::position from, const error& why) noexcept override {
        {
            const std::lock_guard lock(mutex_);
            if (waiting_.empty() || waiting_.back().at < from) return;
            failure_ = why;
        }
        news_.tell();
    }

private:
    struct stored {
        journal::position at;  // 0: settled before
        std::uint64_t number;
    };

    result<journal::appended> plain(const journal::entry& e) {
        auto at = log_->post(e);
        if (!at) return std::move(at).error();
        return journal::appended{*at, false};
    }
    void fail_if_failed() {
        const std::lock_guard lock(mutex_);
        if (failure_) throw failure(*failure_);
    }
    void settle(journal::position next) noexcept {
        std::uint64_t done = 0;
        {
            const std::lock_guard lock(mutex_);
            while (!failure_ && !waiting_.empty() && waiting_.front().at < next) {
                done = waiting_.front().number;
                waiting_.pop_front();
            }
        }
        if (done != 0) from_->acknowledge(done);
    }

    const std::shared_ptr<journal::record_log> log_;
    const std::shared_ptr<detail::inlet> from_;
    const shape& type_;
    const stream_origin origin_;
    base::byte_buffer encoded_;
    std::uint64_t next_;  // number of the next value
    bulletin news_;

    base::mutex mutex_;  // guards all below
    std::deque<stored> waiting_;
    std::optional<error> failure_;
};

class log_of_values final : public detail::log_core {
public:
    log_of_values(std::shared_ptr<journal::record_log> log,
                  std::shared_ptr<detail::runtime_core> runtime, const shape& type)
        : log_(std::move(log)), runtime_(std::move(runtime)), type_(type) {}

    result<std::uint64_t> append(const void* value) override {
        thread_local base::byte_buffer encoded;
        encoded.clear();
        TENON_TRY(coding::encode_object(stored_as, type_, value, encoded));
        journal::entry e;
        e.data = encoded.view();
        return log_->append(e);
    }
    std::shared_ptr<detail::log_cursor> read(const stream_start& from) override {
        return std::make_shared<cursor>(log_, from, type_, *runtime_);
    }
    std::unique_ptr<detail::log_intake> take_in(std::shared_ptr<detail::inlet> from) override {
        return std::make_unique<intake>(log_, std::move(from), type_, *runtime_);
    }
    std::uint64_t epoch() const noexcept override { return log_->epoch(); }
    std::uint64_t first() const override { return log_->first(); }
    std::uint64_t next() const override { return log_->next(); }

private:
    const std::shared_ptr<journal::record_log> log_;
    const std::shared_ptr<detail::runtime_core> runtime_;
    const shape& type_;
};

}  // namespace
}  // namespace rpc

namespace detail {

log_cursor::~log_cursor() = default;
log_intake::~log_intake() = default;
log_core::~log_core() = default;

std::shared_ptr<log_core> log_core::open(const log_options& options, tenon::runtime* runtime,
                                         const value_ops& ops) {
    std::shared_ptr<journal::record_log> records = journal::open_log(options).value();
    auto core = (runtime ? *runtime : tenon::runtime::process()).shared_core();
    return std::make_shared<rpc::log_of_values>(std::move(records), std::move(core), *ops.type);
}

}  // namespace detail
}  // namespace tenon::inline v0
