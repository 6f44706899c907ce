#pragma once
// A thread that waits until a record is settled; on its stack, guarded by the log.

#include <optional>

#include "journal/file_log.hpp"

namespace tenon::inline v0::journal {

struct file_log::waiter : base::list_hook<> {
    explicit waiter(position p) noexcept : at(p) {}

    const position at;
    bool done = false;
    std::optional<error> failure;
};

}  // namespace tenon::inline v0::journal
