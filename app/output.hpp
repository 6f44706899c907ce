#pragma once
// What the program says. Results go to stdout, everything else to stderr. With --json each error is
// one line
//     {"error":{"code":"not_found","message":"…","exit":14, …}}
// on stderr; `name`, `origin`, `retry_after_ms`, `data` and `hint` are there if there is something
// to say.

#include <stdexcept>
#include <string>
#include <string_view>

#include "tenon/error.hpp"
#include "tenon/value.hpp"

namespace cli {

/// stdout takes no more. Exit code 1.
class output_error : public std::runtime_error {
public:
    explicit output_error(const std::string& what) : std::runtime_error(what) {}
};

/// All of it, unbuffered; throws output_error.
void write_out(std::string_view text);

/// The same to any descriptor; false, with errno, if it does not take it.
bool write_to(int fd, std::string_view text) noexcept;

/// Whether it is a terminal that can clear a line.
bool is_steerable(int fd);

/// Whether nobody will ever read what is written to stdout, a pipe that was left.
bool reader_has_gone();

/// A remark on stderr that is no error.
void note(std::string_view text);

/// One error on stderr. Gives the exit code.
int report(const tenon::error& e, std::string_view hint, bool json);
/// The same for what is no tenon::error; `code` is "usage" or "output".
int report(std::string_view code, std::string_view message, std::string_view hint, int exit,
           bool json);

// For terminals that want colours (see https://no-color.org); else the text as it is.
std::string bold(std::string_view text);
std::string dim(std::string_view text);

/// Without line breaks and control characters: what others say must neither pass for ours nor steer
/// the terminal.
std::string printable(std::string_view text);
/// The same with its line breaks.
std::string printable_lines(std::string_view text);

/// "23.4 us", "1.20 ms", "3.5 s"
std::string readable_time(double microseconds);

}  // namespace cli
