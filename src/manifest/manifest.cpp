#include "tenon/manifest.hpp"

#include "manifest/checker.hpp"
#include "manifest/limits.hpp"
#include "manifest/loader.hpp"
#include "manifest/model.hpp"

namespace tenon::inline v0 {
namespace manifests {

model::model(value v) : content(std::move(v)) {}
model::~model() = default;

result<std::shared_ptr<const model>> model::make(value content) {
    const std::shared_ptr<model> m(new model(std::move(content)));
    loader l(*m);
    if (!l.load()) return l.trouble().take();
    m->hash = content_hash(m->content);
    return std::shared_ptr<const model>(m);
}

const member* model::find(std::string_view name) const noexcept {
    for (const std::vector<member>* all : {&members, &operations})
        for (const member& m : *all)
            if (m.name == name) return &m;
    return nullptr;
}

const checker& model::arguments_checker() const {
    std::call_once(checker_made_, [this] { checker_ = std::make_unique<checker>(*this); });
    return *checker_;
}

}  // namespace manifests

result<manifest> manifest::parse(std::string_view json) {
    if (json.size() > manifests::most_text)
        return error(errc::invalid, "a manifest is at most 4 MiB long");
    // What is in it is counted again, by number of values, in from().
    auto content = parse_json(json, {.max_depth = manifests::most_levels});
    if (!content) return std::move(content).error();
    return from(*std::move(content));
}

result<manifest> manifest::from(value content) {
    auto made = manifests::model::make(std::move(content));
    if (!made) return std::move(made).error();
    return manifest(*std::move(made));
}

const value& manifest::content() const noexcept { return model_->content; }
std::string manifest::to_json(bool pretty) const { return tenon::to_json(model_->content, pretty); }
std::string_view manifest::publisher() const noexcept { return model_->publisher; }
std::string_view manifest::service() const noexcept { return model_->service; }
std::string_view manifest::version() const noexcept { return model_->version; }
std::string_view manifest::purpose() const noexcept { return model_->purpose; }
const std::string& manifest::hash() const noexcept { return model_->hash; }

result<void> manifest::check_call(std::string_view member, const value& arguments, codec c) const {
    return model_->arguments_checker().check(member, arguments, c, manifests::checker::use::call);
}

result<void> manifest::check_open(std::string_view member, const value& arguments, codec c) const {
    return model_->arguments_checker().check(member, arguments, c, manifests::checker::use::open);
}

}  // namespace tenon::inline v0
