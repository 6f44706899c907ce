#!/usr/bin/env bash
# The bench program measures, its JSON has what it should, and the plots can be drawn from it. No
# figure is judged.
#   tests/bench/run.sh [BUILD_DIR]    default: build/release
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

build=${1:-build/release}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

bench() { "$build/tenon_bench" "$@" --quick --placement same; }
bench rpc --only ' echo, 16 B, 1 outstanding, 1 connections' --json "$work/rpc.json"
bench large --only ' 65536 B' --json "$work/large.json"
tools/plot_bench.py "$work"/*.json --out "$work/plots"

python3 - "$work" <<'END'
import json, pathlib, sys, xml.etree.ElementTree as xml
work = pathlib.Path(sys.argv[1])
contents = [json.loads((work / f"{name}.json").read_text()) for name in ("rpc", "large")]
rows = [row for content in contents for row in content["results"]]
passed = failed = 0
def expect(what, condition):
    global passed, failed
    passed, failed = passed + bool(condition), failed + (not condition)
    if not condition: print("failed:", what)
for name in ("kernel", "cpu", "spin", "floor spin", "repetitions"):
    expect(f"the header says {name}", all(name in content["machine"] for content in contents))
def kinds(bench): return {(r["transport"], r["name"]) for r in rows if r["bench"] == bench}
expect("every transport is measured", kinds("rpc") == {(t, "echo") for t in ("inproc", "shm", "unix", "tcp")})
expect("large messages are measured", kinds("large") == {("shm", "loaned"), ("shm", "copied"), ("unix", "copied"), ("tcp", "copied")})
expect("so are their floors", {("shm", "one way in place"), ("unix", "one way copy")} <= kinds("floor"))
for row in rows:
    expect(f"{row} has figures", row["p50_us"] > 0 and row["calls_per_s"] > 0)
    expect(f"{row} has ratios, or is a floor",
           (row["bench"] == "floor") != (row.get("ratio", 0) > 0 and row.get("cpu_ratio", 0) > 0))
for name in ("latency", "throughput", "large"):
    picture = xml.parse(work / "plots" / f"{name}-same.svg").getroot()
    expect(f"{name} has lines", picture.findall("{http://www.w3.org/2000/svg}polyline"))
print(f"{passed} passed, {failed} failed")
sys.exit(failed > 0)
END
