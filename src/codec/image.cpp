#include "codec/image.hpp"

#include <algorithm>
#include <array>
#include <atomic>
#include <cstring>
#include <memory>
#include <new>
#include <optional>

#include "base/copy.hpp"
#include "codec/decoding.hpp"
#include "codec/objects.hpp"

namespace tenon::inline v0::coding {
namespace {

using part = image::part;

bool is_contiguous(const shape& type, const std::vector<part>& parts) {
    std::uint32_t end = 0;
    for (const part& p : parts) {
        if (p.offset != end || (p.element != nullptr && !p.element->is_whole())) return false;
        end += p.size * p.count;
    }
    return end == type.size;
}

bool needs_checks(const shape& s) {
    switch (s.kind) {
        case kind::boolean:
        case kind::enumeration: return true;
        case kind::array: return needs_checks(*s.sequence->element);
        case kind::tuple:
            return std::any_of(s.tuple->elements, s.tuple->elements + s.tuple->count,
                               [](const tuple_element& e) { return needs_checks(*e.type); });
        case kind::structure:
            return std::any_of(s.structure->members, s.structure->members + s.structure->count,
                               [](const member& m) { return needs_checks(*m.type); });
        default: return false;
    }
}

std::uint64_t hash_of(const shape& type, const std::vector<part>& parts) {
    std::uint64_t h = layout_hash(type);
    // Where the elements of a tuple lie is not in the layout hash.
    for (const part& p : parts)
        for (const std::uint32_t n : {p.offset, p.size, p.count}) h = (h ^ n) * 0x100000001B3u;
    return h;
}

/// An object to ask for the places of its elements.
class example {
public:
    explicit example(const shape& s)
        : shape_(s), object_(::operator new (s.size, std::align_val_t{s.align})) {
        s.construct(object_);
    }
    example(const example&) = delete;
    example& operator=(const example&) = delete;
    ~example() {
        shape_.destroy(object_);
        ::operator delete (object_, std::align_val_t{shape_.align});
    }
    void* get() const { return object_; }

private:
    const shape& shape_;
    void* object_;
};

/// Collects the parts of a type.
class builder {
public:
    explicit builder(trouble& t) : trouble_(t) {}

    std::optional<image> build(const shape& s) {
        if (!add_parts(s)) return std::nullopt;
        std::sort(parts_.begin(), parts_.end(),
                  [](const part& a, const part& b) { return a.offset < b.offset; });
        std::vector<part> merged;
        for (const part& p : parts_) {
            part* const last = merged.empty() ? nullptr : &merged.back();
            if (last != nullptr && last->element == nullptr && p.element == nullptr &&
                last->offset + last->size == p.offset)
                last->size += p.size;
            else merged.push_back(p);
        }
        return image(s, std::move(merged));
    }

private:
    bool add_parts(const shape& s) {
        switch (s.kind) {
            case kind::array: return add_array(*s.sequence);
            case kind::tuple: return add_tuple(s);
            case kind::structure: return add_struct(*s.structure);
            case kind::bytes:
                if (s.bytes->count != 0) break;
                return unknown(s);
            case kind::nothing: return true;
            case kind::string:
            case kind::string_view:
            case kind::bytes_view:
            case kind::optional:
            case kind::vector:
            case kind::map:
            case kind::variant:
            case kind::dynamic:
            case kind::indirect: return unknown(s);
            default: break;
        }
        parts_.push_back({0, s.size, 1, nullptr});
        return true;
    }
    bool unknown(const shape& s) {
        return trouble_.unsupported("marshal cannot carry a " + std::string(s.name) + " here");
    }

    bool add(const shape& type, std::size_t offset) {
        const image* const found = image_of(type, trouble_);
        if (found == nullptr) return false;
        for (part p : found->parts()) {
            p.offset += static_cast<std::uint32_t>(offset);
            parts_.push_back(p);
        }
        return true;
    }
    bool add_struct(const struct_ops& ops) {
        for (std::size_t i = 0; i < ops.count; ++i) {
            const member& m = ops.members[i];
            if (!add(*m.type, m.offset)) return trouble_.in_member({m.name, m.name_size});
        }
        return true;
    }
    bool add_tuple(const shape& s) {
        if (s.construct == nullptr) return unknown(s);
        const example object(s);
        for (std::size_t i = 0; i < s.tuple->count; ++i) {
            const tuple_element& e = s.tuple->elements[i];
            const auto* const at = static_cast<std::byte*>(e.get(object.get()));
            if (!add(*e.type, static_cast<std::size_t>(at - static_cast<std::byte*>(object.get()))))
                return trouble_.in_element(i);
        }
        return true;
    }
    bool add_array(const sequence_ops& ops) {
        if (ops.count == 0) return true;
        const image* const element = image_of(*ops.element, trouble_);
        if (element == nullptr) return trouble_.in_element(0);
        const auto size = static_cast<std::uint32_t>(element->size());
        const auto count = static_cast<std::uint32_t>(ops.count);
        if (element->is_whole()) parts_.push_back({0, size * count, 1, nullptr});
        else parts_.push_back({0, size, count, element});
        return true;
    }

