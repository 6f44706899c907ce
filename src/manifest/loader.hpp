#pragma once
// Reads a manifest's content into a model, and checks it against the schema on the way. The content
// may come from anybody.

#include <unordered_map>

#include "codec/trouble.hpp"
#include "manifest/model.hpp"

namespace tenon::inline v0::manifests {

class loader {
public:
    explicit loader(model& m) : model_(m) {}
    /// False: trouble is recorded.
    bool load();
    coding::trouble& trouble() noexcept { return trouble_; }

private:
    // The whole, in loader.cpp.
    bool check_json(const value& v, unsigned levels_left);
    bool check_keys(const value::map& m);
    bool load_top();
    bool load_shapes();
    bool load_interfaces();
    bool load_interface(const value& v);
    bool load_direction(const value& v, std::string_view name, bool expected);
    bool load_members(std::string_view where, std::vector<member>& into);
    bool load_member(const value& v, member& m);
    bool load_values(const value& v, member& m);
    bool load_flow(const value& v, member& m);
    bool load_flow(const value& flow, std::string_view name, direction& d);
    bool load_params(const value& v, member& m);
    bool load_param(const value& v, member& m);
    bool load_errors(const value& v, member& m);

    // Members of maps; false if there, but wrong, or if missing and required.
    bool get(const value& from, std::string_view name, std::string_view& text, bool required);
    bool get(const value& from, std::string_view name, bool& flag);
    bool get(const value& from, std::string_view name, std::uint32_t& count);
    bool missing(std::string_view name);
    bool expected(std::string_view what, const value& got);

    // Shapes, in shape_loader.cpp.
    type* new_type(const value& shape);
    const type* load_shape(const value& v);
    const type* load_shape_of(const value& from, std::string_view name);
    bool fill(type& t);
    bool fill_word(type& t, std::string_view word);
    bool fill_integer(type& t);
    bool fill_real(type& t);
    bool fill_text(type& t);
    bool fill_enum(type& t);
    bool fill_array(type& t);
    bool fill_map(type& t);
    bool fill_fields(const value& from, std::string_view name, std::vector<field>& fields);
    bool fill_gene(type& t);
    bool fill_union(type& t);
    bool as_tagged(type& t);
    bool get_bound(const value& from, std::string_view name, const value*& bound);
    bool check_nesting();
    bool measure(const type& t, unsigned levels_left, unsigned& height);
    static void settle_union(type& t);

    model& model_;
    coding::trouble trouble_;
    std::size_t values_ = 0;
    std::unordered_map<std::string_view, type*> named_;
    std::unordered_map<const type*, unsigned> heights_;  // 0 while being measured
};

}  // namespace tenon::inline v0::manifests
