#!/usr/bin/env python3
"""Shows where the time of one cell of the bench program goes, as a table for docs/performance.md.

    tools/profile_cell.py SUITE TARGET TRANSPORT PLACEMENT SIZE OUTSTANDING [CONNECTIONS] [--bench PROGRAM]

For example: tools/profile_cell.py rpc echo shm split 16 64. Samples client and server together by
the CPU clock (perf record -e cpu-clock), which virtual machines have, too.
"""

import argparse
import collections
import os
import re
import subprocess
import sys
import tempfile

SECONDS, WARM_UP = "3", "0.2"
MOST = 16


def short(symbol):
    symbol = re.sub(r"tenon::v0::|\(anonymous namespace\)::|std::", "", symbol)
    return re.sub(r"[<(].*", "", symbol) or symbol


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    for name in ("suite", "target", "transport", "placement", "size", "outstanding"):
        parser.add_argument(name)
    parser.add_argument("connections", nargs="?", default="1")
    parser.add_argument("--bench", default="build/release/tenon_bench", metavar="PROGRAM")
    a = parser.parse_args()
    with tempfile.TemporaryDirectory() as directory:
        data = f"{directory}/data"
        cell = [a.suite, a.target, a.transport, a.placement, a.size, a.outstanding, a.connections]
        measured = subprocess.run(
            ["perf", "record", "-q", "-o", data, "-e", "cpu-clock", "-F", "5000", "--", a.bench,
             "--drive", *cell, "1", SECONDS, WARM_UP],
            capture_output=True, text=True, env={**os.environ, "TENON_RUNTIME_DIR": directory})
        if measured.returncode != 0:
            sys.exit(measured.stderr)
        script = subprocess.run(["perf", "script", "-i", data, "-F", "ip,sym,dso"],
                                capture_output=True, text=True, check=True).stdout
    samples = collections.Counter()
    for line in script.splitlines():
        found = re.match(r"\s*[0-9a-f]+ (.+?)(?:\+0x[0-9a-f]+)? \((.+)\)$", line)
        if found:
            place = "kernel" if found[2].startswith("[") and "vdso" not in found[2] else \
                os.path.basename(found[2])
            samples[short(found[1]), place] += 1
    total = sum(samples.values()) or sys.exit("perf took no samples")
    kernel = sum(n for (_, place), n in samples.items() if place == "kernel")
    p50, _, rate, cpu = (float(x) for x in measured.stdout.split()[:4])
    print(f"{' '.join(cell)}: p50 {p50:.2f} µs, {rate:,.0f} calls/s, {cpu:.2f} µs CPU per call, "
          f"{100 * kernel / total:.0f} % of it in the kernel\n")
    print("| function | in | share |\n| --- | --- | ---: |")
    for (symbol, place), n in samples.most_common(MOST):
        print(f"| `{symbol}` | {place} | {100 * n / total:.1f} % |")


if __name__ == "__main__":
    main()
