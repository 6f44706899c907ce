#pragma once
// manifest: what a service says of itself. Its methods and streams with parameter names, types,
// defaults, documentation, declared errors and flags, as one JSON-compatible value that programs in
// any language can read, compare, check calls against, and make code from.
//
//     auto m = tenon::manifest_of<math>();
//     std::puts(to_text(m).c_str());               // plus(a: int32, b: int32) -> int32 …
//     if (auto bad = m.check_call("plus", tenon::value::list({1, "two"})); !bad)
//         std::puts(bad.error().to_string().c_str());  // invalid: b: expected number, got string
//
// The format is described in docs/design/manifest.md. Everything here is thread-safe.

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "tenon/codec.hpp"
#include "tenon/contract.hpp"
#include "tenon/export.hpp"
#include "tenon/result.hpp"
#include "tenon/value.hpp"

namespace tenon::inline v0 {

namespace manifests {
class model;
}  // namespace manifests

/// An immutable description of one service. A handle: copies share the content.
class TENON_API manifest {
public:
    /// Reads a manifest and checks it against the schema. Fields that it does not know are kept.
    /// Errors: `invalid`, with the path ("members.plus.params[1].shape: unknown shape \"intt\""),
    /// also for what is beyond 4 MiB, 64 levels, 4,096 members or shapes, 256 parameters.
    static result<manifest> parse(std::string_view json);
    /// The same from a value, such as what tenon/control gave.
    static result<manifest> from(value content);

    /// All of it, as it was read; fields in their order.
    const value& content() const noexcept;
    std::string to_json(bool pretty = false) const;

    /// Empty if the manifest, of another product, has none.
    std::string_view publisher() const noexcept;
    std::string_view service() const noexcept;
    std::string_view version() const noexcept;
    /// What the service is for.
    std::string_view purpose() const noexcept;

    /// "sha256:" and 64 hex digits: equal for manifests of equal meaning. Always computed; what the
    /// content says of its hash, endpoints and instances does not count.
    const std::string& hash() const noexcept;

    /// Whether the server would take these arguments: an array is by position, a map by name, as
    /// in client::try_call. Errors are those of the server: `invalid`, naming the argument and the
    /// path within it; `unsupported` for an unknown member, and for streams. `c` is the codec the
    /// call is going to use, unless the member declares one.
    ///
    /// What is refused here is refused there. What the manifest cannot say (the range of a clock,
    /// bounds that only another product's manifest states) is left to the server.
    result<void> check_call(std::string_view member, const value& arguments,
                            codec c = codec::msgpack) const;

    /// The same for the arguments with which a source, sink or channel is opened.
    result<void> check_open(std::string_view member, const value& arguments,
                            codec c = codec::msgpack) const;

    // For the library.
    explicit manifest(std::shared_ptr<const manifests::model> m) noexcept : model_(std::move(m)) {}
    const manifests::model& model() const noexcept { return *model_; }

private:
    std::shared_ptr<const manifests::model> model_;
};

/// What is different between two versions of a service, and whether programs made for the older one
/// keep working with the newer.
struct change {
    bool breaking;
    /// "plus", "plus(a)", "plus result", "item.count", "version"
    std::string where;
    /// "parameter added without a default", "was int32, is string"
    std::string what;
};
/// Breaking changes first. Empty if nothing is different that either side could notice.
/// docs/design/manifest.md has the rules.
TENON_API std::vector<change> compare(const manifest& older, const manifest& newer);

/// A page for people: signatures, documentation, errors, types. Lines of at most `width` columns
/// where words allow it (at least 40).
TENON_API std::string to_text(const manifest& m, std::size_t width = 80);

/// A C++ header with the contract and its types, complete and formatted. The manifest of what it
/// defines has the same hash, if `m` is one of a Tenon contract. Throws failure(unsupported) if a
/// name in it cannot be one in C++.
TENON_API std::string to_cpp(const manifest& m);

/// One JSON Schema document, draft 2020-12, of how things look in JSON: "$defs" has every named
/// type, and "plus.params", "plus.result" and "plus.error.sold_out" for every method; streams have
/// "ticks.value" (of a source or sink), or "chat.up" and "chat.down" (of a channel).
TENON_API value to_json_schema(const manifest& m);

namespace detail {
TENON_API manifest make_manifest(const contract_info& contract);
}  // namespace detail

/// The manifest of a contract. Costs about as much as parsing its JSON: keep it.
template <class Contract>
manifest manifest_of() {
    return detail::make_manifest(detail::contract_of<Contract>());
}

}  // namespace tenon::inline v0
