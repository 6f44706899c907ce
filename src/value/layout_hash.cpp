#include <array>
#include <string_view>
#include <vector>

#include "tenon/shape.hpp"

namespace tenon::inline v0 {
namespace {

class hasher {
public:
    std::uint64_t result() const { return state_; }

    void add(std::uint64_t n) {
        for (int i = 0; i < 8; ++i) byte(static_cast<unsigned char>(n >> (8 * i)));
    }
    void add(std::string_view s) {
        add(s.size());
        for (const char c : s) byte(static_cast<unsigned char>(c));
    }
    // A shape met before counts as its place in the order of meeting: types may be recursive.
    void add(const shape& s) {
        for (std::size_t i = 0; i < met_.size(); ++i)
            if (met_[i] == &s) return add(std::uint64_t{0x1000} + i);
        met_.push_back(&s);
        add(static_cast<std::uint64_t>(s.kind));
        add(s.size);
        add(s.align);
        add(std::string_view(s.name));
        add_parts(s);
    }

private:
    // FNV-1a
    void byte(unsigned char b) { state_ = (state_ ^ b) * 0x100000001B3u; }

    void add_parts(const shape& s);

    std::uint64_t state_ = 0xCBF29CE484222325u;
    std::vector<const shape*> met_;
};

void hasher::add_parts(const shape& s) {
    switch (s.kind) {
        case kind::array:
        case kind::vector: add(s.sequence->count); return add(*s.sequence->element);
        case kind::optional: return add(*s.optional->element);
        case kind::indirect: return add(*s.indirect->element);
        case kind::map:
            add(s.map->entry_size);
            add(*s.map->key);
            return add(*s.map->mapped);
        case kind::variant:
            add(s.variant->count);
            for (std::size_t i = 0; i < s.variant->count; ++i)
                add(*s.variant->alternatives[i].type);
            return;
        case kind::tuple:
            add(s.tuple->count);
            for (std::size_t i = 0; i < s.tuple->count; ++i) add(*s.tuple->elements[i].type);
            return;
        case kind::enumeration:
            add(s.enumeration->count);
            for (std::size_t i = 0; i < s.enumeration->count; ++i) {
                add(std::string_view(s.enumeration->enumerators[i].name));
                add(static_cast<std::uint64_t>(s.enumeration->enumerators[i].number));
            }
            return;
        case kind::structure:
            add(s.structure->count);
            for (std::size_t i = 0; i < s.structure->count; ++i) {
                const member& m = s.structure->members[i];
                add(std::string_view(m.name));
                add(m.offset);
                add(*m.type);
            }
            return;
        case kind::time_point:
        case kind::duration: {
            // Units are told apart by what some times look like.
            for (const std::int64_t seconds : {1, 1'000'000'000}) {
                alignas(16) std::array<unsigned char, 16> object{};
                if (s.size <= object.size() && s.time->set(object.data(), seconds, 0))
                    for (std::size_t i = 0; i < s.size; ++i) add(std::uint64_t{object[i]});
            }
            return;
        }
        default: return;
    }
}

}  // namespace

std::uint64_t layout_hash(const shape& s) {
    hasher h;
    h.add(s);
    return h.result();
}

}  // namespace tenon::inline v0
