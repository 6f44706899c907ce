#include "wire/frame.hpp"

#include <array>
#include <cstring>
#include <utility>

#include "wire/endian.hpp"

namespace tenon::inline v0::wire {
namespace {

/// Numbers between header and metadata, in bytes; SETUP and RESUME have fields of their own.
constexpr std::size_t numbers_size(frame_type type) noexcept {
    switch (type) {
        case frame_type::request_stream:
        case frame_type::request_channel:
        case frame_type::request_n:
        case frame_type::error:
        case frame_type::ext: return 4;
        case frame_type::lease:
        case frame_type::keepalive:
        case frame_type::resume_ok: return 8;
        default: return 0;
    }
}

/// Whether metadata has a length in front, because data may follow.
constexpr bool metadata_is_counted(frame_type type) noexcept {
    return type != frame_type::metadata_push && type != frame_type::cancel &&
           type != frame_type::lease;
}

constexpr bool may_have_metadata(frame_type type) noexcept {
    return type != frame_type::keepalive && type != frame_type::request_n &&
           type != frame_type::resume && type != frame_type::resume_ok;
}

tenon::error broken(const char* what) { return tenon::error(errc::invalid, what); }

/// Fields of SETUP or RESUME: how many bytes, or 0 if they do not fit.
std::size_t fields_size(frame_type type, bool token, bytes_view rest) noexcept {
    std::size_t at = type == frame_type::setup ? 12 : 4;
    if (token) {
        if (rest.size() < at + 2) return 0;
        at += 2 + load_be16(rest.data() + at);
    }
    if (type == frame_type::resume) at += 16;
    for (int i = 0; type == frame_type::setup && i < 2; ++i) {
        if (rest.size() < at + 1) return 0;
        at += 1 + std::to_integer<std::size_t>(rest[at]);
    }
    return at <= rest.size() ? at : 0;
}

/// Takes metadata and data out of what follows the fixed part. False if the frame is to be
/// ignored.
bool take_payload(frame& f, bytes_view rest) noexcept {
    if (f.type == frame_type::metadata_push) f.has_metadata = true;
    if (!f.has_metadata) {
        if (f.type != frame_type::cancel && f.type != frame_type::lease) f.data = rest;
        return true;
    }
    if (!metadata_is_counted(f.type)) {
        f.metadata = rest;
        return true;
    }
    if (rest.size() < 3) return false;
    const std::size_t size = load_be24(rest.data());
    if (size > rest.size() - 3) return false;
    f.metadata = rest.subspan(3, size);
    f.data = rest.subspan(3 + size);
    return true;
}

const char* check_setup(const frame& f) noexcept {
    if (f.stream != 0) return "SETUP on a stream";
    if (f.type == frame_type::resume) return nullptr;
    const std::byte* p = f.fields.data() + 4;
    const std::uint32_t interval = load_be32(p);
    const std::uint32_t lifetime = load_be32(p + 4);
    if (interval == 0 || interval > 0x7fff'ffff) return "SETUP with a bad keep-alive interval";
    if (lifetime == 0 || lifetime > 0x7fff'ffff) return "SETUP with a bad lifetime";
    return nullptr;
}

/// Stream ids and counts. Null if in order; sets `ignored` where the specification says so.
const char* check(frame& f) noexcept {
    switch (f.type) {
        case frame_type::setup:
        case frame_type::resume: return check_setup(f);
        case frame_type::request_stream:
        case frame_type::request_channel:
            if (f.n == 0 || f.n > max_n) return "initial request n must be 1 to 2147483647";
            [[fallthrough]];
        case frame_type::request_response:
        case frame_type::request_fnf: return f.stream == 0 ? "request on stream 0" : nullptr;
        case frame_type::request_n:
            if (f.n == 0 || f.n > max_n) return "request n must be 1 to 2147483647";
            [[fallthrough]];
        case frame_type::cancel:
        case frame_type::payload:
            if (f.stream == 0) f.type = frame_type::ignored;
            return nullptr;
        case frame_type::lease:
        case frame_type::keepalive:
        case frame_type::metadata_push:
        case frame_type::resume_ok:
            if (f.stream != 0) f.type = frame_type::ignored;
            return nullptr;
        default: return nullptr;
    }
}

void read_numbers(frame& f, const std::byte* p) noexcept {
    switch (f.type) {
        case frame_type::request_stream:
        case frame_type::request_channel:
        case frame_type::request_n: f.n = load_be32(p); break;
        case frame_type::error:
        case frame_type::ext: f.code = load_be32(p); break;
        case frame_type::lease:
            f.code = load_be32(p);
            f.n = load_be32(p + 4);
            break;
        case frame_type::keepalive:
        case frame_type::resume_ok: f.position = load_be64(p); break;
        default: break;
    }
}

constexpr bool known(std::uint8_t type) noexcept {
    return (type >= 0x01 && type <= 0x0e) || type == 0x3f;
}

std::byte* write_prefix(base::byte_buffer& to, std::size_t size, bool with_prefix) {
    std::byte* p = to.extend(size + (with_prefix ? prefix_size : 0));
    return with_prefix ? store_be24(p, static_cast<std::uint32_t>(size)) : p;
}

std::byte* store(std::byte* p, bytes_view b) noexcept {
    if (!b.empty()) std::memcpy(p, b.data(), b.size());
    return p + b.size();
}

std::byte* store_header(std::byte* p, std::uint32_t stream, frame_type type,
                        std::uint16_t flags) noexcept {
    return store_be16(store_be32(p, stream),
                      static_cast<std::uint32_t>(type) << 10 | (flags & 0x3ffu));
}

}  // namespace

result<frame> parse_frame(bytes_view bytes) {
    if (bytes.size() < header_size) return broken("frame shorter than its header");
    const std::uint32_t stream = load_be32(bytes.data());
    const std::uint16_t word = load_be16(bytes.data() + 4);
    result<frame> r;
    frame& f = *r;
    f.stream = stream;
    f.flags = word & 0x3ff;
    const auto type = static_cast<std::uint8_t>(word >> 10);
    if (stream > max_stream_id) return broken("stream id with the highest bit set");
    if (!known(type)) {
        if (f.has(flag::ignore)) return r;
        return broken("unknown frame type");
    }
    f.type = static_cast<frame_type>(type);
    if (moves_position(f.type, stream)) f.counted = static_cast<std::uint32_t>(bytes.size());
    f.has_metadata = f.has(flag::metadata) && may_have_metadata(f.type);

    bytes_view rest = bytes.subspan(header_size);
    std::size_t fixed = numbers_size(f.type);
    if (f.type == frame_type::setup || f.type == frame_type::resume) {
        if (bytes.size() > max_setup_size) return broken("SETUP too long");
        fixed = fields_size(f.type, f.type == frame_type::resume || f.has(flag::resume), rest);
        if (fixed == 0) return broken("SETUP cut short");
        f.fields = rest.first(fixed);
    } else if (rest.size() < fixed) {
        return broken("frame cut short");
    } else if (fixed != 0) {
        read_numbers(f, rest.data());
    }
    if (!take_payload(f, rest.subspan(fixed))) {
        f.type = frame_type::ignored;
        f.metadata = f.data = {};
        return r;
    }
    if (f.metadata.size() > max_metadata_size) return broken("metadata too long");
    if (const char* wrong = check(f)) return broken(wrong);
    return r;
}

setup_fields setup_of(const frame& f) noexcept {
    setup_fields s;
    const std::byte* p = f.fields.data();
    s.major = load_be16(p);
    s.minor = load_be16(p + 2);
    s.keepalive_ms = load_be32(p + 4);
    s.lifetime_ms = load_be32(p + 8);
    p += 12;
    if (f.has(flag::resume)) {
        s.token = {p + 2, load_be16(p)};
        p += 2 + s.token.size();
    }
    const auto mime = [&p] {
        const bytes_view b(p + 1, std::to_integer<std::size_t>(*p));
        p += 1 + b.size();
        return as_text(b);
    };
    s.metadata_mime = mime();
    s.data_mime = mime();
    return s;
}

resume_fields resume_of(const frame& f) noexcept {
    resume_fields r;
    const std::byte* p = f.fields.data();
    r.major = load_be16(p);
    r.minor = load_be16(p + 2);
    r.token = {p + 6, load_be16(p + 4)};
    p += 6 + r.token.size();
    r.last_received = load_be64(p);
    r.first_available = load_be64(p + 8);
    return r;
}

std::size_t head_size(const frame& f) noexcept {
    return header_size + numbers_size(f.type) +
           (f.has_metadata && metadata_is_counted(f.type) ? 3 : 0);
}

std::byte* write_head(std::byte* to, const frame& f) noexcept {
    const std::uint16_t flags = static_cast<std::uint16_t>((f.flags & ~flag::metadata) |
                                                           (f.has_metadata ? flag::metadata : 0));
    std::byte* p = store_header(to, f.stream, f.type, flags);
    switch (f.type) {
        case frame_type::request_stream:
        case frame_type::request_channel:
        case frame_type::request_n: p = store_be32(p, f.n); break;
        case frame_type::error:
        case frame_type::ext: p = store_be32(p, f.code); break;
        case frame_type::lease: p = store_be32(store_be32(p, f.code), f.n); break;
        case frame_type::keepalive:
        case frame_type::resume_ok: p = store_be64(p, f.position); break;
        default: break;
    }
    if (f.has_metadata && metadata_is_counted(f.type))
        p = store_be24(p, static_cast<std::uint32_t>(f.metadata.size()));
    return p;
}

void append_frame(base::byte_buffer& to, const frame& f, bool with_prefix) {
    const std::size_t size = head_size(f) + f.metadata.size() + f.data.size();
    std::byte* p = write_prefix(to, size, with_prefix);
    store(store(write_head(p, f), f.metadata), f.data);
}

void append_setup(base::byte_buffer& to, const setup_fields& s, std::uint16_t flags,
                  const bytes_view* metadata, bytes_view data, bool with_prefix) {
    const bool token = (flags & flag::resume) != 0;
    const std::size_t size = header_size + 12 + (token ? 2 + s.token.size() : 0) + 1 +
                             s.metadata_mime.size() + 1 + s.data_mime.size() +
                             (metadata ? 3 + metadata->size() : 0) + data.size();
    std::byte* p = write_prefix(to, size, with_prefix);
    flags = static_cast<std::uint16_t>((flags & ~flag::metadata) | (metadata ? flag::metadata : 0));
    p = store_header(p, 0, frame_type::setup, flags);
    p = store_be16(store_be16(p, s.major), s.minor);
    p = store_be32(store_be32(p, s.keepalive_ms), s.lifetime_ms);
    if (token) p = store(store_be16(p, static_cast<std::uint32_t>(s.token.size())), s.token);
    for (const std::string_view mime : {s.metadata_mime, s.data_mime})
        p = store(store_u8(p, static_cast<std::uint32_t>(mime.size())), as_bytes(mime));
    if (metadata) p = store(store_be24(p, static_cast<std::uint32_t>(metadata->size())), *metadata);
    store(p, data);
}

void append_resume(base::byte_buffer& to, const resume_fields& r, bool with_prefix) {
    std::byte* p = write_prefix(to, header_size + 22 + r.token.size(), with_prefix);
    p = store_header(p, 0, frame_type::resume, 0);
    p = store_be16(store_be16(p, r.major), r.minor);
    p = store(store_be16(p, static_cast<std::uint32_t>(r.token.size())), r.token);
    store_be64(store_be64(p, r.last_received), r.first_available);
}

std::string_view to_string(frame_type type) noexcept {
    static constexpr std::array<std::string_view, 15> names{
        "ignored",     "SETUP",          "LEASE",           "KEEPALIVE", "REQUEST_RESPONSE",
        "REQUEST_FNF", "REQUEST_STREAM", "REQUEST_CHANNEL", "REQUEST_N", "CANCEL",
        "PAYLOAD",     "ERROR",          "METADATA_PUSH",   "RESUME",    "RESUME_OK"};
    const auto i = static_cast<std::size_t>(type);
    if (i < names.size()) return names[i];
    return type == frame_type::ext ? "EXT" : "unknown";
}

std::string to_string(const frame& f) {
    std::string s(to_string(f.type));
    s.append(" #").append(std::to_string(f.stream));
    std::string letters;
    if (f.has(flag::ignore)) letters += 'I';
    if (f.has_metadata) letters += 'M';
    const bool payload = f.type == frame_type::payload;
    const bool fragmentable = payload || (f.type >= frame_type::request_response &&
                                          f.type <= frame_type::request_channel);
    if (fragmentable && f.has(flag::follows)) letters += 'F';
    if ((f.type == frame_type::setup || f.type == frame_type::keepalive) && f.has(flag::respond))
        letters += 'R';
    if (f.type == frame_type::setup && f.has(flag::lease)) letters += 'L';
    if ((payload || f.type == frame_type::request_channel) && f.has(flag::complete)) letters += 'C';
    if (payload && f.has(flag::next)) letters += 'N';
    if (!letters.empty()) s.append(" ").append(letters);
    const auto number = [&s](const char* name, std::uint64_t v) {
        s.append(" ").append(name).append("=").append(std::to_string(v));
    };
    if (f.n != 0) number("n", f.n);
    if (f.code != 0) number(f.type == frame_type::lease ? "ttl" : "code", f.code);
    if (f.position != 0) number("position", f.position);
    if (f.has_metadata) number("metadata", f.metadata.size());
    if (!f.data.empty()) number("data", f.data.size());
    return s;
}

}  // namespace tenon::inline v0::wire
