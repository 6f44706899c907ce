#!/usr/bin/env bash
# The quick checks of the tree, then clang-tidy over the library and the programs.
#   ./dev lint
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
. tools/lib.sh

# clang-tidy's findings, each once, without its statistics.
tidy() {
    local found
    found=$(run-clang-tidy-14 -quiet -j "$(jobs)" -p build/release \
        -extra-arg=-Wno-unknown-warning-option "$PWD/(src|app|examples)/" 2>&1 |
        sed "s/\x1b\[[0-9;]*m//g; s|$PWD/||" | grep -E '(warning|error): ' | sort -u || true)
    [ -z "$found" ] || { echo "$found"; return 1; }
}

status=0
step 'layers' tools/check_layers.py || status=1
step 'sizes' tools/check_size.py || status=1
step 'format' tools/check_format.sh || status=1
step 'public headers' tools/check_headers.sh || status=1
step 'clang-tidy' tidy || status=1
exit $status
