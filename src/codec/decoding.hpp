#pragma once
// The parts of decoding that do not depend on the reader; see decoder.hpp.

#include <cstring>

#include "codec/objects.hpp"
#include "codec/token.hpp"

namespace tenon::inline v0::coding {

/// `n` as the integer kind `k`; false if it has a fraction or is out of range.
bool fit_integer(kind k, const number& n, std::int64_t& fitted) noexcept;

/// The alternative of an untagged variant that a value of this outer kind is for; null if none.
const alternative* alternative_for(const variant_ops& ops, token t) noexcept;
const alternative* alternative_named(const variant_ops& ops, std::string_view name) noexcept;
/// The first few names, separated by commas.
std::string names_of(const variant_ops& ops);
std::string names_of(const enum_ops& ops);

/// An integer in decimal, as the key of a map.
bool read_integer_text(std::string_view text, number& n) noexcept;

/// The member of that name, looked for at `cursor` first; null if there is none.
inline const member* find_member(const struct_ops& ops, std::string_view name,
                                 std::size_t& cursor) noexcept {
    for (std::size_t tries = 0; tries < ops.count; ++tries, ++cursor) {
        if (cursor >= ops.count) cursor = 0;
        const member& m = ops.members[cursor];
        if (m.name_size == name.size() && std::memcmp(m.name, name.data(), name.size()) == 0)
            return &ops.members[cursor++];
    }
    return nullptr;
}

/// Makes the object what default construction makes it, if its type allows.
void reset_object(const shape& s, void* o);

}  // namespace tenon::inline v0::coding
