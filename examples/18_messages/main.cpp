// A chat room: several types of message on one channel, handlers by type, objects that belong to a
// session, a topic for what all are to hear, and questions with a time limit.

#include <cstdio>
#include <string>
#include <variant>

#include "tenon/message_handlers.hpp"
#include "tenon/session.hpp"
#include "tenon/stream_members.hpp"
#include "tenon/tenon.hpp"
#include "tenon/topic.hpp"

struct join {
    std::string name;
};
TENON_STRUCT(join, name)
struct say {
    std::string text;
};
TENON_STRUCT(say, text)

struct welcome {
    std::string motto;
};
TENON_STRUCT(welcome, motto)
struct heard {
    std::string who;
    std::string text;
};
TENON_STRUCT(heard, who, text)

using to_server = std::variant<join, say>;
using to_client = std::variant<welcome, heard>;

struct room {
    tenon::channel<to_server, to_client> chat;
    tenon::channel<int, int> square;
};
TENON_INTERFACE(room, "demo", "room", "1.0.0", chat, square)

namespace {

using stream = tenon::duplex<to_server, to_client>;

struct member {
    explicit member(std::string n) : name(std::move(n)) {}
    std::string name;
};

tenon::message_handlers<to_server, to_client> handlers(tenon::topic<to_client> all) {
    tenon::message_handlers<to_server, to_client> h;
    h.on<join>([all](tenon::context& ctx, stream& s, const join& m) {
        ctx.session().put<member>(m.name);
        all.add(s.out_side());  // from now on this client hears what is published
        s.send(welcome{"be kind"});
    });
    h.on<say>([all](tenon::context& ctx, const say& m) {
        const auto who = ctx.session().get<member>();
        if (!who) throw tenon::failure(tenon::error(tenon::errc::denied, "join before you speak"));
        all.publish(heard{who->name, m.text});
    });
    return h;
}

tenon::task<void> square(tenon::duplex<int, int> s) {
    while (auto n = co_await s.next()) {
        if (*n < 0) co_await tenon::sleep_for(std::chrono::milliseconds(200));
        co_await s.send_async(*n * *n);
    }
}

void chat(room& a, room& b) {
    auto ann = a.chat();
    auto bob = b.chat();
    welcome w;
    ann.send_recv(join{"Ann"}, w);
    bob.send_recv(join{"Bob"}, w);
    std::printf("welcome: %s\n", w.motto.c_str());
    ann.send(say{"hello"});
    heard h;
    for (auto* one : {&ann, &bob}) {
        one->recv(h);
        std::printf("%s says %s\n", h.who.c_str(), h.text.c_str());
    }
    bob.send(say{"good day"});
    try {
        bob.recv(w);
    } catch (const tenon::failure& f) {
        std::printf("%s\n", f.error().to_string().c_str());
    }
}

void ask(room& r) {
    auto s = r.square();
    const auto limit = std::chrono::milliseconds(20);
    std::printf("-3: %s\n", s.send_recv_for(-3, limit).error().to_string().c_str());
    std::printf("4: %d\n", s.send_recv(4));  // not 9, which comes first
}

}  // namespace

int main() {
    tenon::server server;
    auto& served = server.publish<room>();
    served.chat = handlers(tenon::topic<to_client>());
    served.square = square;
    server.listen("tcp://127.0.0.1:0").start();

    auto a = tenon::connect<room>(server.endpoints().front());
    auto b = tenon::connect<room>(server.endpoints().front());
    chat(a, b);
    ask(a);

    auto stranger = tenon::connect<room>(server.endpoints().front()).chat();
    stranger.send(say{"anybody there?"});
    const auto got = stranger.get_for(std::chrono::seconds(10));
    std::printf("%s\n", got.error().to_string().c_str());
}
