#pragma once
// The tenon program, run as a user would: its exit code and what it says.

#include <gtest/gtest.h>
#include <sys/types.h>

#include <memory>
#include <string>
#include <vector>

#include "server_process.hpp"

namespace e2e {

using words = std::vector<std::string>;

struct pipe_ends {
    pipe_ends();
    ~pipe_ends();
    void close_read();
    void close_write();
    int read = -1, write = -1;
};

/// How a program is started. The input must fit into a pipe.
struct settings {
    std::string input{};
    words environment{};
    std::vector<int> closed{};  // descriptors the program starts without
    std::string stdout_file{};  // instead of the pipe
    std::string stdin_file{};   // the same
    bool keeps_stdin = false;   // open, for write()
};

/// One run of a program.
class process {
public:
    process(const std::string& program, const words& args, const settings& s = {});
    ~process();
    process(const process&) = delete;
    process& operator=(const process&) = delete;

    /// Reads all it says and waits for its end; kills it after 30 s.
    process& finish();
    /// Up to the next newline, or its end; gives up after 30 s.
    std::string read_line();
    /// What has come, after at most a second.
    std::string read_some();
    void stop_reading() { out_.close_read(); }
    /// To its stdin, if that was kept open.
    void write(const std::string& text);
    void close_stdin() { in_.close_write(); }
    void signal(int number) const;

    pid_t pid = -1;
    int exit = -1;    // exit code, or 128 + signal
    std::string out;  // what it wrote
    std::string err;

private:
    void wait();

    pipe_ends in_, out_, err_;
    bool ended_ = false;
};

struct outcome {
    int exit;
    std::string out, err;
};

/// The tenon program.
outcome run_tenon(const words& args, const settings& s = {});

/// Tests that have a runtime directory of their own, made anew for each.
class names_test : public testing::Test {
protected:
    names_test();
    ~names_test() override;

    outcome run(words args, settings s = {}) const;
    /// The echo server, once it listens. Without endpoints: by name only.
    std::unique_ptr<process> serve(words args = {}) const;
    /// Its instance, when there is one.
    std::string instance_of(const std::string& service = "example/echo") const;
    std::string path(const std::string& below) const { return directory_ + "/" + below; }
    const std::string& directory() const { return directory_; }
    words environment() const { return {"TENON_RUNTIME_DIR=" + directory_}; }

private:
    scratch scratch_;
    std::string directory_;
};

}  // namespace e2e

#define EXPECT_RESULT(outcome_, expected)                \
    do {                                                 \
        const auto o_ = (outcome_);                      \
        EXPECT_EQ(o_.exit, 0) << o_.err;                 \
        EXPECT_EQ(o_.out, std::string(expected) + "\n"); \
        EXPECT_EQ(o_.err, "");                           \
    } while (false)

#define EXPECT_ERROR(outcome_, code_, text)                        \
    do {                                                           \
        const auto o_ = (outcome_);                                \
        EXPECT_EQ(o_.exit, code_) << o_.out << o_.err;             \
        EXPECT_EQ(o_.out, "");                                     \
        EXPECT_NE(o_.err.find(text), std::string::npos) << o_.err; \
        EXPECT_EQ(o_.err.find('\x1b'), std::string::npos);         \
    } while (false)
