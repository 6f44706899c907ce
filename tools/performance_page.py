#!/usr/bin/env python3
"""Fills docs/performance.md with what has been measured.

    tools/performance_page.py            writes the tables and plots anew
    tools/performance_page.py --check    fails if they are not what the results say

The results are docs/performance/*.json, as `./dev bench … --json FILE` writes them (budget.json is
from tools/call_budget.py, codecs.json from `./dev bench codecs`). In the page, what stands between `<!-- bench NAME -->` and
`<!-- end -->` is written by the function `NAME` below.
"""

import json
import pathlib
import re
import sys
import tempfile

from bench_results import (PEERS, PLACEMENT_TEXT, PLACEMENTS, TRANSPORTS, rate_text, results,
                           size_text, time_text)
from performance_targets import target_rows
from plot_bench import draw_all

ROOT = pathlib.Path(__file__).resolve().parent.parent
PAGE = ROOT / "docs" / "performance.md"
DIRECTORY = ROOT / "docs" / "performance"
MISSING = "–"
LABELS = {"shm": "shared memory", "unix": "Unix socket", "tcp": "TCP"}


def table(head, rows):
    """Markdown; without rows a word about it."""
    if not rows:
        return "(not measured)"
    lines = [head, ["---"] + ["---:"] * (len(head) - 1), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def placements_of(r):
    return [p for p in PLACEMENTS if r.all(placement=p)]


def compared(row, value):
    """A value with its ratio to the floor."""
    if not row:
        return MISSING
    return f"{value(row)} ({row['ratio']:.2f})" if "ratio" in row else value(row)


def p50(row):
    return time_text(row["p50_us"])


def rate(row):
    return rate_text(row["calls_per_s"])


def or_missing(row, text):
    return text(row) if row else MISSING


def machine(r, _):
    rows = {}
    for path, facts in r.machines.items():
        for name, value in facts.items():
            rows.setdefault(name, {}).setdefault(str(value).lower() if isinstance(value, bool)
                                                 else str(value), []).append(
                                                     pathlib.Path(path).name)
    lines = []
    for name, values in rows.items():
        if len(values) == 1:
            lines.append([name, next(iter(values))])
        else:
            lines.append([name, "; ".join(f"{v} ({', '.join(files)})"
                                          for v, files in values.items())])
    return table(["what", "value"], lines)


def targets(r, _):
    where = placements_of(r)
    rows = {}
    for what, placement, limit, measured, reached in target_rows(r):
        verdict = "" if reached else " ✗"
        rows.setdefault(what, {})[placement] = f"{measured} ({limit}){verdict}"
    return table(["measured (target), ✗ not reached"] + where,
                 [[what, *(cells.get(p, MISSING) for p in where)]
                  for what, cells in rows.items()])


def one_call(r, _):
    where = placements_of(r)
    rows = []
    for transport in TRANSPORTS:
        cells = [r.tenon(transport, p) for p in where]
        if not any(cells):
            continue
        rows.append([f"Tenon, {LABELS[transport]}", *(compared(c, p50) for c in cells)])
        rows.append([f"floor, {LABELS[transport]}",
                     *(or_missing(f, lambda f: f"{p50(f)}, {f['name']}")
                       for f in map(r.floor_of, cells))])
    inproc = [r.one("plus", "inproc", "plus", p) for p in where]
    if any(inproc):
        rows.insert(0, ["Tenon, in process, plus(int64, int64)",
                        *(or_missing(c, p50) for c in inproc)])
    return table(["16 bytes, median"] + where, rows)


def sizes(r, _):
    """Latency over the payload."""
    out = []
    for where in placements_of(r):
        rows = []
        all_sizes = sorted({row["size"] for row in r.all(bench="rpc", placement=where,
                                                         outstanding=1, connections=1)})
        for size in all_sizes:
            rows.append([size_text(size), *(compared(r.tenon(t, where, size), p50)
                                            for t in TRANSPORTS)])
        out.append(f"Placement {where}, {PLACEMENT_TEXT[where]}:\n\n" +
                   table(["payload each way"] + [LABELS[t] for t in TRANSPORTS], rows))
    return "\n\n".join(out)


def in_flight(r, _):
    where = placements_of(r)
    rows = []
    for outstanding in (8, 16, 64, 256):
        for transport in TRANSPORTS:
            cells = [r.tenon(transport, p, 16, outstanding) for p in where]
            if any(cells):
                rows.append([f"{outstanding}, {LABELS[transport]}",
                             *(compared(c, rate) for c in cells),
                             *(or_missing(f, rate) for f in map(r.floor_of, cells))])
    return table(["in flight"] + [f"Tenon, {p}" for p in where] +
                 [f"floor, {p}" for p in where], rows)


def others(r, outstanding, size, value, factor):
    """Tenon and the peers, one table; the factor is how many times worse than Tenon."""
    where = placements_of(r)
    rows = []
    for transport in TRANSPORTS:
        own = {p: r.tenon(transport, p, size, outstanding) for p in where}
        if any(own.values()):
            rows.append([f"**Tenon**, {LABELS[transport]}",
                         *(compared(own[p], value) for p in where)])
    for peer, label in PEERS.items():
        for transport in ("unix", "tcp"):
            cells = {p: r.peer(peer, transport, p, size, outstanding) for p in where}
            if not any(cells.values()):
                continue
            texts = []
            for p in where:
                own = r.tenon(transport, p, size, outstanding)
                texts.append(MISSING if not cells[p] else value(cells[p]) if not own else
                             f"{value(cells[p])} (× {factor(cells[p], own):.1f})")
            rows.append([f"{label}, {LABELS[transport]}", *texts])
    return table([f"{size_text(size)}, {outstanding} in flight"] + where, rows)


def slower(cell, own):
    return cell["p50_us"] / own["p50_us"]


def fewer(cell, own):
    return own["calls_per_s"] / cell["calls_per_s"]


def peers_one(r, _):
    return others(r, 1, 16, p50, slower)


def peers_large(r, _):
    return "\n\n".join(others(r, 1, size, p50, slower) for size in (65536, 1048576))


def peers_many(r, _):
    return "\n\n".join(others(r, n, 16, rate, fewer) for n in (64, 256))


def large(r, _):
    where = placements_of(r)
    rows = []

    def text(row):
        gigabytes = row["size"] / row["p50_us"] / 1000
        return f"{p50(row)}, {gigabytes:.1f} GB/s"

    for size in (65536, 1048576, 16777216, 67108864):
        for transport, target, label in (("shm", "loaned", "shared memory, loan()"),
                                         ("shm", "copied", "shared memory, copied"),
                                         ("unix", "copied", "Unix socket"),
                                         ("tcp", "copied", "TCP")):
            cells = [r.one("large", transport, target, p, size) for p in where]
            if any(cells):
                rows.append([f"{size_text(size)}, {label}", *(compared(c, text) for c in cells)])
    return table(["message"] + where, rows)


def cpu(r, _):
    rows = []
    for outstanding in (1, 64):
        for transport in TRANSPORTS:
            c = r.tenon(transport, "same", 16, outstanding)
            if c:
                rows.append([f"{outstanding} in flight, {LABELS[transport]}",
                             time_text(c["cpu_us_per_call"]), time_text(c["floor_cpu_us"]),
                             f"{c['cpu_ratio']:.2f}"])
    return table(["16 bytes, same", "Tenon", "floor", "ratio"], rows)


def spin(r, _):
    rows = []
    for transport in TRANSPORTS:
        for load, label in (("", "back to back"), (", 1000/s", "1,000 calls/s"),
                            (", 20/s", "20 calls/s")):
            for where in placements_of(r):
                on = r.one("spin", transport, "on" + load, where)
                off = r.one("spin", transport, "off" + load, where)
                if not on or not off:
                    continue
                more = (on["cpu_us_per_call"] - off["cpu_us_per_call"]) * on["calls_per_s"] / 1e4
                rows.append([f"{LABELS[transport]}, {where}, {label}", p50(off), p50(on),
                             f"{on['ratio']:.2f}", time_text(off["cpu_us_per_call"]),
                             time_text(on["cpu_us_per_call"]),
                             MISSING if not load else f"{more:+.1f} %"])
    return table(["load", "p50 without", "p50 with", "ratio", "CPU per call without",
                  "CPU per call with", "more of one CPU"], rows)


def budget(r, directory):
    path = directory / "budget.json"
    if not path.is_file():
        return "(not measured)"
    steps = json.loads(path.read_text(encoding="utf-8"))
    total = sum(s["client"] + s["server"] for s in steps)
    row = r.tenon("unix", "same")
    extra = (row["cpu_us_per_call"] - row["floor_cpu_us"]) if row and "floor_cpu_us" in row else None
    rows = []
    for s in steps + [{"step": "**all**", "client": sum(s["client"] for s in steps),
                       "server": sum(s["server"] for s in steps)}]:
        both = s["client"] + s["server"]
        rows.append([s["step"], f"{s['client']:,}", f"{s['server']:,}", f"{100 * both / total:.0f} %",
                     MISSING if extra is None else f"{extra * both / total:.2f} µs"])
    return table(["instructions per call", "client", "server", "share", "of the time"], rows)


def connections(r, _):
    rows = []
    for row in sorted(r.all(bench="connections"),
                      key=lambda row: (row["name"], row["transport"], row["outstanding"],
                                       PLACEMENTS.index(row["placement"]), row["connections"])):
        # Of few connections the memory is lost in what else the process does.
        idle = row.get("idle_bytes") if row["connections"] >= 1000 else None
        rows.append([f"{row['name']}, {LABELS[row['transport']]}, {row['placement']}",
                     str(row["outstanding"]), f"{row['connections']:,}", compared(row, p50),
                     rate(row), time_text(row["cpu_us_per_call"]),
                     f"{max(idle, 0) / 1024:.1f} KiB" if idle else MISSING])
    return table(["kind", "in flight", "connections", "p50", "calls/s", "CPU per call",
                  "resident, idle"], rows)


def mixed(r, _):
    rows = [[f"{row['name']}, {LABELS[row['transport']]}, {row['placement']}", rate(row), p50(row),
             compared(row, lambda row: time_text(row["p99_us"]))]
            for row in sorted(r.all(bench="mixed"),
                              key=lambda row: (PLACEMENTS.index(row["placement"]), row["name"]))]
    return table(["load", "calls/s", "p50", "p99 of the fast ones"], rows)


def streams(r, _):
    where = placements_of(r)
    rows = []
    for transport in ("inproc", *TRANSPORTS):
        label = LABELS.get(transport, "in process")
        for name in ("source", "source, marshal", "source, coroutine",
                     "source, coroutine, marshal", "source, handler", "sink"):
            cells = [r.one("streams", transport, name, p, outstanding=256) for p in where]
            if any(cells):
                rows.append([f"{label}, {name}", *(compared(c, rate) for c in cells)])
    return table(["values/s of 16 bytes"] + where, rows)


def priority(r, _):
    where = placements_of(r)
    rows = []
    for row in r.all(bench="priority", placement=where[-1]) if where else []:
        cells = [r.one("priority", row["transport"], row["name"], p, row["size"],
                       row["outstanding"]) for p in where]
        rows.append([f"{LABELS[row['transport']]}, {row['name']}",
                     *(or_missing(c, lambda c: f"{p50(c)}, {time_text(c['p99_us'])}")
                       for c in cells)])
    return table(["beside the urgent calls: p50, p99"] + where, rows)


def codecs(_, directory):
    """Of `tenon_bench codecs`: a flat list."""
    path = directory / "codecs.json"
    if not path.is_file():
        return "(not measured)"
    rows = []
    for row in json.loads(path.read_text(encoding="utf-8")):
        rows.append([f"{row['value']}, {row['codec']}", f"{row['bytes']:,}",
                     *(time_text(row[f"{what}_ns"] / 1000) for what in ("encode", "decode", "call"))])
    return table(["value, codec", "bytes", "encode", "decode", "call"], rows)


BLOCKS = {f.__name__: f for f in (machine, targets, one_call, sizes, in_flight, peers_one,
                                  peers_large, peers_many, large, cpu, spin, budget, connections,
                                  streams, priority, mixed, codecs)}
MARK = re.compile(r"(<!-- bench (\w+) -->\n).*?(<!-- end -->)", re.DOTALL)


def filled(page, r, directory):
    return MARK.sub(lambda m: f"{m[1]}\n{BLOCKS[m[2]](r, directory)}\n\n{m[3]}", page)


def main():
    check = sys.argv[1:] == ["--check"]
    if sys.argv[1:] and not check:
        sys.exit(__doc__)
    r = results(sorted(p for p in DIRECTORY.glob("*.json") if p.name != "budget.json"))
    page = PAGE.read_text(encoding="utf-8")
    if not check:
        draw_all(r, DIRECTORY)
        PAGE.write_text(filled(page, r, DIRECTORY), encoding="utf-8")
        return
    with tempfile.TemporaryDirectory() as scratch:
        names = draw_all(r, pathlib.Path(scratch))
        stale = [n for n in names if not (DIRECTORY / n).is_file() or
                 (DIRECTORY / n).read_bytes() != (pathlib.Path(scratch) / n).read_bytes()]
    if filled(page, r, DIRECTORY) != page:
        stale.append("performance.md")
    if stale:
        sys.exit(f"{', '.join(stale)}: not what the results say; tools/performance_page.py")
    print(f"{len(r.rows)} results, {len(names)} plots, as the page says")


if __name__ == "__main__":
    main()
