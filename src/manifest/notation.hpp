#pragma once
// Types as people read them: int32, [item], {string: number}, person?, buy | sell.

#include <string>
#include <string_view>

#include "manifest/model.hpp"

namespace tenon::inline v0::manifests {

/// As it stands in a signature: named types by their name.
std::string notation(const type& t);
/// What is behind the name of a structure or an enumeration.
std::string definition(const type& t);

/// "int32", "nothing", …: what codecs call an alternative of this type that has no name.
const char* name_of_kind(kind k) noexcept;

/// Text from elsewhere, safe for a terminal: control characters become spaces.
std::string printable(std::string_view text);

}  // namespace tenon::inline v0::manifests
