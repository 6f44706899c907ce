#pragma once
// A log in memory: the last so many records, which go with the process.
//
// Appending copies the data and allocates nothing once the log has had its size. Uses at most
// max_bytes and two pages, besides what cursors hold. Nothing in it waits.

#include <chrono>

#include "journal/record_log.hpp"
#include "journal/sessions.hpp"

namespace tenon::inline v0::journal {

struct memory_log_options {
    std::uint64_t max_records = 0;                  ///< 0: any number
    std::size_t max_bytes = std::size_t{64} << 20;  ///< with 32 to 63 bytes for each record
    std::chrono::nanoseconds max_age{0};            ///< 0: any
    std::size_t max_sessions = 1024;                ///< whose highest number is remembered
};

class memory_log final : public record_log {
public:
    explicit memory_log(const memory_log_options& options = {});
    ~memory_log() override;

    position first() const override;
    position next() const override;
    position position_at(timestamp time) override;
    result<void> flush() override { return {}; }
    void trim(timestamp now) override;

private:
    result<appended> put(const entry& e, bool once, bool wait) override;
    cursor::step refill(cursor& c) override;

    bool is_too_much(const record& oldest, timestamp now) const noexcept;
    void drop_old(timestamp now) noexcept;
    std::byte* room_for(std::size_t size, position at);

    const memory_log_options options_;
    const std::shared_ptr<page_pool> pool_;

    mutable base::mutex mutex_;  // guards what follows
    page_list pages_;
    std::size_t first_offset_ = 0;  // of the oldest record in the first page
    position first_ = 1;
    position next_ = 1;
    std::size_t bytes_ = 0;  // of the records kept
    session_table sessions_;
};

}  // namespace tenon::inline v0::journal
