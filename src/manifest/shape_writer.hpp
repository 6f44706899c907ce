#pragma once
// C++ types, by their tenon::shape, as the shapes of a manifest. docs/design/manifest.md has the
// table.

#include <string>
#include <unordered_map>

#include "tenon/shape.hpp"
#include "tenon/value.hpp"

namespace tenon::inline v0::manifests {

class shape_writer {
public:
    /// How the manifest refers to the type: a word, a map with `is`, or "#Name", in which case the
    /// named shape, and those it uses, are in shapes().
    value write(const shape& s);

    /// The named shapes in the order in which they were first met.
    value take_shapes() { return std::move(shapes_); }

private:
    value write_named(const shape& s);
    value write_structure(const struct_ops& ops);
    value write_variant(const variant_ops& ops);
    std::string name_for(const shape& s) const;

    value shapes_ = value::map();
    std::unordered_map<const shape*, std::string> names_;
};

}  // namespace tenon::inline v0::manifests
