#pragma once
// What the commands for sources, sinks and channels have in common.

#include <chrono>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "command_line.hpp"
#include "interruption.hpp"
#include "manifests.hpp"
#include "printer.hpp"
#include "request.hpp"
#include "target.hpp"
#include "tenon/client_streams.hpp"

namespace cli {

/// Between two looks at what else may have happened.
inline constexpr std::chrono::milliseconds step{200};

struct stream_command {
    std::string name;  ///< "subscribe"
    target_options target;
    bool text = false;

    void add_to(command_line& line, const std::string& about_text);
    line_format format() const {
        return {target.json, text, target.codec == tenon::codec::raw && !target.json};
    }
};

/// One stream to be opened, with what is said when it fails.
class stream_request {
public:
    /// `words`: the route and the arguments. Throws usage_error.
    stream_request(const stream_command& command, const std::vector<std::string>& words,
                   interruption& interrupt);

    /// The exit code, if the manifest says that it cannot work.
    std::optional<int> check();
    tenon::client& client() { return to_.client; }
    std::string route() const { return name_.route(); }
    const tenon::value& arguments() const { return given_.list; }
    tenon::stream_options options() const;

    /// Reports why it has failed, with `hint` or what is usually said, and gives the exit code.
    int fail(tenon::error e, const std::string& hint = {});

private:
    const stream_command& command_;
    interruption& interrupt_;
    const service_name name_;
    call_arguments given_;
    target to_;
    bool is_unknown_ = false;
};

/// Does something at an interruption, on another thread.
template <class F>
class on_interruption final : public tenon::cancel_hook {
public:
    on_interruption(interruption& i, F f) : cancellation_(i.cancellation()), f_(std::move(f)) {
        if (!cancellation_.add(*this)) f_();
    }
    ~on_interruption() { cancellation_.remove(*this); }
    void on_cancel() noexcept override { f_(); }

private:
    tenon::cancellation& cancellation_;
    F f_;
};

/// Takes what comes and prints it, until the stream ends, `limit` values have come (0: no limit), or
/// nobody reads what is printed. Errors: those of the stream; `deadline` if nothing came for
/// `patience` (0: no limit). `check` is called behind the first value. Throws output_error.
tenon::result<void> print_values(tenon::reader<tenon::value>& in, value_printer& to,
                                 std::uint64_t limit, std::chrono::milliseconds patience,
                                 const std::function<tenon::result<void>()>& check = {});

/// One value from a line: JSON. Nothing for a blank line. Throws usage_error, naming the line.
/// Codec raw, and `text`: the line as it is. `lenient`: what does not look like JSON is a string.
std::optional<tenon::value> value_of_line(std::string_view line, std::uint64_t number,
                                          const stream_command& command, bool lenient);

/// Waits while there is no room, but looks at the interruption. False: interrupted, or the receiver
/// takes no more.
bool send_value(tenon::writer<tenon::value>& out, const tenon::value& v, interruption& interrupt);

}  // namespace cli
