#!/usr/bin/env python3
"""Counts where the instructions of a call go, step by step, on both sides.

    tools/call_budget.py [BUILD_DIR] [--json FILE]      default: build/release

Runs the program of the instruction gate (built by tests/gates/run.sh) under callgrind, with few
calls and with many, so that starting up does not count: plus(int64, int64) over a Unix socket by a
blocking caller, without polling. What is counted is each function's own instructions in user mode.
"""

import argparse
import collections
import json
import os
import pathlib
import re
import subprocess
import sys
import tempfile

FEW, MANY = 500, 4500

# The first that matches "file function" counts.
STEPS = [
    ("encode and decode", r"src/codec/|src/value/|msgpack|shape"),
    ("frames and streams of the protocol", r"src/wire/"),
    ("deadlines and timers", r"timer|deadline|bounds_of"),
    ("loop: waiting, spinning, what is ready", r"src/loop/"),
    ("reading, writing, who reads", r"src/transport/|connection\.cpp .*(flush|next_frame|read_some|"
                                    r"place|passed|on_ready|serve\(|is_full)|sleep_on_socket|"
                                    r"read_waiting|lead\(|handle_frames|await|lay_down|pass_on"),
    ("dispatch, call, completion, statistics", r"src/rpc/|include/tenon/"),
    ("buffers, locks, clock", r"src/base/|steady_clock|clock_gettime"),
    ("C library: calls of the system, thread-local data, memcpy", r"."),
]


def own_costs(path):
    """Instructions by "file function" of a callgrind output file."""
    files, functions = {}, {}
    cost = collections.Counter()
    file = function = None
    inclusive_follows = False
    with open(path, encoding="utf-8") as lines:
        for line in lines:
            named = re.match(r"(fl|fi|fe|cfi|cfl|fn|cfn)=\((\d+)\)(?: (.*))?", line)
            if named:
                kind, number, name = named.groups()
                table = functions if kind.endswith("fn") else files
                if name:
                    table[number] = name.strip()
                if kind == "fl":
                    file = files[number]
                elif kind == "fn":
                    function = functions[number]
            elif line.startswith("calls="):
                inclusive_follows = True
            elif re.match(r"[+\-*0-9]", line):
                if not inclusive_follows:
                    cost[f"{file} {function}"] += int(line.split()[1])
                inclusive_follows = False
    return cost


def run(program, calls, directory):
    """Costs of client and server."""
    out = pathlib.Path(directory) / str(calls)
    process = subprocess.Popen(["valgrind", "--tool=callgrind",
                                f"--callgrind-out-file={out}.%p", program, "calls", "unix", str(calls)],
                               stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
                               env={**os.environ, "TENON_RUNTIME_DIR": f"{directory}/run"})
    _, errors = process.communicate()
    if process.returncode != 0:
        sys.exit(errors)
    sides = {}
    for path in pathlib.Path(directory).glob(f"{calls}.*"):
        sides["client" if path.suffix == f".{process.pid}" else "server"] = own_costs(path)
    return sides


def measure(program):
    """Instructions per call by step: [(step, client, server)]."""
    with tempfile.TemporaryDirectory() as directory:
        few, many = run(program, FEW, directory), run(program, MANY, directory)
    steps = {name: {"client": 0.0, "server": 0.0} for name, _ in STEPS}
    for side in ("client", "server"):
        for where in many[side]:
            per_call = (many[side][where] - few[side][where]) / (MANY - FEW)
            step = next(name for name, pattern in STEPS if re.search(pattern, where))
            steps[step][side] += per_call
    return [(name, round(of["client"]), round(of["server"])) for name, of in steps.items()]


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("build", nargs="?", default="build/release", type=pathlib.Path)
    parser.add_argument("--json", type=pathlib.Path)
    arguments = parser.parse_args()
    program = arguments.build / "tests" / "gate"
    if not program.is_file():
        sys.exit(f"{program} is missing; tests/gates/run.sh builds it")
    steps = measure(str(program))
    print(f"{'instructions per call':60}{'client':>8}{'server':>8}")
    for name, client, server in steps:
        print(f"{name:60}{client:8}{server:8}")
    print(f"{'all':60}{sum(s[1] for s in steps):8}{sum(s[2] for s in steps):8}")
    if arguments.json:
        content = [{"step": n, "client": c, "server": s} for n, c, s in steps]
        arguments.json.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
