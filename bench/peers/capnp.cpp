#include <capnp/ez-rpc.h>

#include "echo.capnp.h"
#include "peers.hpp"

namespace bench {
namespace {

capnp::Data::Reader as_data(bytes_view bytes) {
    return {reinterpret_cast<const kj::byte*>(bytes.data()), bytes.size()};
}
bytes_view as_bytes(capnp::Data::Reader data) {
    return std::as_bytes(std::span(data.begin(), data.size()));
}

capnp::MessageSize hint(std::size_t payload) { return {payload / sizeof(capnp::word) + 8, 0}; }

class echo_server final : public Echo::Server {
    kj::Promise<void> call(CallContext context) override {
        const auto payload = context.getParams().getPayload();
        context.initResults(hint(payload.size())).setPayload(payload);
        return kj::READY_NOW;
    }
};

class capnp_caller final : public caller, private kj::TaskSet::ErrorHandler {
public:
    explicit capnp_caller(const std::string& endpoint)
        : rpc_(endpoint), echo_(rpc_.getMain<Echo>()) {}
    ~capnp_caller() noexcept override {}  // members of kj may throw from theirs

    bytes_view call(bytes_view payload) override {
        reply_ = send(payload).wait(rpc_.getWaitScope());
        return as_bytes(KJ_ASSERT_NONNULL(reply_).getPayload());
    }

    void pipeline(bytes_view payload, unsigned outstanding, lane& calls) override {
        auto drained = kj::newPromiseAndFulfiller<void>();
        under_way_ = outstanding;
        drained_ = drained.fulfiller.get();
        kj::TaskSet tasks(*this);
        for (unsigned i = 0; i < outstanding; ++i) issue(tasks, payload, calls, clock::now());
        drained.promise.wait(rpc_.getWaitScope());
    }

private:
    using reply = capnp::Response<Echo::CallResults>;

    capnp::RemotePromise<Echo::CallResults> send(bytes_view payload) {
        auto request = echo_.callRequest(hint(payload.size()));
        request.setPayload(as_data(payload));
        return request.send();
    }

    void issue(kj::TaskSet& tasks, bytes_view payload, lane& calls, clock::time_point begun) {
        tasks.add(send(payload).then([this, &tasks, payload, &calls, begun](reply&& r) {
            check_reply(payload, as_bytes(r.getPayload()));
            const auto now = clock::now();
            if (calls.completed(begun, now)) issue(tasks, payload, calls, now);
            else if (--under_way_ == 0) drained_->fulfill();
        }));
    }

    void taskFailed(kj::Exception&& exception) override { fail(exception.getDescription().cStr()); }

    capnp::EzRpcClient rpc_;
    Echo::Client echo_;
    kj::Maybe<reply> reply_;
    unsigned under_way_ = 0;
    kj::PromiseFulfiller<void>* drained_ = nullptr;
};

class capnp_peer final : public peer {
public:
    capnp_peer() : peer("capnp") {}

    void serve(const cell& what, const announce& ready) override {
        const bool tcp = what.transport == "tcp";
        std::string endpoint = tcp ? "127.0.0.1:0" : "unix:" + socket_path("capnp");
        capnp::EzRpcServer server(kj::heap<echo_server>(), endpoint);
        const unsigned port = server.getPort().wait(server.getWaitScope());
        if (tcp) endpoint = "127.0.0.1:" + std::to_string(port);
        ready(endpoint);
        kj::NEVER_DONE.wait(server.getWaitScope());
    }

private:
    std::unique_ptr<caller> connect(const cell&, const std::string& endpoint) override {
        return std::make_unique<capnp_caller>(endpoint);
    }
};

}  // namespace

std::unique_ptr<target> make_capnp_peer() { return std::make_unique<capnp_peer>(); }

}  // namespace bench
