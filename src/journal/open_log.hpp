#pragma once
// The log that a user's options ask for.

#include <memory>

#include "journal/record_log.hpp"
#include "tenon/journal.hpp"
#include "tenon/result.hpp"

namespace tenon::inline v0::journal {

/// In memory if no directory is given. Errors as of file_log::open(); `invalid` for negative times.
result<std::unique_ptr<record_log>> open_log(const log_options& options);

}  // namespace tenon::inline v0::journal
