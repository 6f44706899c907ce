#include "journal/segment.hpp"

#include <algorithm>
#include <charconv>
#include <cstring>

#include <fmt/format.h>
#include <zlib.h>

namespace tenon::inline v0::journal {
namespace {

constexpr std::string_view magic = "TENONLOG";
constexpr std::uint32_t version = 1;
constexpr std::size_t fixed_size = 64;
constexpr std::uint64_t mark_distance = std::uint64_t{64} << 10;
constexpr std::string_view suffix = ".log";
constexpr std::size_t digits = 12;
constexpr std::uint32_t flag_synced_each = 1;

std::uint32_t checksum(bytes_view prologue) noexcept {
    constexpr unsigned char zeros[4] = {};
    const auto* const p = reinterpret_cast<const unsigned char*>(prologue.data());
    auto sum = ::crc32_z(0, p, 12);
    sum = ::crc32_z(sum, zeros, sizeof zeros);
    return static_cast<std::uint32_t>(::crc32_z(sum, p + 16, prologue.size() - 16));
}

error no_prologue() { return error(errc::data_loss, "log: the head of the segment is damaged"); }

}  // namespace

std::size_t prologue_size(const prologue& p) noexcept {
    return fixed_size + p.sessions.size() * tag_size;
}

bytes encode_prologue(const prologue& p) {
    bytes out(prologue_size(p));
    std::byte* to = out.data();
    std::memcpy(to, magic.data(), magic.size());
    store_le(to + 8, version);
    store_le(to + 16, p.epoch);
    store_le(to + 24, p.sequence);
    store_le(to + 32, p.base);
    std::memcpy(to + 40, p.boot.data(), p.boot.size());
    store_le(to + 56, static_cast<std::uint32_t>(p.sessions.size()));
    store_le(to + 60, p.synced_each ? flag_synced_each : std::uint32_t{0});
    to += fixed_size;
    for (const tag& t : p.sessions) {
        std::memcpy(to, t.session.bytes.data(), t.session.bytes.size());
        store_le(to + t.session.bytes.size(), t.number);
        to += tag_size;
    }
    store_le(out.data() + 12, checksum(out));
    return out;
}

result<prologue> read_prologue(file& f) {
    bytes in(fixed_size);
    auto size = f.size();
    if (!size) return std::move(size).error();
    auto got = f.read(0, in);
    if (!got) return std::move(got).error();
    if (*got < fixed_size || as_text(in).substr(0, magic.size()) != magic ||
        load_le<std::uint32_t>(in.data() + 8) != version)
        return no_prologue();
    const std::uint64_t sessions = load_le<std::uint32_t>(in.data() + 56);
    const std::uint64_t whole = fixed_size + sessions * tag_size;
    if (whole > *size) return no_prologue();
    in.resize(static_cast<std::size_t>(whole));
    got = f.read(fixed_size, std::span(in).subspan(fixed_size));
    if (!got) return std::move(got).error();
    if (fixed_size + *got < whole || load_le<std::uint32_t>(in.data() + 12) != checksum(in))
        return no_prologue();

    prologue p;
    const std::byte* from = in.data();
    p.epoch = load_le<std::uint64_t>(from + 16);
    p.sequence = load_le<std::uint64_t>(from + 24);
    p.base = load_le<position>(from + 32);
    std::memcpy(p.boot.data(), from + 40, p.boot.size());
    p.synced_each = (load_le<std::uint32_t>(from + 60) & flag_synced_each) != 0;
    if (p.base == 0 || p.base >= max_position) return no_prologue();
    p.sessions.resize(static_cast<std::size_t>(sessions));
    from += fixed_size;
    for (tag& t : p.sessions) {
        std::memcpy(t.session.bytes.data(), from, t.session.bytes.size());
        t.number = load_le<std::uint64_t>(from + t.session.bytes.size());
        from += tag_size;
    }
    return p;
}

std::string segment_name(std::uint64_t sequence) { return fmt::format("{:012}.log", sequence); }

std::optional<std::uint64_t> sequence_of(std::string_view name) noexcept {
    std::uint64_t sequence = 0;
    if (name.size() < digits + suffix.size() || !name.ends_with(suffix)) return std::nullopt;
    name.remove_suffix(suffix.size());
    const auto [end, problem] =
        std::from_chars(name.data(), name.data() + name.size(), sequence, 10);
    if (problem != std::errc() || end != name.data() + name.size()) return std::nullopt;
    return sequence;
}

stretch measure(std::uint64_t offset, bytes_view whole_records) noexcept {
    const std::byte* at = whole_records.data();
    const std::byte* const end = at + whole_records.size();
    stretch s{offset, whole_records.size(), 0, 0, 0, 0};
    for (; at != end; at += stored_size_at(at)) {
        if (is_closed_mark(at)) continue;
        const record r = view_record(at);
        if (s.records++ == 0) {
            s.first = r.at;
            s.first_time = s.latest = r.time;
        }
        s.latest = std::max(s.latest, r.time);
    }
    return s;
}

void segment::note(const stretch& s) {
    size = s.offset + s.bytes;
    if (s.records == 0) return;
    if (marks_.empty() || s.offset - marks_.back().offset >= mark_distance)
        marks_.push_back({s.offset, s.first, s.latest});
    marks_.back().latest = std::max(marks_.back().latest, s.latest);
    if (records == 0) {
        earliest = s.first_time;
        latest = s.latest;
    }
    latest = std::max(latest, s.latest);
    records += s.records;
}

std::uint64_t segment::offset_of(position at) const noexcept {
    const auto behind = std::upper_bound(marks_.begin(), marks_.end(), at,
                                         [](position p, const mark& m) { return p < m.first; });
    return behind == marks_.begin() ? start : std::prev(behind)->offset;
}

std::optional<position> segment::search(timestamp time) const noexcept {
    if (records == 0 || latest < time) return std::nullopt;
    const auto found = std::find_if(marks_.begin(), marks_.end(),
                                    [time](const mark& m) { return m.latest >= time; });
    return found->first;
}

namespace {

/// How many bytes of whole records there are in the first `size` ones.
std::size_t whole_records(const std::byte* from, std::size_t size, std::uint32_t seed) noexcept {
    std::size_t offset = 0;
    for (;;) {
        const record_check check = check_record({from + offset, size - offset}, seed);
        if (check.state != record_state::whole) return offset;
        offset += check.size;
    }
}

/// The first place behind a damaged one where a record may begin: it is there as far as can be seen
/// and ends within `left`; or from where on too little is here to tell.
std::size_t skip_damage(bytes_view in, std::uint64_t left, std::uint32_t seed) noexcept {
    std::size_t at = 8;
    for (; at + record_header <= in.size(); at += 8) {
        const record_check check = check_record(in.subspan(at), seed);
        if (check.state != record_state::damaged && check.size <= left - at) break;
    }
    return at;
}

}  // namespace

result<chunk> load_chunk(file& f, std::uint64_t offset, std::uint64_t limit, std::uint32_t seed,
                         page_pool& pool) {
    std::size_t wanted = pool.page_size();
    while (offset < limit) {
        const std::uint64_t left = limit - offset;
        const auto size = static_cast<std::size_t>(std::min<std::uint64_t>(left, wanted));
        page_ref p = pool.take(size);
        const auto got = f.read(offset, {p->data(), size});
        if (!got) return got.error();
        const bytes_view in(p->data(), *got);
        const record_check check = check_record(in, seed);
        if (check.state == record_state::whole) {
            p->used = whole_records(p->data(), in.size(), seed);
            p->first = view_record(p->data()).at;
            const std::uint64_t end = offset + p->used;
            return chunk{std::move(p), offset, end};
        }
        // A short read would be short again.
        if (check.state == record_state::incomplete && in.size() == size && check.size > size &&
            check.size <= left) {
            wanted = check.size;
        } else {
            offset += skip_damage(in, left, seed);
            wanted = pool.page_size();
        }
    }
    return chunk{page_ref(), limit, limit};
}

}  // namespace tenon::inline v0::journal
