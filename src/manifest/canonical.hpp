#pragma once
// The one text of a JSON-compatible value, for hashes: canonical Gene, as docs/design/manifest.md
// describes it.

#include <string>

#include "tenon/value.hpp"

namespace tenon::inline v0::manifests {

/// One line; keys sorted by their bytes. Objects with one key that begins with a single "$" are
/// Gene's JSON spelling of symbols, genes and tags and become these. Nil, booleans, numbers,
/// strings, arrays and maps with string keys only; bytes and tagged values become nil.
std::string canonical_text(const value& v);

/// "sha256:" and the digest in hex.
std::string sha256_of(std::string_view text);

}  // namespace tenon::inline v0::manifests
