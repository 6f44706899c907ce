#pragma once
// The contract of tape_server: numbers that are recorded, and played from any position.

#include <cstdint>

#include "tenon/stream_members.hpp"

namespace example {

struct tape {
    tenon::source<std::int64_t()> play;
    tenon::sink<std::int64_t> record;
};
TENON_INTERFACE(tape, "example", "tape", "1.0.0", play, record)

}  // namespace example
