// Any bytes as the files of a log: opening it must do, and what is read must be in order, be what
// the log said it had, and be the same when it is opened once more.

#include <cstdlib>
#include <string>
#include <vector>

#include "journal/file_log.hpp"
#include "journal/sim_storage.hpp"

namespace {

using namespace tenon;
using namespace tenon::journal;

void require(bool holds) {
    if (!holds) std::abort();
}

struct outcome {
    std::vector<position> positions;
    position first;
    position next;
    std::uint64_t lost = 0;
};

outcome read(file_log& log) {
    outcome o{{}, log.first(), log.next()};
    position expected = o.first;
    cursor c = log.read(o.first);
    for (;;) {
        switch (c.next()) {
            case cursor::step::record:
                require(c.get().at == expected++);
                o.positions.push_back(c.get().at);
                break;
            case cursor::step::gap:
                require(c.lost().from == expected && c.lost().to > expected);
                o.lost += c.lost().to - expected;
                expected = c.lost().to;
                break;
            case cursor::step::end: require(expected == o.next); return o;
            case cursor::step::failed: std::abort();
        }
    }
}

/// Damaged input can be told from a sound one by its checksums, which chance does not find: they
/// are set right where something looks like a prologue or a record, if the input asks for it.
void repair(bytes& file) {
    constexpr std::size_t fixed = 64;
    if (file.size() < fixed) return;
    prologue p;
    p.epoch = load_le<std::uint64_t>(file.data() + 16);
    p.sequence = 1;
    p.base = load_le<position>(file.data() + 32) % 1000 + 1;
    p.boot[0] = file[40] & std::byte{1};
    p.synced_each = (file[60] & std::byte{1}) != std::byte{};
    p.sessions.resize(std::to_integer<std::size_t>(file[56]) % 3);
    const bytes head = encode_prologue(p);
    if (file.size() < head.size()) return;
    std::copy(head.begin(), head.end(), file.begin());
    for (std::size_t at = head.size(); at + record_header <= file.size();) {
        std::byte* const r = file.data() + at;
        store_le<std::uint16_t>(r + 28, load_le<std::uint16_t>(r + 28) % 3);
        store_le<std::uint32_t>(r + 4, load_le<std::uint32_t>(r + 4) % 100);
        if (is_closed_mark(r)) store_le<std::uint32_t>(r + 4, 0);
        store_le<position>(r + 8, load_le<position>(r + 8) % 2000);
        store_le<std::uint16_t>(r + 30, 0x4a54);
        const std::size_t size = stored_size_at(r);
        if (size > file.size() - at) return;
        // Some stay damaged.
        if ((r[27] & std::byte{7}) != std::byte{7})
            seal_record(r, load_le<std::uint32_t>(r + 24) % 100,
                        static_cast<std::uint32_t>(p.epoch));
        at += size;
    }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    if (size < 1) return 0;
    const auto* const begin = reinterpret_cast<const std::byte*>(data) + 1;
    bytes file(begin, begin + size - 1);
    if ((data[0] & 1) != 0) repair(file);
    sim_disk disk(1);
    {
        const auto storage = disk.open();
        const auto f = *storage->create(segment_name(1));
        const bytes_view parts[] = {file};
        require(f->write(0, parts).has_value());
    }
    const file_log_options options{
        .max_bytes = 0, .sync = static_cast<sync_mode>((data[0] >> 1) % 3), .own_thread = false};
    auto log = file_log::open(disk.open(), options);
    require(log.has_value());
    const outcome before = read(**log);
    if (before.next >= max_position) return 0;
    const auto at = (*log)->append({.data = as_bytes("x"), .tag = {}});
    require(at && *at == before.next);
    (void)(*log)->position_at(static_cast<timestamp>(size));
    log->reset();
    log = file_log::open(disk.open(), options);
    require(log.has_value());
    require(!(*log)->recovered().epoch_changed && (*log)->recovered().torn_bytes == 0);
    outcome after = read(**log);
    require(after.next == before.next + 1 && after.first == before.first);
    require(!after.positions.empty() && after.positions.back() == before.next);
    after.positions.pop_back();
    require(after.positions == before.positions && after.lost == before.lost);
    return 0;
}
