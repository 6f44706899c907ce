#!/usr/bin/env bash
# Two foreign implementations of RSocket, rsocket-js 0.0.27 and 1.0.0-alpha.3, call the echo service
# and are called by Tenon's client.
#   tests/interop/run.sh [BUILD_DIR]      a build with the library and the examples
# npm installs what the lock files in v0 and v1 name into build/interop. After a change of
# package.json: npm install --package-lock-only --omit-lockfile-registry-resolved
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

build=$(realpath "${1:-build/release}")
source=$PWD/tests/interop
work=$PWD/build/interop
export TENON_BUILD=$build TENON_INTEROP_DIR=$work TENON_INTEROP_SOURCE=$source
export TENON_RUNTIME_DIR=$work/run  # where names are published
mkdir -p "$work"

# install VERSION: only if the lock file has changed since.
install() {
    local to=$work/$1
    ! cmp -s "$source/$1/package-lock.json" "$to/installed" || return 0
    echo "-- npm ci, $1"
    mkdir -p "$to"
    cp "$source/$1/package.json" "$source/$1/package-lock.json" "$to/"
    (cd "$to" && npm ci --no-audit --no-fund --ignore-scripts --no-update-notifier)
    cp "$to/package-lock.json" "$to/installed"
}

# compile NAME [ARGUMENT…]: against the library of the build, as its users would.
compile() {
    local name=$1 compiler=g++
    shift
    ! command -v ccache >/dev/null || compiler="ccache g++"
    $compiler -std=c++20 -O1 -Wall -Wextra -Werror -Iinclude -c "$source/$name.cpp" \
        -o "$work/$name.o"
    g++ "$work/$name.o" -o "$work/$name" -L"$build" -ltenon -Wl,-rpath,"$build" "$@" -pthread
}

install v0
install v1
echo "-- compiling"
compile notes_server
compile client_of_rsocket_js -lgtest -lgtest_main

status=0
echo "-- rsocket-js calls Tenon"
timeout 120 node --test --test-reporter=spec --test-reporter-destination=stdout \
    --test-reporter=tap --test-reporter-destination="$work/calls.tap" \
    "$source"/*.test.js || status=1
echo "-- Tenon calls rsocket-js"
timeout 120 "$work/client_of_rsocket_js" --gtest_brief=1 --gtest_output="json:$work/client.json" || status=1

# Both counts in one line, the last.
python3 - "$work/calls.tap" "$work/client.json" <<'END' || status=1
import json
import re
import sys

with open(sys.argv[1], encoding='utf-8') as f:
    tap = dict(re.findall(r'^# (pass|fail|cancelled) (\d+)$', f.read(), re.M))
with open(sys.argv[2], encoding='utf-8') as f:
    client = json.load(f)
failed = int(tap.get('fail', 1)) + int(tap.get('cancelled', 0)) + client['failures']
passed = int(tap.get('pass', 0)) + client['tests'] - client['failures'] - client['disabled']
print(f'{passed} passed, {failed} failed')
sys.exit(failed > 0)
END
exit $status
