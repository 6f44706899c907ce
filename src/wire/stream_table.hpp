#pragma once
// stream_table: open streams of one parity by stream id, and the choice of new ids.
//
// Power-of-two open addressing, indexed by id >> 1, so that ids in sequence never collide; those
// that do are kept in order of their distance from home, and removing shifts them back, so there
// are no tombstones. Pointers to slots end with any insert or erase. No allocation while the number of streams stays within what it has been.
// Not thread-safe.

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "base/buffer.hpp"
#include "tenon/priority.hpp"
#include "wire/frame.hpp"

namespace tenon::inline v0::wire {

enum class request_kind : std::uint8_t { response, fnf, stream, channel };

/// A message of which only some fragments have arrived.
struct partial_message {
    base::byte_buffer bytes;  // metadata, then data
    std::size_t metadata_size = 0;
    std::size_t counted = 0;  // what of the session's budget it has taken
    bool has_metadata = false;
    bool complete = false;                          // the C flag was seen on one of the fragments
    std::chrono::steady_clock::time_point touched;  // when the last fragment came
};

struct stream_slot {
    std::uint32_t id = 0;   // 0: free
    std::uint32_t use = 0;  // tells this stream from others that had the same id
    void* user = nullptr;
    std::uint64_t mark = 0;  // see output_queue::may_have_left()
    std::unique_ptr<partial_message> partial;
    std::uint32_t send_credit = 0;  // max_n: without end
    std::uint32_t receive_credit = 0;
    request_kind kind = request_kind::response;
    tenon::priority urgency = priority::normal;  // of what this side sends
    bool assembling_request = false;             // not yet shown to the caller
    bool local_done = false;                     // our direction has ended
    bool remote_done = false;
};

class stream_table {
public:
    stream_slot* find(std::uint32_t id) noexcept;
    /// `id` must not be in the table. The slot is fresh except for its id.
    stream_slot& insert(std::uint32_t id);
    void erase(stream_slot& slot) noexcept;

    std::size_t size() const noexcept { return size_; }
    bool empty() const noexcept { return size_ == 0; }

    /// Any slot in use, or null; for emptying the table one by one in constant time each.
    stream_slot* any() noexcept;

    /// Calls f(slot) for every slot in use; f must not insert or erase.
    template <class F>
    void for_each(F&& f) {
        for (stream_slot& s : slots_)
            if (s.id != 0) f(s);
    }

    /// Gives memory back if the table is empty; how many bytes.
    std::size_t release_if_empty() noexcept;

private:
    std::size_t home(std::uint32_t id) const noexcept { return (id >> 1) & (slots_.size() - 1); }
    void grow();
    stream_slot& place(stream_slot slot) noexcept;

    std::vector<stream_slot> slots_;
    std::size_t size_ = 0;
    std::size_t cursor_ = 0;  // where any() goes on
};

/// Ids of one requester: odd for clients, even for servers; after 2^31-1 they start over.
class stream_ids {
public:
    explicit stream_ids(bool client) noexcept : first_(client ? 1 : 2), next_(first_) {}
    /// An id not in `used`, which must hold fewer than 2^30 streams.
    std::uint32_t take(stream_table& used) noexcept;
    /// For tests: continue at `id`, which must have the right parity.
    void start_at(std::uint32_t id) noexcept { next_ = id; }

private:
    std::uint32_t first_;
    std::uint32_t next_;
};

}  // namespace tenon::inline v0::wire
