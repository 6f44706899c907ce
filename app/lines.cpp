#include "lines.hpp"

#include <fmt/format.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "command_line.hpp"
#include "tenon/limits.hpp"

namespace cli {

namespace {

constexpr std::size_t chunk = std::size_t{64} << 10;
constexpr int look_every_ms = 200;

}  // namespace

class line_reader::waker final : public tenon::cancel_hook {
public:
    waker(tenon::cancellation& c, int fd) : cancellation_(c), fd_(fd) {
        if (!cancellation_.add(*this)) on_cancel();
    }
    ~waker() { cancellation_.remove(*this); }

    void on_cancel() noexcept override {
        const std::uint64_t one = 1;
        static_cast<void>(!::write(fd_, &one, sizeof one));
    }

private:
    tenon::cancellation& cancellation_;
    const int fd_;
};

line_reader::line_reader(interruption& interrupt, std::function<bool()> is_over)
    : is_over_(std::move(is_over)),
      wake_(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)),
      waker_(new waker(interrupt.cancellation(), wake_)) {}

line_reader::~line_reader() {
    delete waker_;
    ::close(wake_);
}

// False: nobody wants more lines.
bool line_reader::wait_for_input() {
    for (;;) {
        pollfd on[]{{STDIN_FILENO, POLLIN, 0}, {wake_, POLLIN, 0}};
        if (::poll(on, 2, look_every_ms) < 0 && errno != EINTR)
            throw usage_error(fmt::format("stdin: {}", std::strerror(errno)));
        if (on[1].revents != 0 || is_over_()) return false;
        if (on[0].revents != 0) return true;
    }
}

bool line_reader::read_more() {
    if (begin_ != 0) {
        buffer_.erase(0, begin_);
        searched_ -= begin_;
        begin_ = 0;
    }
    const std::size_t used = buffer_.size();
    if (used > tenon::limits{}.message)
        throw usage_error(fmt::format("stdin, line {}: longer than a message may be ({} MiB)",
                                      number_ + 1, tenon::limits{}.message >> 20));
    buffer_.resize(used + std::max(chunk, used));
    ssize_t n;
    do {
        if (!wait_for_input()) return buffer_.clear(), searched_ = 0, false;
        n = ::read(STDIN_FILENO, buffer_.data() + used, buffer_.size() - used);
    } while (n < 0 && (errno == EINTR || errno == EAGAIN));
    if (n < 0) throw usage_error(fmt::format("stdin: {}", std::strerror(errno)));
    buffer_.resize(used + static_cast<std::size_t>(n));
    return n > 0;
}

std::optional<std::string_view> line_reader::next() {
    for (;;) {
        const std::size_t end = buffer_.find('\n', searched_);
        if (end != buffer_.npos) {
            const std::string_view line(buffer_.data() + begin_, end - begin_);
            begin_ = searched_ = end + 1;
            ++number_;
            return line;
        }
        searched_ = buffer_.size();
        if (!ended_ && read_more()) continue;
        ended_ = true;
        if (begin_ == buffer_.size()) return std::nullopt;
        const std::string_view line = std::string_view(buffer_).substr(begin_);
        begin_ = searched_ = buffer_.size();
        ++number_;
        return line;
    }
}

}  // namespace cli
