// Arbitrary bytes as one frame and as a stream of frames: parsing never reads outside, and what
// parses is written back to the same meaning.

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <cstring>

#include "wire/frame.hpp"
#include "wire/frame_reader.hpp"
#include "wire/metadata.hpp"

using namespace tenon;

namespace {

void must(bool ok) {
    if (!ok) std::abort();
}

void read_metadata(bytes_view metadata) {
    for (const auto format : {wire::metadata_format::composite, wire::metadata_format::routing}) {
        const auto m = wire::read_request_metadata(metadata, format);
        if (!m) continue;
        must(m->priority.value_or(priority::low) <= priority::high && m->route.size() <= 255);
        (void)wire::accepts(m->accept, "x/y");
        const bytes_view first = wire::leading_entry(metadata, format);
        must(first.size() <= metadata.size());
    }
}

void one_frame(bytes_view b) {
    const auto f = wire::parse_frame(b);
    if (!f) return;
    must(!to_string(*f).empty());
    must(f->metadata.size() + f->data.size() <= b.size());
    read_metadata(f->metadata);
    if (f->type == wire::frame_type::ignored) return;
    base::byte_buffer out;
    if (f->type == wire::frame_type::setup) {
        const wire::setup_fields s = wire::setup_of(*f);
        append_setup(out, s, f->flags, f->has_metadata ? &f->metadata : nullptr, f->data, false);
        must(std::ranges::equal(out.view(), b));
    } else if (f->type == wire::frame_type::resume) {
        append_resume(out, wire::resume_of(*f), false);
    } else {
        append_frame(out, *f, false);
    }
    const auto again = wire::parse_frame(out.view());
    must(again && again->type == f->type && again->stream == f->stream && again->n == f->n &&
         again->code == f->code && again->position == f->position &&
         again->has_metadata == f->has_metadata &&
         std::ranges::equal(again->metadata, f->metadata) &&
         (f->type == wire::frame_type::resume || std::ranges::equal(again->data, f->data)));
}

void as_stream(bytes_view b) {
    wire::frame_reader reader(100'000);
    std::size_t step = 1;
    while (!b.empty() && reader.error().empty()) {
        const auto room = reader.space();
        must(!room.empty() && room.size() < 4'000'000);
        const std::size_t n = std::min({room.size(), b.size(), step});
        std::memcpy(room.data(), b.data(), n);
        reader.commit(n);
        b = b.subspan(n);
        step = step * 3 % 1000 + 1;
        while (const auto f = reader.next()) one_frame(*f);
    }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const bytes_view b(reinterpret_cast<const std::byte*>(data), size);
    one_frame(b);
    read_metadata(b);
    as_stream(b);
    return 0;
}
