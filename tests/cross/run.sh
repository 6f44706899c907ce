#!/usr/bin/env bash
# Runs the unit tests of the layers that assume neither byte order nor word size on another kind of
# machine: cross-compiled, linked statically, under qemu-user.
#   tests/cross/run.sh armhf|s390x
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

case ${1:-} in
    armhf) triplet=arm-linux-gnueabihf emulator=qemu-arm ;;    # 32 bits, little-endian
    s390x) triplet=s390x-linux-gnu emulator=qemu-s390x ;;      # 64 bits, big-endian
    *) echo "usage: tests/cross/run.sh armhf|s390x" >&2; exit 2 ;;
esac
build=build/cross-$1

cmake -S tests/cross -B "$build" -G Ninja -DCMAKE_BUILD_TYPE=None \
    -DCMAKE_SYSTEM_NAME=Linux -DCMAKE_CXX_COMPILER=$triplet-g++ \
    -DCMAKE_CROSSCOMPILING_EMULATOR="$(command -v $emulator)"
cmake --build "$build" -j "$(nproc)"
rm -rf "$build/results"
status=0
ctest --test-dir "$build" -j "$(nproc)" --output-on-failure || status=$?
python3 - "$build/results" <<'END'
import json, pathlib, sys
passed = failed = 0
for report in pathlib.Path(sys.argv[1]).glob("*.json"):
    for suite in json.loads(report.read_text()).get("testsuites", []):
        failed += suite["failures"]
        passed += suite["tests"] - suite["failures"] - suite["disabled"]
print(f"{passed} passed, {failed} failed")
END
exit $status
