#!/usr/bin/env bash
# Shows the main things working, from the programs in BUILD_DIR, in seconds. Stops with a message
# at the first thing that is not as it should be.
#   tools/demo.sh BUILD_DIR
set -euo pipefail
cd "${1:?usage: tools/demo.sh BUILD_DIR}"

work=$(mktemp -d)
servers=()
clean_up() {
    [ ${#servers[@]} -eq 0 ] || kill "${servers[@]}" 2>/dev/null || true
    wait 2>/dev/null || true
    rm -rf "$work"
}
trap clean_up EXIT
trap 'exit 130' INT TERM

bold='' dim='' plain=''
if [ -t 1 ] && [ -z "${NO_COLOR:-}" ]; then bold=$'\e[1m' dim=$'\e[2m' plain=$'\e[0m'; fi
heading() { printf '\n%s%s%s\n' "$bold" "$1" "$plain"; }
die() { echo "demo: $*" >&2; exit 1; }

# show EXPECTED_EXIT EXPECTED_TEXT COMMAND…: runs it, prints both, checks both. Keeps the output in
# `said`.
said=
show() {
    local expected=$1 text=$2 status=0
    shift 2
    printf '  %s$ %s%s\n' "$dim" "$(readable "$@")" "$plain"
    said=$(timeout 10 "$@" 2>&1) || status=$?
    [ -z "$said" ] || sed 's/^/  /' <<<"$said"
    [ "$expected" -eq 0 ] || printf '  exit code %d\n' "$status"
    [ "$status" -eq "$expected" ] || die "expected exit code $expected, got $status"
    [[ "$said" == *"$text"* ]] || die "expected to read \"$text\""
}

# The command as one would type it, with the demo's own paths short.
readable() {
    local word line=
    for word in "$@"; do
        word=${word#./}
        case $word in
            *[\"\ {}]*) line+=" '$word'" ;;
            *) line+=" $word" ;;
        esac
    done
    echo "${line# }"
}

# Folders of our own, so that two demos do not meet, seen through a short relative path.
export TENON_RUNTIME_DIR=$work/names
bin=$PWD
cd "$work"
ln -s "$bin"/tenon "$bin"/examples .

# serve LINES OPTION…: starts an echo server and waits until it has printed that many lines.
serve() {
    local lines=$1
    shift
    printf '  %s$ %s &%s\n' "$dim" "$(readable examples/echo_server "$@")" "$plain"
    examples/echo_server "$@" >server.log 2>&1 &
    servers+=($!)
    for _ in $(seq 200); do
        [ "$(grep -c '^listening' server.log || true)" -lt "$lines" ] || break
        kill -0 $! 2>/dev/null || { cat server.log >&2; die "the server ended"; }
        sleep 0.02
    done
    sed 's/^/  /' server.log
    [ "$(grep -c '^listening' server.log)" -eq "$lines" ] || die "the server did not come up"
}

# stop: ends all servers, which must end well.
stop() {
    local server
    for server in "${servers[@]}"; do
        kill -TERM "$server"
        wait "$server" || die "a server did not end well"
    done
    servers=()
}

heading "A service is published by its name, and found by it"
serve 1
show 0 'example/echo' ./tenon list
show 0 'plus(a: int64, b: int64) -> int64' ./tenon describe example/echo
show 0 30 ./tenon call example/echo.plus 10 20
show 0 42 ./tenon call example/echo.plus a=40 b=2
show 0 'example/echo.plus' ./tenon stats example/echo.plus

heading "Mistakes are named before anything is sent"
show 15 'b: expected' ./tenon call example/echo.plus 10 twenty
show 15 'missing argument "b"' ./tenon call example/echo.plus 40
show 12 'did you mean example/echo?' ./tenon call example/ecko.plus 10 20

heading "In C++: published, discovered, watched"
show 0 '10 + 20 = 30' examples/12_names

heading "What changes, and whether it breaks callers"
show 0 '"manifest":1' ./tenon manifest show example/echo --json >/dev/null
sed 's/"upper":/"capitals":/' <<<"$said" >newer.json
printf '  %s$ tenon manifest show example/echo --json | sed %s >newer.json%s\n' "$dim" \
    "'s/\"upper\":/\"capitals\":/'" "$plain"
show 3 'upper: removed' ./tenon manifest diff example/echo newer.json
stop
[ -z "$(find "$TENON_RUNTIME_DIR" -name '*.sock')" ] || die "the server left its name behind"

unix=unix:echo.sock
heading "A server at endpoints of its own"
serve 2 --listen "$unix" --listen tcp://127.0.0.1:0
tcp=$(sed -n 's/^listening on \(tcp:.*\)/\1/p' server.log)
show 0 'answers' ./tenon ping --at "$unix" --count 1
show 0 42 ./tenon call --at "$unix" example/echo.plus 40 2
show 0 HELLO ./tenon call --at "$tcp" example/echo.upper hello

heading "A struct there and back"
show 0 '"age":36' ./tenon call --at "$unix" example/echo.greet '{"name":"Ada","age":36}' --json

heading "An error of the service, and a deadline"
show 20 'no_stock' ./tenon call --at "$unix" example/echo.fail no_stock 'sold out'
show 11 'deadline' ./tenon call --at "$tcp" example/echo.nap 5000 --timeout 100

heading "The C++ client: in process, over a Unix socket, over TCP (median time of a call)"
show 0 'tcp://' examples/distance
[ "$(grep -c 'plus(10, 20) = 30' <<<"$said")" -eq 3 ] || die "expected 30 three times"
show 0 'order 1' examples/02_contract

heading "Latency and throughput by the tenon program"
for outstanding in 1 64; do
    show 0 'calls/s' ./tenon bench --at "$unix" --at "$tcp" example/echo.plus 1 2 \
        --seconds 0.7 --outstanding $outstanding --codec msgpack
done

stop
[ ! -e echo.sock ] || die "the server left its socket behind"
heading "All as it should be."
