// A request/response service in the manner of HTTP over one channel: many requests at a time, answers
// in any order, matched by id.

#include <cstdio>
#include <future>
#include <map>
#include <memory>
#include <mutex>
#include <string>

#include "tenon/queue.hpp"
#include "tenon/stream_members.hpp"
#include "tenon/tenon.hpp"

struct request {
    int id = 0;
    std::string method;
    std::string path;
    std::map<std::string, std::string> headers;
    std::string body;
};
TENON_STRUCT(request, id, method, path, headers, body)

struct response {
    int id = 0;
    int status = 200;
    std::string body;
};
TENON_STRUCT(response, id, status, body)

struct web {
    tenon::channel<request, response> requests;
};
TENON_INTERFACE(web, "demo", "web", "1.0.0", requests)

namespace {

// --- the server ---

class site {
public:
    /// Serves one client. Each request is a task of its own, so that a slow one delays nobody; how
    /// many there are at a time is bounded by `open`, and so is what the client may send.
    static tenon::task<void> serve(std::shared_ptr<site> self, tenon::duplex<request, response> s) {
        tenon::queue<int> open(100);
        while (auto r = co_await s.next()) {
            co_await open.push_async(r->id);
            tenon::spawn(answer(self, *std::move(r), s.out_side(), open), nobody,
                         [](tenon::task<void>&) {});
        }
    }

private:
    static constexpr tenon::call_scope nobody{};

    static tenon::task<void> answer(std::shared_ptr<site> self, request r,
                                    tenon::writer<response> out, tenon::queue<int> open) {
        response answer;
        answer.id = r.id;
        if (r.method == "GET" && r.path == "/news") {
            const auto news = co_await self->news_.next();  // there may be none for a long time
            answer.body = *news;
        } else if (r.method == "POST" && r.path == "/news") {
            co_await self->news_.push_async(r.body);
            answer.status = 201;
        } else {
            answer.status = 404;
        }
        (void)open.try_pop();
        co_await out.send_async(std::move(answer));
    }

    tenon::queue<std::string> news_{10};
};

// --- the client ---

class browser {
public:
    explicit browser(web& w) : stream_(w.requests()) {
        stream_.on_value([waiting = waiting_](response& r) {
            const std::lock_guard lock(waiting->mutex);
            const auto at = waiting->all.find(r.id);
            if (at == waiting->all.end()) return;
            at->second.set_value(std::move(r));
            waiting->all.erase(at);
        });
    }
    std::future<response> send(std::string method, std::string path, std::string body = {}) {
        std::future<response> answer;
        const int id = ++last_;
        {
            const std::lock_guard lock(waiting_->mutex);
            answer = waiting_->all[id].get_future();
        }
        stream_.send(request{id, std::move(method), std::move(path), {}, std::move(body)});
        return answer;
    }

private:
    struct table {
        std::mutex mutex;
        std::map<int, std::promise<response>> all;
    };
    tenon::duplex<response, request> stream_;
    std::shared_ptr<table> waiting_ = std::make_shared<table>();
    int last_ = 0;
};

}  // namespace

int main() {
    tenon::server server;
    const auto pages = std::make_shared<site>();
    server.publish<web>().requests = [pages](tenon::duplex<request, response> s) {
        return site::serve(pages, std::move(s));
    };
    server.listen("tcp://127.0.0.1:0").start();
    auto w = tenon::connect<web>(server.endpoints().front());

    browser b(w);
    auto news = b.send("GET", "/news");  // waits until there are any
    auto missing = b.send("GET", "/nowhere");
    std::printf("GET /nowhere: %d\n", missing.get().status);
    auto posted = b.send("POST", "/news", "all is well");
    std::printf("POST /news: %d\n", posted.get().status);
    const response r = news.get();
    std::printf("GET /news: %d %s\n", r.status, r.body.c_str());
}
