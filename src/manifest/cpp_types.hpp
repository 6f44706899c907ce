#pragma once
// The types of a manifest in C++: what each is called, and in which order they can be defined.

#include <map>
#include <set>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "manifest/model.hpp"

namespace tenon::inline v0::manifests {

class cpp_types {
public:
    /// Throws failure(unsupported) if some name cannot be one in C++.
    cpp_types(const model& m, std::string space);

    /// The structures and enumerations, each behind what it needs.
    const std::vector<const type*>& order() const noexcept { return order_; }
    /// Of these, the structures that are used before they are defined.
    const std::vector<const type*>& ahead() const noexcept { return ahead_; }

    /// What the type is called, as a codec sees its name.
    std::string name(const type& named) const;
    /// The namespace within the contract's that it needs because its name is taken; or empty.
    std::string space(const type& named) const;

    /// A member or parameter of this type, where a nil is given rather than left out unless
    /// `optional`. `beside`: names that hide those of types.
    std::string write(const type& t, bool optional, const std::set<std::string_view>& beside);
    /// "void" or as above.
    std::string write_result(const type& t, const std::set<std::string_view>& beside);
    /// A member of a structure with the brackets of an array behind its name, if it must be one.
    std::string write_field(const type& t, bool optional, std::string_view name,
                            const std::set<std::string_view>& beside);

    /// <array>, <map>, … that the types written so far need.
    const std::set<std::string_view>& headers() const noexcept { return headers_; }
    void need(std::string_view header) { headers_.insert(header); }

private:
    void name_all();
    void claim(const type& t, std::string_view wire_name);
    void collect_tags(const type& t);
    void collect_tags_within(const type& t);
    std::size_t measure(const type& t, int levels_left);
    void check_names(const type& t) const;

    struct edge {
        const type* to;
        bool complete;  // must be defined before
    };
    void collect_edges(const type& t, bool complete, std::vector<edge>& edges) const;
    void number_components();
    void visit(const type* t);

    std::string write(const type& t);
    std::string write_variant(const type& t);
    std::string reference(const type& named);
    bool is_writable(const type& variant) const;
    std::string wire_name(const type& t) const;

    const model& model_;
    const std::string space_;  // "demo::app"
    std::unordered_map<const type*, std::string_view> wire_names_;
    std::unordered_map<const type*, std::size_t> sizes_;  // 0 while being measured
    std::unordered_map<const type*, std::vector<edge>> edges_;
    std::unordered_map<const type*, std::size_t> component_;
    std::unordered_map<const type*, int> visited_;  // 1: being visited, 2: done
    std::vector<const type*> order_;
    std::vector<const type*> ahead_;
    std::set<std::string_view> headers_;
    const std::set<std::string_view>* beside_ = nullptr;
    std::size_t written_ = 0;
};

/// Throws failure(unsupported) with this message.
[[noreturn]] void refuse_cpp(const std::string& why);

}  // namespace tenon::inline v0::manifests
