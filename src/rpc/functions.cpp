// Tables of functions: what server.add(tenon::functions(…)) offers.

#include <deque>

#include "tenon/functions.hpp"

namespace tenon::inline v0 {

namespace {

/// Passes calls on to a function that several servers may offer.
class shared_function final : public detail::handler {
public:
    explicit shared_function(std::shared_ptr<detail::handler> f) : function_(std::move(f)) {}
    void serve(context& ctx) override { function_->serve(ctx); }
    bool may_block() const noexcept override { return function_->may_block(); }

private:
    const std::shared_ptr<detail::handler> function_;
};

}  // namespace

struct functions::table {
    struct entry {
        detail::method_info info;
        std::shared_ptr<detail::handler> function;
    };

    detail::contract_info contract;
    detail::method_info itself;  // what is said before the first add()
    std::deque<entry> entries;   // not moved about: they are being described
};

namespace {

detail::member_kind kind_of_stream(const detail::method_info& info) {
    if (!info.signature || !info.signature->stream)
        throw failure(error(errc::invalid,
                            "overflow() and window() stand behind the stream that "
                            "they describe"));
    return info.signature->stream->kind;
}

}  // namespace

functions& functions::overflow(tenon::overflow policy, std::uint32_t waiting) {
    const detail::member_kind kind = kind_of_stream(*info_);
    const auto set = [&](detail::flow_settings& f) { f.overflow = policy, f.buffer = waiting; };
    if (kind != detail::member_kind::source) set(info_->up);
    if (kind != detail::member_kind::sink) set(info_->down);
    return *this;
}

functions& functions::window(std::uint32_t values) {
    const detail::member_kind kind = kind_of_stream(*info_);
    if (kind != detail::member_kind::source) info_->up.window = values;
    if (kind != detail::member_kind::sink) info_->down.window = values;
    return *this;
}

functions::functions(std::string publisher, std::string service, std::string version)
    : describes(nullptr), table_(std::make_shared<table>()) {
    table_->contract.publisher = std::move(publisher);
    table_->contract.service = std::move(service);
    table_->contract.version = std::move(version);
    info_ = &table_->itself;
}

void functions::add(std::string_view name, std::string_view params, const detail::signature& types,
                    std::unique_ptr<detail::handler> handler) {
    detail::contract_info one;
    detail::method_info& info = one.add(name, params, types);
    info.flags = table_->itself.flags;
    info.wire_codec = table_->itself.wire_codec;
    for (const detail::declared_error& e : table_->itself.errors) info.declare(e);
    table_->entries.push_back({std::move(info), std::move(handler)});
    info_ = &table_->entries.back().info;
}

server& server::add(const publish_options& options, const functions& f) {
    detail::contract_info contract = f.table_->contract;
    contract.doc = f.table_->itself.doc;
    for (const auto& e : f.table_->entries) contract.methods.push_back(e.info);
    contract.check();
    std::vector<detail::binding> slots = offer(contract, options);
    for (std::size_t i = 0; i < slots.size(); ++i)
        slots[i].implement(std::make_unique<shared_function>(f.table_->entries[i].function));
    return *this;
}

}  // namespace tenon::inline v0
