#!/usr/bin/env bash
# Shows the main things working, from the programs in BUILD_DIR.
#   tools/demo.sh BUILD_DIR
set -euo pipefail
build=$1
for program in "$build"/examples/[0-9]*; do
    [ -x "$program" ] || continue
    echo "== ${program##*/}"
    timeout 10 "$program"
done
