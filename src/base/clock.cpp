#include "base/clock.hpp"

namespace tenon::inline v0::base {
namespace {

class steady_source final : public time_source {
public:
    time_point now() const noexcept override { return std::chrono::steady_clock::now(); }
};

constinit const steady_source steady_instance;

}  // namespace

const time_source& time_source::steady() noexcept { return steady_instance; }

}  // namespace tenon::inline v0::base
