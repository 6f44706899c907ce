#pragma once
// What a file_log needs of a file system: one directory of files. The tests have another one, which
// dies at any step and keeps no more than a disk would.
//
// Errors: `overloaded` no space or a limit, `denied`, `not_found`, `conflict` there already or in
// use, `unavailable` anything else, such as a failing disk. Thread-safe, but a file is written by
// one thread at a time.

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "tenon/bytes.hpp"
#include "tenon/result.hpp"

namespace tenon::inline v0::journal {

class file {
public:
    virtual ~file() = default;

    virtual result<std::uint64_t> size() = 0;
    /// What is there, up to the size of `into`; less only at the end of the file.
    virtual result<std::size_t> read(std::uint64_t offset, std::span<std::byte> into) = 0;
    /// All of the parts, one behind the other. After an error any of it may have been written.
    virtual result<void> write(std::uint64_t offset, std::span<const bytes_view> parts) = 0;
    virtual result<void> truncate(std::uint64_t size) = 0;
    /// Data and size are on the disk when it returns.
    virtual result<void> sync() = 0;
};

/// Differs each time the system has started.
using boot_id = std::array<std::byte, 16>;

class storage {
public:
    virtual ~storage() = default;

    /// Where it is, for messages.
    virtual const std::string& path() const noexcept = 0;
    virtual boot_id boot() const noexcept = 0;

    virtual result<std::vector<std::string>> list() = 0;
    virtual result<std::unique_ptr<file>> create(const std::string& name) = 0;
    virtual result<std::unique_ptr<file>> open(const std::string& name, bool writable) = 0;
    /// What had the name `to` is gone.
    virtual result<void> rename(const std::string& from, const std::string& to) = 0;
    /// Its content stays for those that have it open.
    virtual result<void> remove(const std::string& name) = 0;
    /// Names are on the disk when it returns.
    virtual result<void> sync() = 0;
};

/// A directory, made with mode 0700 if it is not there; its parent must be. `conflict` if another
/// process, or another log of this one, has it open.
result<std::unique_ptr<storage>> open_directory(const std::string& path);

}  // namespace tenon::inline v0::journal
