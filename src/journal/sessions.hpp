#pragma once
// The highest number of each session, so that a value that is sent twice is stored once. Holds a
// fixed number of sessions; a new one takes the place of the one that stored nothing for longest.
//
// Not thread-safe. Allocates for new sessions only.

#include <cstddef>
#include <cstdint>
#include <list>
#include <unordered_map>
#include <vector>

#include "journal/record.hpp"

namespace tenon::inline v0::journal {

class session_table {
public:
    explicit session_table(std::size_t capacity) : capacity_(capacity) {}

    struct found {
        std::uint64_t number;  ///< the highest; 0 if the session is not known
        position at;           ///< where that one is
    };
    found find(const session_id& session) const noexcept;

    /// A tagged record is appended at `at`; those before `settled` are settled.
    void note(const tag& t, position at, position settled);

    /// Those from `from` on failed, those before are settled.
    void roll_back(position from) noexcept;

    /// What is settled, in the order of last use.
    std::vector<tag> settled_tags(position settled) const;

private:
    struct entry {
        session_id session;
        std::uint64_t highest;
        position at;
        std::uint64_t settled;  // highest number before those that are under way
    };
    struct hash {
        std::size_t operator()(const session_id& s) const noexcept;
    };

    std::size_t capacity_;
    std::list<entry> entries_;  // longest unused first
    std::unordered_map<session_id, std::list<entry>::iterator, hash> by_session_;
};

}  // namespace tenon::inline v0::journal
