#!/usr/bin/env bash
# The end-to-end tests that time makes harder, run for long: a flood of clients, a thousand clients,
# slow handlers, names that come and go, connections that are cut, logs that die at every write, and
# servers killed under traffic. Prints what they measured and what failed.
#   tests/soak/run.sh BUILD_DIR [MINUTES]
set -euo pipefail
build=${1:?usage: tests/soak/run.sh BUILD_DIR [MINUTES]}
minutes=${2:-5}
half=$((minutes * 30))
# A round of killing takes about a fifth of a second.
rounds=$((minutes * 100 < 500 ? minutes * 100 : 500))
log=$(mktemp)
names=$(mktemp -d)
trap 'rm -rf "$log" "$names"' EXIT
export TENON_RUNTIME_DIR=$names
status=0

# part NAME SECONDS PROGRAM FILTER
part() {
    local limit=$(($2 * 4 + 120)) result=0
    echo "soak: $1"
    timeout --kill-after=10 "$limit" "$build/tests/$3" --gtest_filter="$4" >"$log" 2>&1 || result=$?
    grep -E '^(flood|slow handlers|[0-9]+ clients|[0-9]+ rounds|[0-9]+ cuts|[0-9]+ schedules|[0-9]+ calls, |all calls ended|seeds )' "$log" |
        sed 's/^/    /' || true
    [ "$result" -eq 0 ] && return
    status=1
    echo "    FAILED ($result):"
    grep -vE '^\[ +(RUN|OK)|^\[[-=]' "$log" | tail -n 40 | sed 's/^/    /'
}

export TENON_SOAK_ROUNDS=$rounds
TENON_SOAK_SECONDS=$half part "flood, $half s" $((half * 2)) e2e_soak soak.flood
TENON_SOAK_SECONDS=30 part "a thousand clients, 30 s" 30 e2e_limits limits.a_thousand_clients
TENON_SOAK_SECONDS=20 part "slow handlers, 20 s" 20 e2e_soak soak.slow_handlers
TENON_SOAK_SECONDS=60 part "names, 60 s" 60 e2e_names names.servers_die_and_come_back_while_clients_call
TENON_SOAK_ROUNDS=1000 part "two servers racing for one path" 30 e2e_names names.one_of_two_servers_gets_a_path
TENON_SOAK_ROUNDS=200 part "connections cut, 200 times" 60 e2e_resume 'resume.*'
TENON_SIMULATION_SCHEDULES=10000 part "10,000 simulated schedules of cuts" 100 test_wire \
    session_simulation.everything_arrives_once_over_links_that_are_cut
TENON_SIMULATION_SCHEDULES=10000 part "10,000 simulated schedules of streams" 60 test_rpc \
    stream_simulation.everything_adds_up_in_any_order_of_events
TENON_SIMULATION_SCHEDULES=10000 part "10,000 rounds of threads at one stream" 60 test_rpc \
    stream_rounds.waits_end_once_whoever_ends_them
TENON_CRASH_SEEDS=1000 part "logs that die at every write, 1,000 seeds" 90 test_journal '*Crash.AtEveryStep*'
TENON_SIMULATION_SCHEDULES=3000 part "channels that both sides end" 60 test_rpc \
    'any/stream_rounds_over.*'
part "servers killed, $rounds rounds" $((rounds / 2)) e2e_lifecycle 'lifecycle.killed*'
exit $status
