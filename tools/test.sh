#!/usr/bin/env bash
# Everything CI runs, one line per step; logs in build/logs.
#   ./dev test [--quick]
# Steps that need a build that failed are left out; everything else runs, so that one run shows all
# that is wrong.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
. tools/lib.sh

quick=
case ${1:-} in
    --quick) quick=yes ;;
    '') ;;
    *) echo "usage: ./dev test [--quick]" >&2; exit 2 ;;
esac
fuzz_seconds=30
results=build/results

# check NAME COMMAND…: one step, counted as one, or as the "N passed, N failed" in its output says.
check() {
    local name=$1 status=0 said pass fail
    step "$@" || status=$?
    said=$(grep -E '^[0-9]+ passed, [0-9]+ failed$' "$(log_of "$name")" | tail -1 || true)
    read -r pass _ fail _ <<<"${said:-$((status == 0)) passed, 0 failed}"
    if [ $status -ne 0 ] && [ "$fail" -eq 0 ]; then fail=1; fi
    echo "$name $pass $fail" >>"$results/checks"
    return $status
}

# programs PRESET [CTEST ARGUMENT…]: the test programs of a build. tools/summary.py counts them.
programs() {
    local preset=$1
    shift
    mkdir -p "$results/$preset"
    rm -rf "build/$preset/results"
    step "tests $preset" ctest --test-dir "build/$preset" -j "$(jobs)" --output-on-failure \
        --no-tests=ignore --output-junit "$PWD/$results/$preset/ctest.xml" "$@" || true
    cp "build/$preset"/results/*.json "$results/$preset/" 2>/dev/null || true
}

# Scripts that other parts of the tree may bring along.
script() { [ ! -x "$2" ] || check "$@" || true; }

tools/setup.sh test
rm -rf "$results" "$logs"
mkdir -p "$results" "$logs"
: >"$results/checks"

check 'layers' tools/check_layers.py || true
check 'sizes' tools/check_size.py || true
check 'format' tools/check_format.sh || true
check 'coroutines' tools/check_coroutines.py || true
check 'public headers' tools/check_headers.sh || true
script 'docs' tools/check_docs.py
script 'performance page' tools/performance_page.py --check

if check 'build release' compile release; then
    programs release
    check 'install' tests/install/run.sh build/release || true
    script 'commands in the docs' tools/check_console.py build/release
    script 'manifests' tests/manifest/run.sh build/release
    script 'gates' tests/gates/run.sh build/release
    script 'bench' tests/bench/run.sh build/release
    script 'interop' tests/interop/run.sh build/release
    [ -n "$quick" ] || script 'previous release' tests/previous/run.sh build/release
fi
check 'compile errors' tests/compile/run.sh || true
check 'compile time' tools/check_compile_time.py || true

if [ -z "$quick" ]; then
    if check 'build asan' compile asan; then programs asan; fi
    if check 'build tsan' compile tsan tsan_tests; then programs tsan -L tsan; fi
    check 'cross armhf' tests/cross/run.sh armhf || true
    check 'cross s390x' tests/cross/run.sh s390x || true
    if check 'build fuzz' compile fuzz; then
        check "fuzz ($fuzz_seconds s each)" tools/fuzz.sh $fuzz_seconds || true
    fi
fi

exec tools/summary.py "$results"
