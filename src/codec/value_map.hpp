#pragma once
// What decoding needs of maps of values.

#include "codec/token.hpp"
#include "tenon/value.hpp"

namespace tenon::inline v0::coding {

value to_value(const key& k);

/// Keeps the first place and the last content of each key; returns whether there were doubles.
/// O(n log n).
bool remove_doubles(value::map& m);

}  // namespace tenon::inline v0::coding
