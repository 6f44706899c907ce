// What tenon/queue.hpp stands on.

#include "rpc/runtime_core.hpp"
#include "rpc/stream/direction.hpp"
#include "tenon/queue.hpp"

namespace tenon::inline v0::detail {

namespace {

class local_pipe final : public pipe {
public:
    local_pipe(std::shared_ptr<runtime_core> runtime, const value_ops& ops,
               const flow_settings& flow)
        : runtime_(std::move(runtime)),
          d_(ops, ops, true, flow, codec::msgpack, {}, runtime_->loop(0), runtime_->spin()) {
        d_.in.tell_at_once();
    }

    inlet& in() noexcept override { return d_.in; }
    outlet& out() noexcept override { return d_.out; }
    void close(error why) noexcept override {
        (void)d_.out.on_closed(std::move(why));
        (void)d_.in.end({});
    }

private:
    const std::shared_ptr<runtime_core> runtime_;
    rpc::direction d_;
};

}  // namespace

pipe::~pipe() = default;

std::shared_ptr<pipe> pipe::make(const value_ops& ops, const flow_settings& flow,
                                 tenon::runtime* of) {
    return std::make_shared<local_pipe>((of ? *of : tenon::runtime::process()).shared_core(), ops,
                                        flow);
}

stream_ends pipe::make_ends(const value_ops& ops, const flow_settings& flow, tenon::runtime* of) {
    const auto p = make(ops, flow, of);
    stream_ends ends;
    ends.in = std::shared_ptr<inlet>(&p->in(), [p](inlet* in) { in->stop(); });
    ends.out = std::shared_ptr<outlet>(&p->out(), [p](outlet* out) { out->finish(); });
    return ends;
}

}  // namespace tenon::inline v0::detail
