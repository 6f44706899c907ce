#!/usr/bin/env bash
# Measures everything that docs/performance.md tells of, on a machine that should have nothing else
# to do, and writes the page anew. Takes about 40 minutes.
#   tools/measure_performance.sh [PART…]     default: calls streams mixed connections codecs budget
#   REPEAT=5 tools/measure_performance.sh    so many repetitions of each cell (3)
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

out=docs/performance
mkdir -p "$out"
[ $# -gt 0 ] || set -- calls streams mixed connections codecs budget
for part; do
    case $part in
        calls) ./dev bench peers plus large spin --repeat "${REPEAT:-3}" --json "$out/calls.json" ;;
        streams)
            ./dev bench streams priority --repeat "${REPEAT:-3}" --json "$out/streams.json" ;;
        mixed) ./dev bench mixed --repeat 9 --json "$out/mixed.json" ;;
        connections)
            ./dev bench connections --repeat "${REPEAT:-3}" --placement same --placement free \
                --json "$out/connections.json" ;;
        codecs) ./dev bench codecs --json "$out/codecs.json" ;;
        budget)
            tests/gates/run.sh build/release || true
            tools/call_budget.py --json "$out/budget.json" ;;
        *) echo "measure_performance: no part \"$part\"" >&2; exit 2 ;;
    esac
done
tools/performance_page.py
