#include "bystanders.hpp"

#include "server_process.hpp"

namespace e2e {

using namespace std::chrono;

bystanders::bystanders(const std::vector<std::string>& endpoints, bool tolerate)
    : tolerate_(tolerate) {
    for (const std::string& e : endpoints) {
        all_.push_back(std::make_unique<one>());
        one& o = *all_.back();
        o.thread = std::thread([this, &o, e] { work(o, e); });
    }
}

void bystanders::stop() {
    stop_ = true;
    for (auto& o : all_)
        if (o->thread.joinable()) o->thread.join();
}

void bystanders::work(one& self, const std::string& endpoint) {
    tenon::client_options options;
    options.timeout = seconds(20);
    options.backoff_last = milliseconds(100);
    const auto echo = tenon::connect<example::echo>(endpoint, options);
    for (std::int64_t i = 0; !stop_; ++i) {
        const auto sum = echo.plus.try_call(i, 1);
        ++calls_;
        if (sum && *sum == i + 1) {
            ++self.good;
        } else if (sum) {
            note("a wrong sum");
        } else if (tolerate_ && sum.error().code() == tenon::errc::unavailable) {
            ++lost_;
        } else {
            note(endpoint + ": " + sum.error().to_string());
        }
        pause_for(milliseconds(1));
    }
}

void bystanders::note(std::string what) {
    const std::lock_guard lock(mutex_);
    if (failure_.empty()) failure_ = std::move(what);
}

std::string bystanders::failure() const {
    const std::lock_guard lock(mutex_);
    return failure_;
}

bool bystanders::served(milliseconds limit) const {
    std::vector<std::uint64_t> before;
    for (const auto& o : all_) before.push_back(o->good);
    return eventually(
        [&] {
            for (std::size_t i = 0; i < all_.size(); ++i)
                if (all_[i]->good < before[i] + 2) return false;
            return true;
        },
        limit);
}

}  // namespace e2e
