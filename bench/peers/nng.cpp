#include <nng/nng.h>
#include <nng/protocol/reqrep0/rep.h>
#include <nng/protocol/reqrep0/req.h>
#include <unistd.h>

#include <condition_variable>
#include <cstring>
#include <mutex>

#include "peers.hpp"

namespace bench {
namespace {

void need(int outcome, const char* what) {
    if (outcome != 0) fail(std::string(what) + ": " + nng_strerror(outcome));
}

nng_msg* make_message(bytes_view payload) {
    nng_msg* message = nullptr;
    need(nng_msg_alloc(&message, payload.size()), "nng_msg_alloc");
    std::memcpy(nng_msg_body(message), payload.data(), payload.size());
    return message;
}

bytes_view view(nng_msg* message) {
    return {static_cast<const std::byte*>(nng_msg_body(message)), nng_msg_len(message)};
}

/// What the calls in flight have in common; their callbacks run on threads of nng.
struct shared_state {
    std::mutex mutex;
    std::condition_variable drained;
    lane& calls;
    bytes_view payload;
    unsigned under_way;
};

/// A context and an operation, which runs step() when it ends.
class operation {
public:
    explicit operation(nng_socket socket) {
        need(nng_ctx_open(&context_, socket), "nng_ctx_open");
        need(nng_aio_alloc(
                 &aio_, [](void* self) { static_cast<operation*>(self)->step(); }, this),
             "nng_aio_alloc");
    }
    virtual ~operation() {
        nng_aio_free(aio_);  // waits for a callback that runs
        nng_ctx_close(context_);
    }
    operation(const operation&) = delete;
    operation& operator=(const operation&) = delete;

protected:
    void send(nng_msg* message) {
        nng_aio_set_msg(aio_, message);
        nng_ctx_send(context_, aio_);
    }
    void receive() { nng_ctx_recv(context_, aio_); }
    nng_msg* received() { return nng_aio_get_msg(aio_); }
    int outcome() const { return nng_aio_result(aio_); }

private:
    virtual void step() = 0;

    nng_ctx context_;
    nng_aio* aio_ = nullptr;
};

/// One call in flight after the other.
class repeated_call final : public operation {
public:
    repeated_call(nng_socket socket, shared_state& shared) : operation(socket), shared_(shared) {}

    void issue(clock::time_point now) {
        begun_ = now;
        is_sending_ = true;
        send(make_message(shared_.payload));
    }

private:
    void step() override {
        need(outcome(), "nng_aio");
        if (is_sending_) {
            is_sending_ = false;
            return receive();
        }
        nng_msg* reply = received();
        check_reply(shared_.payload, view(reply));
        nng_msg_free(reply);
        const auto now = clock::now();
        {
            const std::lock_guard lock(shared_.mutex);
            if (!shared_.calls.completed(begun_, now)) {
                if (--shared_.under_way == 0) shared_.drained.notify_one();
                return;
            }
        }
        issue(now);
    }

    shared_state& shared_;
    clock::time_point begun_;
    bool is_sending_ = false;
};

class responder final : public operation {
public:
    using operation::operation;

    void listen() {
        is_receiving_ = true;
        receive();
    }

private:
    void step() override {
        if (outcome() != 0) return;
        if (!is_receiving_) return listen();
        is_receiving_ = false;
        send(received());
    }

    bool is_receiving_ = false;
};

class nng_caller final : public caller {
public:
    explicit nng_caller(const std::string& endpoint) {
        need(nng_req0_open(&socket_), "nng_req0_open");
        need(nng_socket_set_size(socket_, NNG_OPT_RECVMAXSZ, 0), "NNG_OPT_RECVMAXSZ");
        need(nng_dial(socket_, endpoint.c_str(), nullptr, 0), "nng_dial");
    }

    bytes_view call(bytes_view payload) override {
        if (reply_) nng_msg_free(reply_);
        need(nng_sendmsg(socket_, make_message(payload), 0), "nng_sendmsg");
        need(nng_recvmsg(socket_, &reply_, 0), "nng_recvmsg");
        return view(reply_);
    }

    void pipeline(bytes_view payload, unsigned outstanding, lane& calls) override {
        shared_state shared{{}, {}, calls, payload, outstanding};
        std::deque<repeated_call> all;
        for (unsigned i = 0; i < outstanding; ++i) all.emplace_back(socket_, shared);
        for (repeated_call& c : all) c.issue(clock::now());
        std::unique_lock lock(shared.mutex);
        shared.drained.wait(lock, [&] { return shared.under_way == 0; });
    }

private:
    nng_socket socket_;
    nng_msg* reply_ = nullptr;
};

class nng_peer final : public peer {
public:
    nng_peer() : peer("nng") {}

    void serve(const cell& what, const announce& ready) override {
        const std::string endpoint = what.transport == "tcp" ? "tcp://127.0.0.1:" + free_port()
                                                             : "ipc://" + socket_path("nng");
        nng_socket socket;
        need(nng_rep0_open(&socket), "nng_rep0_open");
        need(nng_socket_set_size(socket, NNG_OPT_RECVMAXSZ, 0), "NNG_OPT_RECVMAXSZ");
        need(nng_listen(socket, endpoint.c_str(), nullptr, 0), "nng_listen");
        std::deque<responder> responders;
        if (what.outstanding > 1) {
            for (unsigned i = 0; i < what.outstanding; ++i)
                responders.emplace_back(socket).listen();
            ready(endpoint);
            for (;;) pause();
        }
        ready(endpoint);
        for (nng_msg* message = nullptr; nng_recvmsg(socket, &message, 0) == 0;)
            need(nng_sendmsg(socket, message, 0), "nng_sendmsg");
    }

private:
    std::unique_ptr<caller> connect(const cell&, const std::string& endpoint) override {
        return std::make_unique<nng_caller>(endpoint);
    }
};

}  // namespace

std::unique_ptr<target> make_nng_peer() { return std::make_unique<nng_peer>(); }

}  // namespace bench
