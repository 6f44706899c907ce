#!/usr/bin/env bash
# The gates on what a call costs, in counts and never in time: allocations, and instructions (user
# mode, under callgrind). Fails if a limit or the baseline is exceeded.
#   tests/gates/run.sh [BUILD_DIR]            default: build/release
#   tests/gates/run.sh --update [BUILD_DIR]   measures the baseline anew
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

update=
if [ "${1:-}" = --update ]; then update=yes; shift; fi
build=$(realpath "${1:-build/release}")
gate=$build/tests/gate
baseline=tests/gates/instructions.json
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
export TENON_RUNTIME_DIR=$work/run  # where names are published

mkdir -p "$build/tests"
"${CXX:-g++}" -std=c++20 -O2 -g1 -Wall -Wextra -Iinclude -o "$gate" \
    tests/gates/gate.cpp tests/gates/count_allocations.cpp \
    -L"$build" -Wl,-rpath,"$build" -ltenon -pthread

failed=0
"$gate" allocations || failed=1

# Instructions of client and server for $2 calls over $1.
instructions() {
    valgrind --tool=callgrind --callgrind-out-file="$work/$1.$2.%p" "$gate" calls "$1" "$2" \
        >"$work/log" 2>&1 &
    local client=$! file
    if ! wait "$client"; then cat "$work/log" >&2; return 1; fi
    for file in "$work/$1.$2".*; do
        if [ "${file##*.}" = "$client" ]; then printf 'client '; else printf 'server '; fi
        awk '/^(totals|summary):/ { print $2; exit }' "$file"
    done | sort | awk '{ print $2 }'
}

# Over shared memory the baseline is to be measured while nothing else runs: a side that finds the
# next message before it sleeps, as often happens on a busy machine, saves up to a tenth.
few=500
many=4500
declare -A measured
for transport in unix shm; do
    instructions $transport $few >"$work/few"
    instructions $transport $many >"$work/many"
    paste "$work/few" "$work/many" |
        awk -v n=$((many - few)) '{ printf "%.0f\n", ($2 - $1) / n }' >"$work/per_call"
    { read -r "measured[$transport client]"; read -r "measured[$transport server]"; } \
        <"$work/per_call"
done
figures=('unix client' 'unix server' 'shm client' 'shm server')

if [ -n "$update" ]; then
    {
        printf '{\n  "what": "%s"' \
            'instructions per call: plus(int64, int64), blocking, without polling'
        for figure in "${figures[@]}"; do
            printf ',\n  "%s": %d' "$figure" "${measured[$figure]}"
        done
        printf '\n}\n'
    } >"$baseline"
fi

value() { sed -n "s/.*\"$1\": *\([0-9]*\).*/\1/p" "$baseline"; }
printf '\n%-28s%12s%12s%12s\n' 'instructions per call' measured baseline limit
compare() {  # name measured
    local base limit verdict=ok
    base=$(value "$1")
    limit=$((base * 105 / 100))
    if [ "$2" -gt "$limit" ]; then verdict=EXCEEDED; failed=1; fi
    printf '%-28s%12d%12d%12d  %s\n' "$1" "$2" "$base" "$limit" "$verdict"
    [ "$2" -ge $((base * 90 / 100)) ] ||
        echo "  less by a tenth: tests/gates/run.sh --update makes that the new baseline"
}
for figure in "${figures[@]}"; do compare "$figure" "${measured[$figure]}"; done
exit $failed
