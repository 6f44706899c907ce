#pragma once
// path_claim: the exclusive right to listen at a Unix path, and the steps of taking it over.
//
// The right is the write lock (F_OFD_SETLK) on a lock file, PATH.lock unless told otherwise. It ends
// with the process, however that ends, so whoever gets it knows that no other holder lives. Only the
// holder creates or removes PATH, PATH.new and the lock file. The lock file itself may be removed by
// its holder between another process' open and lock, so a lock counts only if its inode is still the
// one at its path.

#include <sys/stat.h>
#include <sys/types.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "base/unique_fd.hpp"
#include "transport/listener.hpp"

namespace tenon::inline v0::transport {

/// Whether a file is a lock file as path_claim leaves it: empty, or with a line about what the
/// server can do.
bool is_lock_file(int fd) noexcept;

enum class lock_says : std::uint8_t {
    nothing,  ///< there is none, or it cannot be read
    plain,    ///< the server knows no shared memory, or does not want it
    shares,   ///< the server accepts offers of shared memory
};
/// What the lock file of a socket says: PATH.lock, or NAME.lock beside NAME.sock. Opens it for
/// reading only.
lock_says ask_lock_file(const std::string& socket_path) noexcept;

/// A path in a directory that is open already.
struct claim_options {
    base::unique_fd directory;
    std::string lock_name;
    std::string new_name;  ///< of the socket until it is complete
    /// Others hold the lock for moments only, to clean up: wait for them.
    bool patient = false;
    /// Called once, after release() has removed everything.
    std::function<void()> released{};
};

class path_claim {
public:
    /// Takes the right to `path` (which has a file name of at most max_socket_file_name bytes).
    /// Errors: `conflict` if a server lives there or the path is no socket, `denied`, `not_found`
    /// if there is no such directory, `overloaded` without descriptors.
    static result<std::unique_ptr<path_claim>> acquire(const std::string& path);
    /// The same within `options.directory`, which is the one of `path`. `not_found` if it has been
    /// removed meanwhile.
    static result<std::unique_ptr<path_claim>> acquire(const std::string& path,
                                                       claim_options options);

    ~path_claim() { release(); }
    path_claim(const path_claim&) = delete;
    path_claim& operator=(const path_claim&) = delete;

    /// Binds `socket`, starts listening and lets it appear at the path, complete from the first
    /// moment. Once.
    result<void> publish(int socket, const listen_options& options);

    /// Removes what was published, if it is still there, and gives the right back. In a forked
    /// child it only closes. Safe to repeat.
    void release() noexcept;

private:
    explicit path_claim(const std::string& path);

    result<void> open_directory();
    result<void> lock();
    result<void> check_vacant();
    void describe(const listen_options& options) noexcept;
    error failed(const char* step, int error) const;
    error taken(const char* why) const;
    bool is_at(const std::string& name, const struct stat& expected) const noexcept;

    std::string path_;
    std::string directory_path_;
    std::string name_;  // of the socket, within the directory
    std::string lock_name_;
    std::string new_name_;
    bool patient_ = false;
    std::function<void()> released_;
    pid_t owner_;
    base::unique_fd directory_;
    base::unique_fd lock_;
    struct stat lock_stat_ {};
    struct stat socket_stat_ {};
    bool occupied_ = false;  // by the socket of a dead server
    bool published_ = false;
};

}  // namespace tenon::inline v0::transport
