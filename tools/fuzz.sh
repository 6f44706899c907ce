#!/usr/bin/env bash
# Runs every fuzz target for a number of seconds, two at a time, from build/fuzz.
#   tools/fuzz.sh SECONDS [NAME…]
# Inputs found so far are kept in build/fuzz/corpus/NAME and start the next run; tests/fuzz/NAME
# holds seeds, tests/fuzz/NAME.dict words. An input that breaks a target is kept as
# build/fuzz/NAME-crash-… (run the target with that file to see it again).
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

export FUZZ_SECONDS=$1
shift
if [ $# -gt 0 ]; then targets=("$@"); else
    mapfile -t targets < <(find src -name '*_fuzz.cpp' -printf '%f\n' | sed 's/_fuzz.cpp//' | sort)
fi
if [ ${#targets[@]} -eq 0 ]; then echo "no fuzz targets"; exit 0; fi

fuzz() {
    local name=$1 corpus=build/fuzz/corpus/$1 log=build/logs/fuzz-$1.log seeds=() dict=()
    mkdir -p "$corpus" build/logs
    [ ! -d "tests/fuzz/$name" ] || seeds=("tests/fuzz/$name")
    [ ! -f "tests/fuzz/$name.dict" ] || dict=("-dict=tests/fuzz/$name.dict")
    if "build/fuzz/fuzz_$name" -max_total_time="$FUZZ_SECONDS" -timeout=10 -rss_limit_mb=2048 \
        -artifact_prefix="build/fuzz/$name-" -print_final_stats=1 "${dict[@]}" \
        "$corpus" "${seeds[@]}" >"$log" 2>&1; then
        printf '%-16s ok      %s runs, %s\n' "$name" \
            "$(sed -n 's/^stat::number_of_executed_units: *//p' "$log")" \
            "$(grep -o 'cov: [0-9]* ft: [0-9]*' "$log" | tail -1)"
    else
        printf '%-16s FAILED  %s\n' "$name" "$log"
        grep -E 'ERROR:|runtime error|^ +#|SUMMARY|Test unit' "$log" | cut -c1-160 | head -n 20
        return 1
    fi
}
export -f fuzz

status=0
printf '%s\n' "${targets[@]}" | xargs -P 2 -I{} bash -c 'fuzz {}' | tee build/logs/fuzz-all.log ||
    status=1
bad=$(grep -c ' FAILED  ' build/logs/fuzz-all.log || true)
echo "$((${#targets[@]} - bad)) passed, $bad failed"
exit $status
