#include "codec/marshal.hpp"

#include <algorithm>
#include <bit>
#include <cstring>
#include <string>

#include "base/copy.hpp"
#include "codec/objects.hpp"
#include "tenon/loaned.hpp"

namespace tenon::inline v0::coding {
namespace {

struct header {
    char magic[4];
    std::uint32_t count;
    std::uint64_t hash;
};
static_assert(sizeof(header) == 16);
constexpr std::string_view magic = "TnM1";
constexpr std::size_t content_align = 16;

/// What an object looks like in a message.
enum class form : std::uint8_t {
    flat,      // an image
    text,      // count and bytes …
    sequence,  // count and images …
    bits,      // … of a vector<bool>, a byte each
};

struct layout {
    coding::form form = form::flat;
    const shape* type = nullptr;             // of an image
    const indirect_ops* indirect = nullptr;  // the image is that of an object elsewhere
    const coding::image* image = nullptr;    // null: of bytes

    std::uint64_t hash() const noexcept {
        const std::uint64_t h = image == nullptr ? 1 : image->hash();
        return h ^ (static_cast<std::uint64_t>(form) << 56);
    }
};

bool find_layout(const shape& s, layout& l, trouble& t) {
    l.type = &s;
    switch (s.kind) {
        case kind::bytes:
            if (s.bytes->count != 0) break;
            [[fallthrough]];
        case kind::string:
        case kind::string_view:
        case kind::bytes_view: l.form = form::text; return true;
        case kind::vector:
            l.type = s.sequence->element;
            l.form = s.sequence->get_bool != nullptr ? form::bits : form::sequence;
            l.image = image_of(*l.type, t);
            return l.image != nullptr || t.in_element(0);
        case kind::indirect:
            l.indirect = s.indirect;
            l.type = s.indirect->element;
            break;
        default: break;
    }
    l.image = image_of(*l.type, t);
    return l.image != nullptr;
}

std::uint64_t mix(std::uint64_t hash, std::uint64_t n) noexcept {
    hash = (hash ^ n) * 0x9E3779B97F4A7C15u;
    return hash ^ (hash >> 32);
}

constexpr std::uint64_t first_hash = std::endian::native == std::endian::little ? 1 : 2;

bool in_parameter(const parameter& p, trouble& t) {
    return p.name == nullptr ? false : t.in_member(p.name);
}

constexpr std::size_t round_up(std::size_t n, std::size_t align) noexcept {
    return (n + align - 1) / align * align;
}

bytes_view text_of(const shape& s, const void* o) {
    switch (s.kind) {
        case kind::string: return as_bytes(*static_cast<const std::string*>(o));
        case kind::string_view: return as_bytes(*static_cast<const std::string_view*>(o));
        case kind::bytes_view: return *static_cast<const bytes_view*>(o);
        default: return s.bytes->view(o);
    }
}

void write_header(std::byte* to, std::size_t count, std::uint64_t hash) {
    header h{{}, static_cast<std::uint32_t>(count), hash};
    std::memcpy(h.magic, magic.data(), sizeof h.magic);
    std::memcpy(to, &h, sizeof h);
}

class writer {
public:
    writer(base::byte_buffer& out, trouble& t) : out_(out), start_(out.size()), trouble_(t) {
        out_.extend(sizeof(header));
    }
    writer(const writer&) = delete;
    writer& operator=(const writer&) = delete;
    ~writer() { out_.resize(start_); }

    void commit(std::size_t count, std::uint64_t hash) {
        write_header(out_.data() + start_, count, hash);
        start_ = out_.size();
    }

    bool write(const shape& s, const layout& l, const void* o) {
        switch (l.form) {
            case form::flat: return write_images(l, l.indirect ? l.indirect->get(o) : o, 1);
            case form::text: {
                const bytes_view text = text_of(s, o);
                write_count(text.size(), 1);
                out_.append(text);
                return true;
            }
            case form::sequence: {
                const std::size_t n = s.sequence->size(o);
                write_count(n, l.image->align());
                return write_images(l, s.sequence->data(o), n);
            }
            case form::bits: {
                const std::size_t n = s.sequence->size(o);
                write_count(n, 1);
                std::byte* at = out_.extend(n);
                for (std::size_t i = 0; i < n; ++i) *at++ = std::byte{s.sequence->get_bool(o, i)};
                return true;
            }
        }
        return false;
    }

private:
    void align(std::size_t n) {
        const std::size_t size = out_.size() - start_;
        const std::size_t gap = round_up(size, n) - size;
        if (gap != 0) std::memset(out_.extend(gap), 0, gap);
    }
    void write_count(std::size_t n, std::size_t element_align) {
        align(alignof(std::uint64_t));
        const std::uint64_t count = n;
        out_.append(&count, sizeof count);
        align(std::max(content_align, element_align));
    }
    bool write_images(const layout& l, const void* objects, std::size_t n) {
        const auto* const from = static_cast<const std::byte*>(objects);
        if (!check_objects(*l.type, *l.image, from, n, trouble_)) return false;
        align(l.image->align());
        const std::size_t size = n * l.image->size();
        if (size == 0) return true;
        std::byte* const to = out_.extend(size);
        if (!l.image->is_whole()) std::memset(to, 0, size);
        l.image->copy(to, from, n);
        return true;
    }

