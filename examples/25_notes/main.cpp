// Notes: what client and server tell each other besides calls, at any time.

#include <cstdio>
#include <future>
#include <string>

#include "tenon/notes.hpp"
#include "tenon/tenon.hpp"

struct kitchen {
    tenon::method<std::string(std::string)> order;
};
TENON_INTERFACE(kitchen, "demo", "kitchen", "1.0.0", (order, dish))

std::string cook(tenon::context& ctx, const std::string& dish) {
    (void)ctx.session().note("the oven is hot");  // whoever does not listen misses it
    return dish + " is ready";
}

int main() {
    std::promise<std::string> wish, news;
    tenon::server server;
    server.publish<kitchen>().order = cook;
    server.on_note([&](tenon::session& guest, const tenon::note& n) {
        wish.set_value(n.content.as_string());
        (void)guest.note("as you like");
    });
    server.listen("unix:@tenon-notes").start();

    std::promise<void> answered;
    auto k = tenon::connect<kitchen>(server.endpoints()[0]);
    tenon::on_note(k.handle(), [&, told = 0](const tenon::note& n) mutable {
        if (told++ == 0) news.set_value(n.content.as_string());
        else answered.set_value();
    });
    std::printf("%s\n", k.order("bread").c_str());
    std::printf("the kitchen: %s\n", news.get_future().get().c_str());

    // Not an error if nobody listens; only if it cannot be on its way.
    if (const auto sent = tenon::send_note(k.handle(), "no salt, please"); !sent)
        std::printf("%s\n", sent.error().to_string().c_str());
    std::printf("the guest: %s\n", wish.get_future().get().c_str());
    answered.get_future().get();
    std::printf("the kitchen has heard it\n");
    return 0;
}
