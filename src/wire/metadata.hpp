#pragma once
// Metadata of requests and payloads: the composite format with its entries, the plain routing
// format, and writers for both.
//
// An entry named by well-known id and one with the same MIME type spelled out are the same. All
// views point into the parsed bytes. Functions are pure and thread-safe. Bytes: docs/wire.md.

#include <cstdint>
#include <optional>
#include <string_view>

#include "base/buffer.hpp"
#include "tenon/bytes.hpp"
#include "tenon/priority.hpp"
#include "tenon/result.hpp"

namespace tenon::inline v0::wire {

namespace mime {
inline constexpr std::string_view composite = "message/x.rsocket.composite-metadata.v0";
inline constexpr std::string_view routing = "message/x.rsocket.routing.v0";
inline constexpr std::string_view data_type = "message/x.rsocket.mime-type.v0";
inline constexpr std::string_view accepted_types = "message/x.rsocket.accept-mime-types.v0";
inline constexpr std::string_view authentication = "message/x.rsocket.authentication.v0";
inline constexpr std::string_view deadline = "application/vnd.tenon.deadline.v1";
inline constexpr std::string_view priority = "application/vnd.tenon.priority.v1";
inline constexpr std::string_view trace = "application/vnd.tenon.traceparent.v1";
inline constexpr std::string_view hello = "application/vnd.tenon.hello.v1";
inline constexpr std::string_view status = "application/vnd.tenon.status.v1";
inline constexpr std::string_view note = "application/vnd.tenon.note.v1";
inline constexpr std::string_view json = "application/json";
inline constexpr std::string_view msgpack = "application/x-msgpack";
inline constexpr std::string_view octets = "application/octet-stream";
inline constexpr std::string_view gene = "text/x-gene";
}  // namespace mime

/// How a connection's metadata is to be read; decided by the metadata MIME type of SETUP.
enum class metadata_format : std::uint8_t { composite, routing, unknown };
metadata_format metadata_format_of(std::string_view mime) noexcept;

/// Name of a well-known id (0 to 127), empty if not assigned; and the id of a name, or -1.
std::string_view well_known_mime(unsigned id) noexcept;
int well_known_id(std::string_view mime) noexcept;

struct metadata_entry {
    std::string_view mime;  ///< spelled out, also if sent by id; empty for an unassigned id
    bytes_view content;
    bytes_view whole;  ///< with its header
};

/// Walks through composite metadata.
class metadata_reader {
public:
    explicit metadata_reader(bytes_view composite) noexcept : rest_(composite) {}
    /// The next entry; nothing at the end or where the bytes make no sense.
    std::optional<metadata_entry> next() noexcept;
    /// Whether it ended because the bytes make no sense.
    bool failed() const noexcept { return failed_; }

private:
    bytes_view rest_;
    bool failed_ = false;
};

struct request_metadata {
    std::string_view route;  ///< first tag of the routing entry; empty if there is none
    std::string_view codec;  ///< MIME type of this stream's data; empty: the connection's
    bytes_view accept;       ///< content of the accept entry, see accepts()
    bytes_view auth;
    std::string_view trace;  ///< W3C traceparent
    bytes_view hello;
    bytes_view status;
    bytes_view routing_entry;       ///< exact bytes of the routing entry with its header
    std::uint32_t deadline_ms = 0;  ///< remaining time; 0: none
    std::optional<tenon::priority> priority;
};

/// Reads all entries; unknown ones are skipped, of repeated ones the first counts. An error
/// (`invalid`) is damaged metadata or, in format `unknown`, any metadata at all. A missing route
/// is not an error here.
result<request_metadata> read_request_metadata(bytes_view metadata, metadata_format format);

/// The bytes of the first entry with its header (in format `routing`: all of it), for comparing
/// against known ones before anything is parsed. Empty if there is none or it is damaged.
bytes_view leading_entry(bytes_view metadata, metadata_format format) noexcept;

/// Whether the content of an accept entry names this MIME type, by id or spelled out.
bool accepts(bytes_view accept, std::string_view mime) noexcept;

/// Appends one entry, by id if the type has one. `mime` is 1 to 128 bytes of ASCII,
/// `content` less than 16 MiB.
void put_entry(base::byte_buffer& to, std::string_view mime, bytes_view content);

/// `route` is at most 255 bytes. It should be the first entry.
void put_route(base::byte_buffer& to, std::string_view route);
void put_data_type(base::byte_buffer& to, std::string_view mime);
void put_deadline(base::byte_buffer& to, std::uint32_t remaining_ms);
void put_priority(base::byte_buffer& to, priority p);
inline void put_trace(base::byte_buffer& to, std::string_view traceparent) {
    put_entry(to, mime::trace, as_bytes(traceparent));
}
inline void put_hello(base::byte_buffer& to, bytes_view msgpack_map) {
    put_entry(to, mime::hello, msgpack_map);
}
inline void put_status(base::byte_buffer& to, bytes_view msgpack_map) {
    put_entry(to, mime::status, msgpack_map);
}

/// The plain routing format: one tag with its length, without entry header.
void put_plain_route(base::byte_buffer& to, std::string_view route);

}  // namespace tenon::inline v0::wire
