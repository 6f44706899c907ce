#include <zmq.h>

#include <cstring>

#include "peers.hpp"

namespace bench {
namespace {

void need(int outcome, const char* what) {
    if (outcome < 0) fail(std::string(what) + ": " + zmq_strerror(zmq_errno()));
}

class message {
public:
    message() { zmq_msg_init(&message_); }
    ~message() { zmq_msg_close(&message_); }
    message(const message&) = delete;
    message& operator=(const message&) = delete;

    void receive(void* socket) { need(zmq_msg_recv(&message_, socket, 0), "zmq_msg_recv"); }
    void send(void* socket, int flags = 0) {
        need(zmq_msg_send(&message_, socket, flags), "zmq_msg_send");
    }
    bytes_view view() {
        return {static_cast<const std::byte*>(zmq_msg_data(&message_)), zmq_msg_size(&message_)};
    }

private:
    zmq_msg_t message_;
};

class zeromq_caller final : public caller {
public:
    zeromq_caller(const cell& what, const std::string& endpoint)
        : socket_(zmq_socket(zmq_ctx_new(), what.outstanding == 1 ? ZMQ_REQ : ZMQ_DEALER)) {
        need(zmq_connect(socket_, endpoint.c_str()), "zmq_connect");
    }

    bytes_view call(bytes_view payload) override {
        send(payload);
        reply_.receive(socket_);
        return reply_.view();
    }

    void pipeline(bytes_view payload, unsigned outstanding, lane& calls) override {
        std::deque<clock::time_point> begun;  // replies come in order
        const auto issue = [&](clock::time_point now) {
            send(payload);
            begun.push_back(now);
        };
        for (unsigned i = 0; i < outstanding; ++i) issue(clock::now());
        while (!begun.empty()) {
            reply_.receive(socket_);
            check_reply(payload, reply_.view());
            const auto now = clock::now();
            const bool go_on = calls.completed(begun.front(), now);
            begun.pop_front();
            if (go_on) issue(now);
        }
    }

private:
    void send(bytes_view payload) {
        need(zmq_send(socket_, payload.data(), payload.size(), 0), "zmq_send");
    }

    void* socket_;
    message reply_;
};

class zeromq_peer final : public peer {
public:
    zeromq_peer() : peer("zeromq") {}

    void serve(const cell& what, const announce& ready) override {
        const bool router = what.outstanding > 1;
        void* socket = zmq_socket(zmq_ctx_new(), router ? ZMQ_ROUTER : ZMQ_REP);
        const std::string at =
            what.transport == "tcp" ? "tcp://127.0.0.1:*" : "ipc://" + socket_path("zeromq");
        need(zmq_bind(socket, at.c_str()), "zmq_bind");
        char bound[256];
        std::size_t length = sizeof bound;
        need(zmq_getsockopt(socket, ZMQ_LAST_ENDPOINT, bound, &length), "ZMQ_LAST_ENDPOINT");
        ready(bound);
        message identity, body;
        for (;;) {
            if (router) {
                identity.receive(socket);
                identity.send(socket, ZMQ_SNDMORE);
            }
            body.receive(socket);
            body.send(socket);
        }
    }

private:
    std::unique_ptr<caller> connect(const cell& what, const std::string& endpoint) override {
        return std::make_unique<zeromq_caller>(what, endpoint);
    }
};

}  // namespace

std::unique_ptr<target> make_zeromq_peer() { return std::make_unique<zeromq_peer>(); }

}  // namespace bench
