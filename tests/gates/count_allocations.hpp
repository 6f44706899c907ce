#pragma once
// Counts what this process allocates: malloc and its relatives are replaced for the whole process,
// shared libraries included. operator new arrives at malloc and is counted there.

#include <atomic>
#include <cstdint>

namespace gates {

/// Allocations are added here. Set before there is a second thread.
void count_allocations_in(std::atomic<std::uint64_t>& counter) noexcept;

}  // namespace gates
