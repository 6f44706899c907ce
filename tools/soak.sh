#!/usr/bin/env bash
# The long runs that CI has no time for: tests/soak/run.sh, then ten minutes of fuzzing per target.
#   ./dev soak
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
. tools/lib.sh

tools/setup.sh test
status=0
build_preset release
if [ -x tests/soak/run.sh ]; then tests/soak/run.sh build/release || status=1; fi
build_preset fuzz
tools/fuzz.sh 600 || status=1
exit $status
