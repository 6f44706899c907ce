#pragma once
// directory_changes: tells that something in the runtime directories may concern a pattern.
//
// The order against a scan is: cover(), then scan. What happens before cover() is seen by the scan,
// what happens after it by the descriptor.

#include <string>
#include <vector>

#include "base/unique_fd.hpp"
#include "tenon/result.hpp"

namespace tenon::inline v0::naming {

class directory_changes {
public:
    /// `configured` is runtime_options::directory.
    static result<directory_changes> open(const std::string& configured);

    /// Readable when something has changed.
    int fd() const noexcept { return fd_.get(); }

    /// Also watches what is there now. Any thread; one at a time.
    void cover(std::string_view pattern);

    struct seen {
        bool anything = false;
        /// A lock file was closed, whose lock may be held for a moment yet.
        bool lock_closed = false;
    };
    /// Any thread; one at a time.
    seen drain() noexcept;

private:
    struct base_directory {
        std::string path;
        int parent_watch = -1;  // as long as it is missing
    };

    int watch(const std::string& path, std::uint32_t events) noexcept;

    base::unique_fd fd_;
    std::vector<base_directory> bases_;
};

}  // namespace tenon::inline v0::naming
