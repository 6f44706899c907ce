#!/usr/bin/env bash
# The programs of the previous release against those of this tree, in both directions: its echo
# server and our client, our echo server and its client, over a Unix socket and TCP, in each codec.
#   tests/previous/run.sh BUILD_DIR
# The previous release is built from the history, whose commit stands in tests/previous/commit.
# Prints "N passed, N failed".
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
. tools/lib.sh

new=$(realpath "${1:?usage: tests/previous/run.sh BUILD_DIR}")
commit=$(cat tests/previous/commit)
if ! git cat-file -e "$commit^{commit}" 2>/dev/null; then
    echo "not run: this clone has no history (git fetch --unshallow)"
    echo "0 passed, 0 failed"
    exit 0
fi

source=$PWD/build/previous/source
old=$PWD/build/previous/build
work=$(mktemp -d)
trap 'kill $(jobs -p) 2>/dev/null || true; rm -rf "$work"' EXIT
export TENON_RUNTIME_DIR=$work/names

if [ "$(cat "$source/.commit" 2>/dev/null)" != "$commit" ]; then
    rm -rf "$source" "$old"
    mkdir -p "$source"
    git archive "$commit" | tar -x -C "$source"
    cmake -S "$source" -B "$old" -G Ninja -DCMAKE_BUILD_TYPE=Release -DTENON_TESTS=OFF \
        -DTENON_BENCH=OFF -DTENON_EXAMPLES=ON -DCMAKE_CXX_FLAGS=-O1
    CCACHE_BASEDIR=$source cmake --build "$old" -j "$(jobs)" --target tenon_program example_echo_server
    echo "$commit" >"$source/.commit"
fi

passed=0 failed=0
# expect TEXT COMMAND…: its output, errors included, contains TEXT.
expect() {
    local text=$1 said
    shift
    said=$(timeout 20 "$@" 2>&1 || true)
    if [[ "$said" == *"$text"* ]]; then
        passed=$((passed + 1))
    else
        failed=$((failed + 1))
        printf 'FAILED: %s\n  expected: %s\n  printed: %s\n' "$*" "$text" "$said"
    fi
}

# calls CLIENT ENDPOINT: what both releases must be able to do.
calls() {
    local tenon=$1/tenon at=$2 codec
    for codec in json msgpack; do
        local call=("$tenon" call --at "$at" --codec $codec --timeout 10000)
        expect 42 "${call[@]}" example/echo.plus 40 2
        expect -1 "${call[@]}" example/echo.plus b=1 a=-2
        expect HELLO "${call[@]}" example/echo.upper hello
        expect '"age": 36' "${call[@]}" example/echo.greet '{"name":"Ada","age":36}'
        expect 'Hello, Bob!' "${call[@]}" example/echo.greet '{"name":"Bob","unknown":[1,{}]}'
        expect 5 "${call[@]}" example/echo.sleep 5
        expect 7 "${call[@]}" example/echo.nap 7
        expect 'no_stock' "${call[@]}" example/echo.fail no_stock 'sold out'
        expect 'denied' "${call[@]}" example/echo.fail denied no
        expect 'missing argument "b"' "${call[@]}" example/echo.plus 40
        expect 'expected' "${call[@]}" example/echo.plus 40 two
        expect 'deadline' "${call[@]}" example/echo.nap 5000 --timeout 50
        expect 'no method' "${call[@]}" example/echo.nothing
        expect 'no service' "${call[@]}" example/nobody.nothing
    done
    head -c 300000 /dev/urandom >"$work/bytes"
    "$tenon" call --at "$at" --codec raw example/echo.echo "@$work/bytes" >"$work/back" || true
    expect same bash -c "cmp '$work/bytes' '$work/back' && echo same"
    expect answers "$tenon" ping --at "$at" --count 2
    expect calls/s "$tenon" bench --at "$at" example/echo.plus 1 2 --seconds 0.3 --outstanding 64
}

# serve SERVER CLIENT
serve() {
    local log=$work/server.log unix=unix:$work/echo.sock tcp
    "$1/examples/echo_server" --listen "$unix" --listen tcp://127.0.0.1:0 >"$log" 2>&1 &
    local server=$!
    for _ in $(seq 500); do
        [ "$(grep -c '^listening' "$log" || true)" -lt 2 ] || break
        sleep 0.02
    done
    tcp=$(sed -n 's/^listening on \(tcp:.*\)/\1/p' "$log")
    calls "$2" "$unix"
    calls "$2" "$tcp"
    kill -TERM $server
    wait $server || { failed=$((failed + 1)); echo "FAILED: the server did not end well"; }
}

serve "$old" "$new"
serve "$new" "$old"
echo "$passed passed, $failed failed"
[ $failed -eq 0 ]