    base::byte_buffer& out_;
    std::size_t start_;
    trouble& trouble_;
};

class reader {
public:
    reader(bytes_view in, trouble& t, std::size_t memory) : in_(in), trouble_(t), memory_(memory) {}

    bool read_header(std::size_t count, std::uint64_t hash) {
        header h;
        if (in_.size() >= sizeof h) std::memcpy(&h, in_.data(), sizeof h);
        if (in_.size() < sizeof h || std::string_view(h.magic, sizeof h.magic) != magic)
            return trouble_.invalid("this is no message in marshal"), trouble_.in_nothing();
        at_ = sizeof h;
        if (h.count != count)
            return trouble_.expected(number_text(std::uint64_t{count}) + " objects",
                                     number_text(std::uint64_t{h.count}));
        if (h.hash != hash)
            return trouble_.invalid(
                       "the other side lays these types out differently; marshal needs both built "
                       "from the same definitions by like compilers"),
                   trouble_.in_nothing();
        return true;
    }

    bool read(const shape& s, const layout& l, void* o) {
        switch (l.form) {
            case form::flat: return read_flat(l, l.indirect ? l.indirect->edit(o) : o);
            case form::text: return read_text(s, o);
            case form::sequence: return read_sequence(*s.sequence, l, o);
            case form::bits: return read_bits(*s.sequence, o);
        }
        return false;
    }

    /// Makes the message itself the place of its only object, if it can be; false: nothing done.
    bool adopt(const layout& l, void* o, const source& from) {
        if (l.indirect == nullptr || from.lies_in == nullptr) return false;
        const auto* const object = in_.data() + sizeof(header);
        if (in_.size() != sizeof(header) + l.image->size() ||
            reinterpret_cast<std::uintptr_t>(object) % l.image->align() != 0)
            return false;
        // What a check has seen must stay; and who fails it gets the error of a copy.
        trouble ignored;
        if (from.may_change() ? l.image->is_checked()
                              : !check_objects(*l.type, *l.image, object, 1, ignored))
            return false;
        l.indirect->message(o) = base::make_blob(base::block_ref::share(from.lies_in), in_);
        at_ = in_.size();
        return true;
    }

    bool finish() {
        if (at_ == in_.size()) return true;
        return trouble_.invalid("bytes left over after the last object"), trouble_.in_nothing();
    }

private:
    /// The next `n` elements; null if there are fewer.
    const std::byte* take(std::size_t align, std::size_t n, std::size_t size) {
        at_ = round_up(at_, align);
        if (at_ > in_.size() || (size != 0 && n > (in_.size() - at_) / size))
            return trouble_.invalid("the message is too short"), nullptr;
        const std::byte* const found = in_.data() + at_;
        at_ += n * size;
        return found;
    }
    /// A count and its elements, which are `n` then.
    const std::byte* take_counted(std::size_t element_align, std::size_t size, std::size_t& n) {
        const std::byte* const count = take(alignof(std::uint64_t), 1, sizeof(std::uint64_t));
        if (count == nullptr) return nullptr;
        std::uint64_t given = load<std::uint64_t>(count);
        __asm__ volatile("" : "+r"(given));  // what is checked is what is used: no second look
        if (size == 0 && given != 0) return trouble_.invalid("a count of nothing"), nullptr;
        if (given > in_.size()) return trouble_.invalid("the message is too short"), nullptr;
        n = static_cast<std::size_t>(given);
        return take(std::max(content_align, element_align), n, size);
    }
    bool charge(std::size_t n) {
        if (n > memory_) return trouble_.invalid("too many elements for max_memory");
        memory_ -= n;
        return true;
    }

    bool read_flat(const layout& l, void* o) {
        const std::byte* const from = take(l.image->align(), 1, l.image->size());
        if (from == nullptr) return false;
        auto* const to = static_cast<std::byte*>(o);
        l.image->copy(to, from, 1);
        return accept_objects(*l.type, *l.image, to, 1, trouble_);
    }

    bool read_text(const shape& s, void* o) {
        std::size_t n = 0;
        const std::byte* const from = take_counted(1, 1, n);
        if (from == nullptr) return false;
        const bytes_view text(from, n);
        if (s.kind == kind::string) static_cast<std::string*>(o)->assign(as_text(text));
        else if (s.kind == kind::string_view) *static_cast<std::string_view*>(o) = as_text(text);
        else if (s.kind == kind::bytes_view) *static_cast<bytes_view*>(o) = text;
        else if (std::byte* to = s.bytes->resize(o, n); n != 0) base::copy(to, from, n);
        return true;
    }

