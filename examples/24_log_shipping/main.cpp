// Log shipping: the lines of a file go to an archive, in order. The archive acknowledges what it has
// stored; after a break the shipper goes on behind the last line that was acknowledged, and the
// archive tells by its number a line that it has already.

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <mutex>
#include <string>
#include <vector>

#include "tenon/stream_members.hpp"
#include "tenon/tenon.hpp"

struct line {
    std::uint64_t number = 0;  // of the file's lines, from 1
    std::string text;
};
TENON_STRUCT(line, number, text)

struct archive {
    tenon::sink<line, std::uint64_t> store;  // replies with the number of lines it has
};
TENON_INTERFACE(archive, "demo", "archive", "1.0.0", store)

namespace {

class store {
public:
    /// Serves one shipper. Its third line makes the first stream break, after it has been stored
    /// and before that is acknowledged.
    std::uint64_t take(tenon::reader<line> lines) {
        std::uint64_t taken = 0;
        for (const line& l : lines) {
            keep(l);
            if (++taken == 3 && !std::exchange(broken_, true))
                throw tenon::failure(tenon::error(tenon::errc::unavailable, "the disk was away"));
            lines.acknowledge(taken);
        }
        return lines_.size();
    }
    void print() const {
        for (const std::string& l : lines_) std::printf("stored: %s\n", l.c_str());
        std::printf("told twice: %d\n", doubles_);
    }

private:
    void keep(const line& l) {
        const std::lock_guard lock(mutex_);
        if (l.number <= lines_.size()) ++doubles_;  // it came before the break
        else lines_.push_back(l.text);
    }

    std::mutex mutex_;
    std::vector<std::string> lines_;
    int doubles_ = 0;
    bool broken_ = false;
};

/// The lines of a file from the one with this number on.
class file_lines {
public:
    file_lines(std::FILE* f, std::uint64_t from) : file_(f), from_(from) { std::rewind(f); }
    bool next(line& l) {
        char text[256];
        while (std::fgets(text, sizeof text, file_)) {
            if (++number_ < from_) continue;
            l = {number_, text};
            if (!l.text.empty() && l.text.back() == '\n') l.text.pop_back();
            return true;
        }
        return false;
    }

private:
    std::FILE* const file_;
    const std::uint64_t from_;
    std::uint64_t number_ = 0;
};

/// Ships all lines; returns how many times it had to go on after a break. A program that may be
/// stopped itself would keep `acknowledged` in a file.
int ship(archive& a, std::FILE* file) {
    std::uint64_t acknowledged = 0;
    for (int breaks = 0;; ++breaks) {
        auto out = a.store();
        try {
            file_lines lines(file, acknowledged + 1);
            for (line l; lines.next(l);) out.send(l);
            std::printf("the archive has %d lines\n", static_cast<int>(out.get_reply()));
            return breaks;
        } catch (const tenon::failure& f) {
            std::printf("break: %s\n", f.error().to_string().c_str());
            if (f.code() != tenon::errc::unavailable || breaks == 10) throw;
        }
        acknowledged += out.acknowledged();
        std::printf("going on behind line %d\n", static_cast<int>(acknowledged));
    }
}

}  // namespace

int main() {
    store s;
    tenon::server server;
    server.publish<archive>().store = [&](tenon::reader<line> in) { return s.take(std::move(in)); };
    server.listen("tcp://127.0.0.1:0").start();

    std::FILE* const file = std::tmpfile();
    for (const char* text : {"start", "listening", "hello", "a warning", "bye", "end"})
        std::fprintf(file, "%s\n", text);

    auto a = tenon::connect<archive>(server.endpoints().front());
    std::printf("breaks: %d\n", ship(a, file));
    std::fclose(file);
    s.print();
}
