#pragma once
// What a manifest from elsewhere may be at most.

#include <cstddef>

namespace tenon::inline v0::manifests {

constexpr std::size_t most_text = std::size_t{4} << 20;  // bytes of JSON
constexpr unsigned most_levels = 64;                     // of arrays and maps within one another
constexpr std::size_t most_values = 400'000;             // anywhere in the content
constexpr std::size_t most_members = 4'096;              // and operations
constexpr std::size_t most_shapes = 4'096;               // named ones
constexpr std::size_t most_types = 100'000;              // shapes anywhere
constexpr std::size_t most_params = 256;
constexpr std::size_t most_fields = 256;          // as TENON_STRUCT
constexpr std::size_t most_alternatives = 4'096;  // of a union or an enum
constexpr unsigned most_nested_names = 32;  // names, options and unions directly in one another

}  // namespace tenon::inline v0::manifests
