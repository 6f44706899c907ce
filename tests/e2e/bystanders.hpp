#pragma once
// bystanders: ordinary clients of the echo server that call all the time while a test does
// something to the server, and note what goes wrong.

#include <atomic>
#include <chrono>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "../../examples/echo.hpp"
#include "tenon/client.hpp"

namespace e2e {

/// One thread per endpoint. `tolerate`: `unavailable` is counted, but not a failure.
class bystanders {
public:
    explicit bystanders(const std::vector<std::string>& endpoints, bool tolerate = false);
    ~bystanders() { stop(); }
    bystanders(const bystanders&) = delete;
    bystanders& operator=(const bystanders&) = delete;

    void stop();
    std::uint64_t calls() const noexcept { return calls_.load(); }
    std::uint64_t lost() const noexcept { return lost_.load(); }
    /// The first thing that went wrong; empty if nothing.
    std::string failure() const;
    /// Whether calls of every thread succeed now, within the time.
    bool served(std::chrono::milliseconds limit = std::chrono::seconds(10)) const;

private:
    struct one {
        std::atomic<std::uint64_t> good{0};
        std::thread thread;
    };
    void work(one& self, const std::string& endpoint);
    void note(std::string what);

    const bool tolerate_;
    std::atomic<bool> stop_{false};
    std::atomic<std::uint64_t> calls_{0}, lost_{0};
    mutable std::mutex mutex_;
    std::string failure_;
    std::vector<std::unique_ptr<one>> all_;
};

}  // namespace e2e
