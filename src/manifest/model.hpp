#pragma once
// A manifest as the checks, generators and comparisons see it: the content, and its shapes resolved
// into a graph of types.
//
// Views and pointers point into the model, which is immutable and pinned once it is made.

#include <deque>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "tenon/result.hpp"
#include "tenon/shape_table.hpp"
#include "tenon/value.hpp"

namespace tenon::inline v0::manifests {

struct type;
class checker;

struct field {
    std::string_view name;
    const manifests::type* type;
    bool may_be_missing;
};

/// What a shape means to a Tenon peer. Where the shape says more than any type of ours (a regular
/// expression, bounds other than a type's, a symbol), `kind` is the nearest that takes at least as
/// much.
struct type {
    tenon::kind kind = kind::dynamic;
    /// The type stands for another: a name for a shape that has no name of its own.
    const type* same_as = nullptr;
    const value* shape = nullptr;
    std::string_view word;                // of shapes that are one: "int", "any"
    std::string_view name;                // key in `shapes`; empty for others
    std::size_t count = 0;                // array; bytes, where 0 means any
    const type* element = nullptr;        // optional, array, vector; mapped type of a map
    const type* key = nullptr;            // map; null: string
    std::vector<const type*> items;       // tuple, variant
    bool tagged = false;                  // variant: alternatives travel as {tag: value}
    std::vector<std::string_view> tags;   // parallel to items; empty for nil
    std::vector<field> fields;            // structure
    std::vector<std::string_view> names;  // enumeration
    std::vector<const value*> numbers;    // parallel to names; empty if unknown

    /// The type itself, not a name for it.
    const type& real() const noexcept {
        const type* t = this;
        while (t->same_as != nullptr) t = t->same_as;
        return *t;
    }
};

struct param {
    std::string_view name;
    std::string_view doc;
    const manifests::type* type;
    bool optional;               // may be missing because its type says so
    const value* default_value;  // null if there is none
};

struct declared_error {
    std::string_view name;
    const manifests::type* data;  // may be null
};

/// One direction of a stream: what passes, and how it flows if that is declared.
struct direction {
    const type* value = nullptr;  // null: there is no such direction
    std::string_view overflow;    // empty: block
    std::string_view key;         // of `latest`; empty: none that has a name
    std::uint32_t queue = 0;      // values that wait at the sender; 0: as usual, likewise
    std::uint32_t window = 0;

    bool is_declared() const noexcept { return !overflow.empty() || queue != 0 || window != 0; }
};

struct member {
    std::string_view name;
    std::string_view kind;  // of those that is_known() does not know: name, kind and doc only
    std::string_view doc;
    std::vector<param> params;
    const type* result = nullptr;  // of a method, or of a sink: its reply
    direction up;                  // of a sink or channel: what the client sends
    direction down;                // of a source or channel
    std::vector<declared_error> errors;
    bool idempotent = false;
    bool blocking = false;
    bool serial = false;
    std::string_view codec;     // empty if none is declared
    std::string_view priority;  // likewise; "low", "high"

    bool is_method() const noexcept { return kind == "method"; }
    bool is_source() const noexcept { return kind == "source"; }
    bool is_sink() const noexcept { return kind == "sink"; }
    bool is_channel() const noexcept { return kind == "channel"; }
    bool is_stream() const noexcept { return is_source() || is_sink() || is_channel(); }
    bool is_known() const noexcept { return is_method() || is_stream(); }
};

class model {
public:
    /// Checks and resolves. Errors: `invalid`, with the path.
    static result<std::shared_ptr<const model>> make(value content);
    ~model();

    const value content;
    std::string hash;
    std::string_view publisher, service, version, purpose;
    bool control = true;
    std::vector<member> members;
    std::vector<member> operations;
    std::vector<const type*> shapes;  // the named ones, in the order of the content

    /// A method or an operation; null if there is none.
    const member* find(std::string_view name) const noexcept;
    /// Made at its first use.
    const checker& arguments_checker() const;

private:
    friend class loader;
    explicit model(value v);

    std::deque<type> types_;  // keeps addresses
    mutable std::once_flag checker_made_;
    mutable std::unique_ptr<const checker> checker_;
};

/// "sha256:…" over what counts of a manifest's content.
std::string content_hash(const value& content);

/// What a value of this type looks like from outside; alternatives of a plain variant differ in it.
enum class look { nothing, boolean, number, text, array, map, any };
look look_of(const type& t) noexcept;

}  // namespace tenon::inline v0::manifests
