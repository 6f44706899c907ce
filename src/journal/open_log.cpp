#include "journal/open_log.hpp"

#include <algorithm>
#include <limits>

#include "journal/file_log.hpp"
#include "journal/memory_log.hpp"

namespace tenon::inline v0::journal {

result<std::unique_ptr<record_log>> open_log(const log_options& options) {
    if (options.max_age.count() < 0) return error(errc::invalid, "log: max_age is negative");
    if (!options.directory.empty()) {
        file_log_options o;
        o.max_records = options.max_records;
        o.max_bytes = options.max_bytes;
        o.max_age = options.max_age;
        o.segment_bytes = options.segment_bytes;
        o.sync = options.sync;
        o.sync_interval = options.sync_interval;
        auto opened = file_log::open(options.directory, o);
        if (!opened) return std::move(opened).error();
        return std::unique_ptr<record_log>(*std::move(opened));
    }
    memory_log_options o;
    o.max_records = options.max_records;
    constexpr std::uint64_t most = std::numeric_limits<std::size_t>::max();
    o.max_bytes =
        static_cast<std::size_t>(options.max_bytes == 0 ? most : std::min(options.max_bytes, most));
    o.max_age = options.max_age;
    return std::unique_ptr<record_log>(std::make_unique<memory_log>(o));
}

}  // namespace tenon::inline v0::journal
