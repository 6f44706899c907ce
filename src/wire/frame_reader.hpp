#pragma once
// frame_reader: cuts a byte stream with 24-bit length prefixes into frames, without copying them.
//
// The caller reads into space(), says how much with commit(), and takes frames with next() until
// there is none. A connection without traffic holds no storage (release_if_empty()). Storage for
// a large frame grows with what has arrived, so an announced length alone costs no memory.
//
// A long frame need not be collected here: as soon as its head is, next_part() gives it out in parts,
// as if the peer had cut it into fragments. The rest of it may be read elsewhere, straight to where
// the message is put together (part_missing(), skip()). Not thread-safe.

#include <cstddef>
#include <optional>
#include <span>
#include <string_view>

#include "base/buffer.hpp"
#include "tenon/bytes.hpp"
#include "wire/frame.hpp"

namespace tenon::inline v0::wire {

class frame_reader {
public:
    /// `read_ahead` is the ordinary size of a read; frames longer than `limit` are an error.
    explicit frame_reader(std::size_t limit = max_frame_size,
                          std::size_t read_ahead = std::size_t{64} * 1024) noexcept
        : limit_(limit), read_ahead_(read_ahead) {}

    /// For the frames not yet taken.
    void set_limit(std::size_t limit) noexcept { limit_ = limit; }

    /// From here on next_part() gives nothing: for frames that count only if they are complete.
    void take_whole_frames() noexcept { whole_ = true; }

    /// Where to read next; never empty. Ends the validity of what next() returned.
    std::span<std::byte> space();

    /// `n` bytes were read into the front of space().
    void commit(std::size_t n) noexcept { end_ += n; }

    /// The next complete frame without its prefix, valid until the next call of space(),
    /// release_if_empty() or the reader's end, or as long as a storage taken with detach() lives.
    /// Nothing if more bytes are needed or after an error.
    std::optional<bytes_view> next() noexcept;

    /// For when next() gave nothing: what is here of a long frame, as a fragment of it. Its data is
    /// valid as that of next().
    std::optional<frame> next_part();
    /// False: next_part() would give nothing.
    bool has_part() const noexcept {
        return in_parts_ || end_ - begin_ >= prefix_size + header_size;
    }
    /// Of the frame that is given out in parts: how much is neither here nor skipped. 0: none is.
    std::size_t part_missing() const noexcept { return begin_ == end_ ? part_rest_ : 0; }
    std::uint32_t part_stream() const noexcept { return part_.stream; }
    /// `n` of part_missing() have been read elsewhere.
    void skip(std::size_t n) noexcept { part_rest_ -= n; }

    /// What is wrong with the stream; empty if nothing. It stays so.
    std::string_view error() const noexcept { return error_; }

    /// Bytes that wait for the rest of their frame. Not zero means the peer owes us something.
    std::size_t unfinished() const noexcept { return end_ - begin_ + (in_parts_ ? 1 : 0); }

    /// Bytes still missing for the frame that has begun, 0 if its length is not yet known.
    std::size_t missing() const noexcept;

    /// Gives the storage back if no byte waits in it. Views from next() end.
    void release_if_empty() noexcept;

    /// Hands the storage to the caller, so that views from next() stay valid as long as the
    /// caller keeps it. Bytes not yet cut move to new storage.
    base::byte_buffer detach();

private:
    void move_to(std::size_t capacity);
    std::optional<frame> first_part();

    base::byte_buffer storage_;
    std::size_t begin_ = 0;  // of the bytes not yet cut
    std::size_t end_ = 0;
    std::size_t limit_;
    std::size_t read_ahead_;
    std::string_view error_;
    bool whole_ = false;
    bool in_parts_ = false;      // a frame is being given out in parts, and has not ended
    frame part_;                 // its next part, but for the data, as if that were the last
    std::size_t part_rest_ = 0;  // of its data, still to be given out
};

}  // namespace tenon::inline v0::wire
