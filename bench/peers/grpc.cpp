#include <grpcpp/grpcpp.h>

#include "echo.grpc.pb.h"
#include "peers.hpp"

namespace bench {
namespace {

using peers::Echo;
using peers::EchoMessage;

class sync_service final : public Echo::Service {
    grpc::Status Call(grpc::ServerContext*, const EchoMessage* request,
                      EchoMessage* reply) override {
        reply->set_payload(request->payload());
        return grpc::Status::OK;
    }
};

/// A call that the completion-queue server accepts; then it makes the next one.
class accepted_call {
public:
    accepted_call(Echo::AsyncService& service, grpc::ServerCompletionQueue& queue)
        : service_(service), queue_(queue), responder_(&context_) {
        service_.RequestCall(&context_, &request_, &responder_, &queue_, &queue_, this);
    }

    void step() {
        if (is_finished_) {
            delete this;
            return;
        }
        new accepted_call(service_, queue_);
        is_finished_ = true;
        reply_.set_payload(request_.payload());
        responder_.Finish(reply_, grpc::Status::OK, this);
    }

private:
    Echo::AsyncService& service_;
    grpc::ServerCompletionQueue& queue_;
    grpc::ServerContext context_;
    grpc::ServerAsyncResponseWriter<EchoMessage> responder_;
    EchoMessage request_;
    EchoMessage reply_;
    bool is_finished_ = false;
};

struct call_in_flight {
    grpc::ClientContext context;
    EchoMessage reply;
    grpc::Status status;
    std::unique_ptr<grpc::ClientAsyncResponseReader<EchoMessage>> reader;
    clock::time_point begun;
};

bytes_view payload_of(const EchoMessage& message) {
    return std::as_bytes(std::span(message.payload()));
}

void set_payload(EchoMessage& message, bytes_view payload) {
    message.set_payload(payload.data(), payload.size());
}

class grpc_caller final : public caller {
public:
    explicit grpc_caller(const std::string& endpoint)
        : stub_(Echo::NewStub(grpc::CreateChannel(endpoint, grpc::InsecureChannelCredentials()))) {}

    bytes_view call(bytes_view payload) override {
        grpc::ClientContext context;
        context.set_wait_for_ready(true);
        EchoMessage request;
        set_payload(request, payload);
        const grpc::Status status = stub_->Call(&context, request, &reply_);
        if (!status.ok()) fail(status.error_message());
        return payload_of(reply_);
    }

    void pipeline(bytes_view payload, unsigned outstanding, lane& calls) override {
        grpc::CompletionQueue queue;
        EchoMessage request;
        const auto issue = [&](clock::time_point now) {
            set_payload(request, payload);
            auto* call = new call_in_flight;
            call->begun = now;
            call->reader = stub_->AsyncCall(&call->context, request, &queue);
            call->reader->Finish(&call->reply, &call->status, call);
        };
        for (unsigned i = 0; i < outstanding; ++i) issue(clock::now());
        void* tag;
        bool ok;
        for (unsigned under_way = outstanding; under_way > 0;) {
            queue.Next(&tag, &ok);
            const std::unique_ptr<call_in_flight> call(static_cast<call_in_flight*>(tag));
            if (!call->status.ok()) fail(call->status.error_message());
            check_reply(payload, payload_of(call->reply));
            const auto now = clock::now();
            if (calls.completed(call->begun, now)) issue(now);
            else --under_way;
        }
        queue.Shutdown();
        while (queue.Next(&tag, &ok)) {}
    }

private:
    std::unique_ptr<Echo::Stub> stub_;
    EchoMessage reply_;
};

class grpc_peer final : public peer {
public:
    explicit grpc_peer(bool async) : peer(async ? "grpc async" : "grpc sync"), async_(async) {}

    void serve(const cell& what, const announce& ready) override {
        const bool tcp = what.transport == "tcp";
        std::string endpoint = tcp ? "127.0.0.1:0" : "unix:" + socket_path("grpc");
        int port = 0;
        grpc::ServerBuilder builder;
        builder.AddListeningPort(endpoint, grpc::InsecureServerCredentials(), &port);
        sync_service in_threads;
        Echo::AsyncService by_queue;
        std::unique_ptr<grpc::ServerCompletionQueue> queue;
        if (async_) {
            builder.RegisterService(&by_queue);
            queue = builder.AddCompletionQueue();
        } else {
            builder.RegisterService(&in_threads);
        }
        const std::unique_ptr<grpc::Server> server = builder.BuildAndStart();
        if (!server) fail("BuildAndStart");
        if (tcp) endpoint = "127.0.0.1:" + std::to_string(port);
        if (!async_) {
            ready(endpoint);
            return server->Wait();
        }
        for (unsigned i = 0; i < what.outstanding; ++i) new accepted_call(by_queue, *queue);
        ready(endpoint);
        void* tag;
        for (bool ok; queue->Next(&tag, &ok);) static_cast<accepted_call*>(tag)->step();
    }

private:
    std::unique_ptr<caller> connect(const cell&, const std::string& endpoint) override {
        return std::make_unique<grpc_caller>(endpoint);
    }

    bool async_;
};

}  // namespace

std::unique_ptr<target> make_grpc_peer(bool async) { return std::make_unique<grpc_peer>(async); }

}  // namespace bench
