#pragma once
// The floors: what the machine itself needs for the same exchange, without any protocol worth the
// name. Every result of Tenon is printed as a ratio to one of them.

#include <chrono>
#include <memory>
#include <optional>
#include <string_view>

#include "harness.hpp"
#include "shared_memory.hpp"

namespace bench {

/// Function call that copies the payload; the floor of inproc.
std::unique_ptr<target> make_copy_floor();
/// "blocking" and "spinning": one message to and fro per connection, a thread each.
std::unique_ptr<target> make_ping_pong_floor(bool spin);
/// "epoll", "batch sleeping", "batch spinning": all connections on one epoll loop per side, all
/// frames of one read answered with one write.
std::unique_ptr<target> make_batch_floor(std::string_view name, bool spin);

/// "spin", "hybrid", "futex": shared memory, a ring in each direction, for any number of calls in
/// flight.
std::unique_ptr<target> make_ring_floor(std::string_view name, waiting how);
/// "one way copy", over any transport, and "one way in place", over shared memory: a large message
/// whose every byte is read, and a short answer.
std::unique_ptr<target> make_one_way_floor(bool in_place);

/// "connect": connecting to a Tenon server, and the first call; the floor of discovering it.
std::unique_ptr<target> make_connect_floor();

suite make_floor_suite();
/// Two processes that only poll, on one CPU, measure the scheduler's time slice.
bool is_pointless(const cell& c);

/// The floor that a cell of another suite is compared with: by latency where one call is in
/// flight per connection or the loop is open, else by calls per second. Many connections are
/// compared with fewer, the spin with itself switched off. None for floors.
std::optional<cell> reference_floor(const cell& of);
/// Whether the floor is measured before and after, not only next to several others.
bool is_paired(const cell& c);
inline bool compares_latency(const cell& c) { return c.outstanding <= 1; }
inline constexpr unsigned connections_to_compare = 100;

/// How long the spinning floors poll before they sleep.
inline constexpr auto floor_spin_time = std::chrono::microseconds(20);

}  // namespace bench