    trouble& trouble_;
    std::vector<part> parts_;
};

// Types without a place of their own: those whose kind says all.
const image* image_of_plain(const shape& s, trouble& t) {
    constexpr std::size_t kinds = static_cast<std::size_t>(kind::indirect) + 1;
    static std::array<std::atomic<const image*>, kinds> all{};
    auto& place = all[static_cast<std::size_t>(s.kind)];
    if (const image* known = place.load(std::memory_order_acquire)) return known;
    auto made = builder(t).build(s);
    if (!made) return nullptr;
    auto fresh = std::make_unique<const image>(*std::move(made));
    const image* expected = nullptr;
    if (place.compare_exchange_strong(expected, fresh.get())) return fresh.release();
    return expected;
}

bool check_object(const shape& s, const std::byte* o, trouble& t) {
    switch (s.kind) {
        case kind::boolean:
            if (load<std::uint8_t>(o) <= 1) return true;
            return t.expected("boolean", number_text(std::uint64_t{load<std::uint8_t>(o)}));
        case kind::enumeration:
            if (find_enumerator(*s.enumeration, o) != nullptr) return true;
            return t.expected("one of " + names_of(*s.enumeration),
                              number_text(load_integer(s.enumeration->underlying, o)));
        case kind::array: {
            const shape& element = *s.sequence->element;
            for (std::size_t i = 0; i < s.sequence->count; ++i)
                if (!check_object(element, o + i * element.size, t)) return t.in_element(i);
            return true;
        }
        case kind::tuple:
            for (std::size_t i = 0; i < s.tuple->count; ++i) {
                const tuple_element& e = s.tuple->elements[i];
                const void* const at = e.get(const_cast<std::byte*>(o));
                if (!check_object(*e.type, static_cast<const std::byte*>(at), t))
                    return t.in_element(i);
            }
            return true;
        case kind::structure:
            for (std::size_t i = 0; i < s.structure->count; ++i) {
                const member& m = s.structure->members[i];
                if (!check_object(*m.type, o + m.offset, t))
                    return t.in_member({m.name, m.name_size});
            }
            return true;
        default: return true;
    }
}

}  // namespace

image::image(const shape& type, std::vector<part> parts)
    : parts_(std::move(parts)),
      hash_(hash_of(type, parts_)),
      size_(type.size),
      align_(type.align),
      whole_(is_contiguous(type, parts_)),
      checked_(needs_checks(type)) {}

void image::copy(std::byte* to, const std::byte* from, std::size_t n) const noexcept {
    if (whole_) {
        base::copy(to, from, n * size_);
        return;
    }
    for (; n != 0; --n, to += size_, from += size_)
        for (const part& p : parts_) {
            if (p.element == nullptr) std::memcpy(to + p.offset, from + p.offset, p.size);
            else p.element->copy(to + p.offset, from + p.offset, p.count);
        }
}

void image::clear(std::byte* object) const noexcept {
    for (const part& p : parts_) {
        if (p.element == nullptr) std::memset(object + p.offset, 0, p.size);
        for (std::uint32_t i = 0; p.element != nullptr && i < p.count; ++i)
            p.element->clear(object + p.offset + std::size_t{i} * p.size);
    }
}

const image* image_of(const shape& s, trouble& t) {
    if (s.notes == nullptr) return image_of_plain(s, t);
    std::atomic_ref<const void*> place(*s.notes);
    if (const void* known = place.load(std::memory_order_acquire))
        return static_cast<const image*>(known);
    auto made = builder(t).build(s);
    if (!made) return nullptr;
    auto fresh = std::make_unique<const image>(*std::move(made));
    const void* expected = nullptr;
    if (place.compare_exchange_strong(expected, fresh.get())) return fresh.release();
    return static_cast<const image*>(expected);
}

bool check_objects(const shape& s, const image& i, const std::byte* objects, std::size_t n,
                   trouble& t) {
    for (std::size_t k = 0; i.is_checked() && k < n; ++k)
        if (!check_object(s, objects + k * i.size(), t)) return n == 1 ? false : t.in_element(k);
    return true;
}

bool accept_objects(const shape& s, const image& i, std::byte* objects, std::size_t n, trouble& t) {
    if (check_objects(s, i, objects, n, t)) return true;
    for (std::size_t k = 0; k < n; ++k) i.clear(objects + k * i.size());
    return false;
}

}  // namespace tenon::inline v0::coding
