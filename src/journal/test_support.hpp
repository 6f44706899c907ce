#pragma once
// What the tests of this layer share.

#include <stdlib.h>

#include <filesystem>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "journal/file_log.hpp"
#include "journal/record_log.hpp"

namespace tenon::inline v0::journal {

/// A directory that goes with the test.
class temporary_directory {
public:
    temporary_directory() {
        std::string name = std::filesystem::temp_directory_path() / "tenon-journal-XXXXXX";
        if (::mkdtemp(name.data()) == nullptr) throw std::runtime_error("mkdtemp");
        path_ = name;
    }
    temporary_directory(const temporary_directory&) = delete;
    temporary_directory& operator=(const temporary_directory&) = delete;
    ~temporary_directory() {
        std::error_code ignored;
        std::filesystem::remove_all(path_, ignored);
    }

    const std::filesystem::path& path() const noexcept { return path_; }
    std::string log() const { return path_ / "log"; }

private:
    std::filesystem::path path_;
};

inline session_id session(unsigned n) {
    session_id s;
    for (std::size_t i = 0; i < 4; ++i) s.bytes[i] = static_cast<std::byte>(n >> (8 * i));
    return s;
}

/// What a cursor comes upon until the end: "1:text", "gap 2-4 retention".
inline std::vector<std::string> read_on(cursor& c) {
    std::vector<std::string> seen;
    for (;;) {
        switch (c.next()) {
            case cursor::step::record:
                seen.push_back(std::to_string(c.get().at) + ":" +
                               std::string(as_text(c.get().data)));
                break;
            case cursor::step::gap:
                seen.push_back(
                    "gap " + std::to_string(c.lost().from) + "-" + std::to_string(c.lost().to) +
                    (c.lost().why == cursor::reason::retention ? " retention" : " damaged"));
                break;
            case cursor::step::end: return seen;
            case cursor::step::failed:
                seen.push_back("failed " + c.failure().to_string());
                return seen;
        }
    }
}

inline std::vector<std::string> read_all(record_log& log, position from = 0) {
    cursor c = log.read(from);
    return read_on(c);
}

inline position must_append(record_log& log, std::string_view text, timestamp time = 0,
                            tag t = {}) {
    const auto at = log.append({as_bytes(text), time, t});
    EXPECT_TRUE(at) << at.error().to_string();
    return at ? *at : 0;
}

using strings = std::vector<std::string>;

}  // namespace tenon::inline v0::journal
