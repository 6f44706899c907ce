#include "wire/metadata.hpp"

#include <algorithm>
#include <array>
#include <cstring>

#include "wire/endian.hpp"

namespace tenon::inline v0::wire {
namespace {

constexpr std::array<std::string_view, 0x29> low_ids{
    "application/avro",
    "application/cbor",
    "application/graphql",
    "application/gzip",
    "application/javascript",
    "application/json",
    "application/octet-stream",
    "application/pdf",
    "application/vnd.apache.thrift.binary",
    "application/vnd.google.protobuf",
    "application/xml",
    "application/zip",
    "audio/aac",
    "audio/mp3",
    "audio/mp4",
    "audio/mpeg3",
    "audio/mpeg",
    "audio/ogg",
    "audio/opus",
    "audio/vorbis",
    "image/bmp",
    "image/gif",
    "image/heic-sequence",
    "image/heic",
    "image/heif-sequence",
    "image/heif",
    "image/jpeg",
    "image/png",
    "image/tiff",
    "multipart/mixed",
    "text/css",
    "text/csv",
    "text/html",
    "text/plain",
    "text/xml",
    "video/H264",
    "video/H265",
    "video/VP8",
    "application/x-hessian",
    "application/x-java-object",
    "application/cloudevents+json",
};

constexpr unsigned first_high_id = 0x7a;
constexpr std::array<std::string_view, 6> high_ids{
    mime::data_type,      mime::accepted_types,
    mime::authentication, "message/x.rsocket.tracing-zipkin.v0",
    mime::routing,        mime::composite,
};

/// Takes a MIME type, by id or spelled out, off the front. False if it is cut short.
bool take_mime(bytes_view& from, std::string_view& out) noexcept {
    if (from.empty()) return false;
    const auto head = std::to_integer<unsigned>(from[0]);
    if (head & 0x80) {
        out = well_known_mime(head & 0x7f);
        from = from.subspan(1);
        return true;
    }
    // The length is one less than the MIME type's, which cannot be empty.
    const std::size_t size = head + 1;
    if (from.size() < 1 + size) return false;
    out = as_text(from.subspan(1, size));
    from = from.subspan(1 + size);
    return true;
}

bool read_number(const metadata_entry& e, request_metadata& m) noexcept {
    if (e.mime == mime::deadline) {
        if (e.content.size() != 4) return false;
        m.deadline_ms = load_be32(e.content.data());
    } else {
        if (e.content.size() != 1) return false;
        const auto level = std::to_integer<std::uint8_t>(e.content[0]);
        m.priority = static_cast<priority>(std::min<std::uint8_t>(level, 2));
    }
    return true;
}

/// First tag of routing content. False if it is cut short.
bool read_route(bytes_view content, std::string_view& route) noexcept {
    if (content.empty()) return true;
    const auto size = std::to_integer<std::size_t>(content[0]);
    if (content.size() < 1 + size) return false;
    route = as_text(content.subspan(1, size));
    return true;
}

enum seen : unsigned {
    seen_route = 1,
    seen_codec = 2,
    seen_accept = 4,
    seen_auth = 8,
    seen_deadline = 16,
    seen_priority = 32,
    seen_trace = 64,
    seen_hello = 128,
    seen_status = 256,
};

unsigned kind_of(std::string_view name) noexcept {
    if (name.starts_with("message/x.rsocket.")) {
        if (name == mime::routing) return seen_route;
        if (name == mime::data_type) return seen_codec;
        if (name == mime::accepted_types) return seen_accept;
        if (name == mime::authentication) return seen_auth;
    } else if (name.starts_with("application/vnd.tenon.")) {
        if (name == mime::deadline) return seen_deadline;
        if (name == mime::priority) return seen_priority;
        if (name == mime::trace) return seen_trace;
        if (name == mime::hello) return seen_hello;
        if (name == mime::status) return seen_status;
    }
    return 0;
}

/// Takes one entry into `m`. False if its content is damaged.
bool take_entry(const metadata_entry& e, unsigned kind, request_metadata& m) noexcept {
    switch (kind) {
        case seen_route: m.routing_entry = e.whole; return read_route(e.content, m.route);
        case seen_codec: {
            bytes_view rest = e.content;
            return take_mime(rest, m.codec) && rest.empty();
        }
        case seen_accept: m.accept = e.content; return true;
        case seen_auth: m.auth = e.content; return true;
        case seen_trace: m.trace = as_text(e.content); return true;
        case seen_hello: m.hello = e.content; return true;
        case seen_status: m.status = e.content; return true;
        default: return read_number(e, m);
    }
}

tenon::error damaged(const char* what) { return tenon::error(errc::invalid, what); }

std::byte* store_mime(std::byte* p, std::string_view mime, int id) noexcept {
    if (id >= 0) return store_u8(p, 0x80u | static_cast<unsigned>(id));
    p = store_u8(p, static_cast<std::uint32_t>(mime.size() - 1));
    std::memcpy(p, mime.data(), mime.size());
    return p + mime.size();
}

std::size_t mime_size(std::string_view mime, int id) noexcept {
    return id >= 0 ? 1 : 1 + mime.size();
}

/// Appends the header of an entry and returns where its content goes.
std::byte* open_entry(base::byte_buffer& to, std::string_view mime, std::size_t size) {
    const int id = well_known_id(mime);
    std::byte* p = to.extend(mime_size(mime, id) + 3 + size);
    return store_be24(store_mime(p, mime, id), static_cast<std::uint32_t>(size));
}

}  // namespace

metadata_format metadata_format_of(std::string_view mime) noexcept {
    if (mime == mime::composite) return metadata_format::composite;
    if (mime == mime::routing) return metadata_format::routing;
    return metadata_format::unknown;
}

std::string_view well_known_mime(unsigned id) noexcept {
    if (id < low_ids.size()) return low_ids[id];
    if (id >= first_high_id && id - first_high_id < high_ids.size())
        return high_ids[id - first_high_id];
    return {};
}

int well_known_id(std::string_view mime) noexcept {
    for (std::size_t i = 0; i < high_ids.size(); ++i)
        if (high_ids[i] == mime) return static_cast<int>(first_high_id + i);
    for (std::size_t i = 0; i < low_ids.size(); ++i)
        if (low_ids[i] == mime) return static_cast<int>(i);
    return -1;
}

std::optional<metadata_entry> metadata_reader::next() noexcept {
    if (rest_.empty() || failed_) return std::nullopt;
    metadata_entry e;
    bytes_view rest = rest_;
    failed_ = true;
    if (!take_mime(rest, e.mime) || rest.size() < 3) return std::nullopt;
    const std::size_t size = load_be24(rest.data());
    if (rest.size() - 3 < size) return std::nullopt;
    failed_ = false;
    e.content = rest.subspan(3, size);
    rest = rest.subspan(3 + size);
    e.whole = rest_.first(rest_.size() - rest.size());
    rest_ = rest;
    return e;
}

result<request_metadata> read_request_metadata(bytes_view metadata, metadata_format format) {
    result<request_metadata> r;
    request_metadata& m = *r;
    if (format == metadata_format::unknown) {
        if (metadata.empty()) return r;
        return damaged("metadata of a MIME type that is not supported here");
    }
    if (format == metadata_format::routing) {
        m.routing_entry = metadata;
        if (!read_route(metadata, m.route)) return damaged("route cut short");
        return r;
    }
    unsigned seen = 0;
    metadata_reader reader(metadata);
    while (const auto e = reader.next()) {
        const unsigned kind = kind_of(e->mime);
        if (kind == 0 || (seen & kind) != 0) continue;
        seen |= kind;
        if (!take_entry(*e, kind, m)) return damaged("damaged metadata entry");
    }
    if (reader.failed()) return damaged("damaged composite metadata");
    return r;
}

bytes_view leading_entry(bytes_view metadata, metadata_format format) noexcept {
    if (format == metadata_format::routing) return metadata;
    if (format == metadata_format::unknown) return {};
    if (metadata.size() >= 4 && std::to_integer<unsigned>(metadata[0]) >= 0x80) {
        const std::size_t size = 4 + load_be24(metadata.data() + 1);
        return size <= metadata.size() ? metadata.first(size) : bytes_view();
    }
    const auto e = metadata_reader(metadata).next();
    return e ? e->whole : bytes_view();
}

bool accepts(bytes_view accept, std::string_view mime) noexcept {
    std::string_view name;
    while (take_mime(accept, name))
        if (name == mime) return true;
    return false;
}

void put_entry(base::byte_buffer& to, std::string_view mime, bytes_view content) {
    std::byte* p = open_entry(to, mime, content.size());
    if (!content.empty()) std::memcpy(p, content.data(), content.size());
}

void put_route(base::byte_buffer& to, std::string_view route) {
    std::byte* p = open_entry(to, mime::routing, 1 + route.size());
    p = store_u8(p, static_cast<std::uint32_t>(route.size()));
    std::memcpy(p, route.data(), route.size());
}

void put_data_type(base::byte_buffer& to, std::string_view mime) {
    const int id = well_known_id(mime);
    store_mime(open_entry(to, mime::data_type, mime_size(mime, id)), mime, id);
}

void put_deadline(base::byte_buffer& to, std::uint32_t remaining_ms) {
    store_be32(open_entry(to, mime::deadline, 4), remaining_ms);
}

void put_priority(base::byte_buffer& to, priority p) {
    store_u8(open_entry(to, mime::priority, 1), static_cast<std::uint32_t>(p));
}

void put_plain_route(base::byte_buffer& to, std::string_view route) {
    std::byte* p = store_u8(to.extend(1 + route.size()), static_cast<std::uint32_t>(route.size()));
    std::memcpy(p, route.data(), route.size());
}

}  // namespace tenon::inline v0::wire