    bool read_sequence(const sequence_ops& ops, const layout& l, void* o) {
        const std::size_t size = l.image->size();
        std::size_t n = 0;
        const std::byte* const from = take_counted(l.image->align(), size, n);
        if (from == nullptr || !charge(n * size)) return false;
        const bool aligned = reinterpret_cast<std::uintptr_t>(from) % l.image->align() == 0;
        if (ops.assign != nullptr && l.image->is_whole() && !l.image->is_checked() && aligned)
            return ops.assign(o, from, n), true;
        auto* const to = static_cast<std::byte*>(ops.resize(o, n));
        l.image->copy(to, from, n);
        return accept_objects(*l.type, *l.image, to, n, trouble_);
    }

    bool read_bits(const sequence_ops& ops, void* o) {
        std::size_t n = 0;
        const std::byte* const from = take_counted(1, 1, n);
        if (from == nullptr || !charge(n)) return false;
        ops.clear(o);
        ops.reserve(o, n);
        for (std::size_t i = 0; i < n; ++i) {
            const auto bit = std::to_integer<std::uint8_t>(from[i]);
            if (bit > 1) return trouble_.expected("boolean", "a number"), trouble_.in_element(i);
            ops.append_bool(o, bit != 0);
        }
        return true;
    }

    bytes_view in_;
    trouble& trouble_;
    std::size_t memory_;
    std::size_t at_ = 0;
};

bool is_nothing(std::span<const parameter> types) {
    return std::all_of(types.begin(), types.end(),
                       [](const parameter& p) { return p.type->kind == kind::nothing; });
}

error too_few(std::size_t expected, std::size_t given) {
    return error(errc::invalid, "marshal takes all " + std::to_string(expected) +
                                    " arguments, got " + std::to_string(given));
}

}  // namespace

result<void> encode_marshal(std::span<const parameter> types, std::span<const void* const> objects,
                            base::byte_buffer& out) {
    if (objects.size() != types.size()) return too_few(types.size(), objects.size());
    if (is_nothing(types)) return {};
    trouble t;
    writer w(out, t);
    std::uint64_t hash = first_hash;
    for (std::size_t i = 0; i < types.size(); ++i) {
        layout l;
        if (!find_layout(*types[i].type, l, t) || !w.write(*types[i].type, l, objects[i]))
            return in_parameter(types[i], t), t.take();
        hash = mix(hash, l.hash());
    }
    w.commit(types.size(), hash);
    return {};
}

result<void> decode_marshal(std::span<const parameter> types, std::span<void* const> objects,
                            const source& from, const decode_options& options) {
    trouble t;
    if (is_nothing(types)) {
        if (from.in.empty()) return {};
        return error(errc::invalid, "expected no content");
    }
    std::uint64_t hash = first_hash;
    for (const parameter& p : types) {
        layout l;
        if (!find_layout(*p.type, l, t)) return in_parameter(p, t), t.take();
        hash = mix(hash, l.hash());
    }
    reader r(from.in, t, options.max_memory);
    if (!r.read_header(types.size(), hash)) return t.take();
    for (std::size_t i = 0; i < types.size(); ++i) {
        layout l;
        if (!find_layout(*types[i].type, l, t)) return in_parameter(types[i], t), t.take();
        if (types.size() == 1 && r.adopt(l, objects[i], from)) break;
        if (!r.read(*types[i].type, l, objects[i])) return in_parameter(types[i], t), t.take();
    }
    if (!r.finish()) return t.take();
    return {};
}

result<void> check_marshal(std::span<const parameter> types) {
    trouble t;
    for (const parameter& p : types) {
        layout l;
        if (!find_layout(*p.type, l, t)) return in_parameter(p, t), t.take();
    }
    return {};
}

std::optional<bytes_view> view_marshal(const shape& s, const void* o) noexcept {
    if (s.kind != kind::indirect) return std::nullopt;
    const bytes_view message = s.indirect->message(const_cast<void*>(o)).view();
    trouble t;
    layout l;
    if (message.empty() || !find_layout(s, l, t)) return std::nullopt;
    // Others would see the padding; and who fails the check gets the encoder's error.
    if (!l.image->is_whole() || message.size() != sizeof(header) + l.image->size() ||
        !check_objects(*l.type, *l.image, message.data() + sizeof(header), 1, t))
        return std::nullopt;
    header expected;
    write_header(reinterpret_cast<std::byte*>(&expected), 1, mix(first_hash, l.hash()));
    if (std::memcmp(message.data(), &expected, sizeof expected) != 0) return std::nullopt;
    return message;
}

}  // namespace tenon::inline v0::coding

namespace tenon::inline v0::detail {

std::byte* begin_message(blob& message, const shape& element) {
    constexpr std::size_t place = sizeof(coding::header);
    message.resize(place + element.size);
    if (reinterpret_cast<std::uintptr_t>(message.data()) % coding::content_align != 0)
        message = blob(place + element.size);
    std::byte* const at = message.edit().data();
    std::memset(at, 0, place + element.size);
    coding::trouble t;
    coding::layout l;
    if (coding::find_layout(element, l, t))
        coding::write_header(at, 1, coding::mix(coding::first_hash, l.hash()));
    return at + place;
}

}  // namespace tenon::inline v0::detail
