#!/usr/bin/env python3
"""Draws what the bench program has measured, as SVG.

    tools/plot_bench.py RESULTS.json… [--out DIRECTORY]

RESULTS.json is from `./dev bench … --json RESULTS.json`. For each placement that is in it:
latency-PLACEMENT.svg     one call at a time: median latency over the payload
throughput-PLACEMENT.svg  16 bytes: calls per second over the calls in flight
large-PLACEMENT.svg       large messages one way: bytes per second over the size
"""

import argparse
import math
import pathlib
from xml.sax.saxutils import escape

from bench_results import PEERS, PLACEMENT_TEXT, PLACEMENTS, TRANSPORTS, results, size_text

WIDTH, HEIGHT = 860, 520
LEFT, RIGHT, TOP, BOTTOM = 78, 218, 58, 62
COLOURS = {"shm": "#c2410c", "unix": "#1d4ed8", "tcp": "#15803d", "loaned": "#7c2d12"}
PEER_COLOURS = {"redis": "#be185d", "zeromq": "#0891b2", "capnp": "#7c3aed", "grpc async": "#78716c",
                "grpc sync": "#a8a29e", "nng": "#a16207", "sdbus": "#475569"}
MARKERS = {"tenon": "circle", "peer": "square"}
NAMES = {"shm": "shared memory", "unix": "Unix socket", "tcp": "TCP"}


class series:
    """A line: a label, points (x, y), a colour, and what it stands for: tenon, floor or peer."""

    def __init__(self, label, points, colour, kind):
        self.label, self.colour, self.kind = label, colour, kind
        self.points = sorted(p for p in points if p[1] and p[1] > 0)


class axis:
    """Maps values to pixels on a logarithmic scale, or a linear one from zero."""

    def __init__(self, values, pixels, log=True, ticks=None):
        self.log = log
        self.pixels = pixels
        if log:
            low, high = math.log10(min(values)), math.log10(max(values))
            room = max(0.02 * (high - low), 0.05)
            self.low, self.high = low - room, high + room
        else:
            self.low, self.high = 0, 1.05 * max(values)
        self.ticks = ticks if ticks is not None else self.own_ticks()

    def own_ticks(self):
        if not self.log:
            step = 10 ** math.floor(math.log10(self.high))
            while self.high / step < 4:
                step /= 2
            return [i * step for i in range(int(self.high / step) + 1)]
        decades = range(math.floor(self.low), math.ceil(self.high) + 1)
        steps = (1, 2, 5) if self.high - self.low < 3 else (1,)
        return [s * 10**d for d in decades for s in steps
                if self.low <= math.log10(s * 10**d) <= self.high]

    def at(self, value):
        part = ((math.log10(value) if self.log else value) - self.low) / (self.high - self.low)
        return self.pixels[0] + part * (self.pixels[1] - self.pixels[0])


class drawing:
    def __init__(self, title, subtitle):
        self.parts = [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" '
            f'width="{WIDTH}" height="{HEIGHT}" font-family="system-ui, sans-serif" '
            f'font-size="12" fill="#1f2937" role="img" aria-label="{escape(title)}">',
            f'<rect width="{WIDTH}" height="{HEIGHT}" fill="#ffffff"/>']
        self.text(LEFT, 24, title, size=16, weight=600)
        self.text(LEFT, 43, subtitle, colour="#6b7280")

    def text(self, x, y, words, anchor="start", size=None, weight=None, colour=None, turn=None):
        extra = "".join(f' {k}="{v}"' for k, v in
                        (("font-size", size), ("font-weight", weight), ("fill", colour)) if v)
        if turn:
            extra += f' transform="rotate({turn} {x:.1f} {y:.1f})"'
        self.parts.append(f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}"{extra}>'
                          f'{escape(words)}</text>')

    def line(self, x1, y1, x2, y2, colour, width=1.0, dash=None):
        extra = f' stroke-dasharray="{dash}"' if dash else ""
        self.parts.append(f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" '
                          f'stroke="{colour}" stroke-width="{width}"{extra}/>')

    def marker(self, x, y, s):
        if s.kind == "tenon":
            self.parts.append(f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3.6" fill="{s.colour}"/>')
        elif s.kind == "peer":
            self.parts.append(f'<rect x="{x - 2.6:.1f}" y="{y - 2.6:.1f}" width="5.2" height="5.2" '
                              f'fill="#ffffff" stroke="{s.colour}" stroke-width="1.4"/>')

    def draw(self, s, x_axis, y_axis):
        at = [(x_axis.at(x), y_axis.at(y)) for x, y in s.points]
        width, dash = style(s)
        extra = f' stroke-dasharray="{dash}"' if dash else ""
        path = " ".join(f"{x:.1f},{y:.1f}" for x, y in at)
        self.parts.append(f'<polyline points="{path}" fill="none" stroke="{s.colour}" '
                          f'stroke-width="{width}" stroke-linejoin="round"{extra}/>')
        for x, y in at:
            self.marker(x, y, s)

    def frame(self, x_axis, y_axis, x_label, y_label, x_text, y_text):
        right, bottom = WIDTH - RIGHT, HEIGHT - BOTTOM
        for tick in y_axis.ticks:
            y = y_axis.at(tick)
            self.line(LEFT, y, right, y, "#e5e7eb")
            self.text(LEFT - 8, y + 4, y_text(tick), anchor="end")
        for tick in x_axis.ticks:
            x = x_axis.at(tick)
            self.line(x, TOP, x, bottom, "#f3f4f6")
            self.text(x, bottom + 18, x_text(tick), anchor="middle")
        self.line(LEFT, bottom, right, bottom, "#6b7280")
        self.line(LEFT, TOP, LEFT, bottom, "#6b7280")
        self.text((LEFT + right) / 2, bottom + 42, x_label, anchor="middle")
        self.text(20, (TOP + bottom) / 2, y_label, anchor="middle", turn=-90)

    def legend(self, lines):
        x, y = WIDTH - RIGHT + 22, TOP + 4
        for kind, title in (("tenon", "Tenon"), ("floor", "floors"),
                            ("peer", "others, Unix socket")):
            of_kind = [s for s in lines if s.kind == kind]
            if not of_kind:
                continue
            self.text(x, y + 4, title, weight=600)
            y += 20
            for s in of_kind:
                width, dash = style(s)
                self.line(x, y, x + 26, y, s.colour, width, dash)
                self.marker(x + 13, y, s)
                self.text(x + 34, y + 4, s.label)
                y += 18
            y += 8

    def save(self, path):
        path.write_text("\n".join(self.parts) + "\n</svg>\n", encoding="utf-8")


def style(s):
    """Stroke width and dashes."""
    return {"tenon": (2.6, None), "floor": (1.6, "6 4"), "peer": (1.3, None)}[s.kind]


def plot(path, title, subtitle, lines, x_label, y_label, x_text, y_text, log_y=True):
    lines = [s for s in lines if s.points]
    if not lines:
        return False
    xs = sorted({x for s in lines for x, _ in s.points})
    ys = [y for s in lines for _, y in s.points]
    x_axis = axis(xs, (LEFT, WIDTH - RIGHT), ticks=xs)
    y_axis = axis(ys, (HEIGHT - BOTTOM, TOP), log=log_y)
    picture = drawing(title, subtitle)
    picture.frame(x_axis, y_axis, x_label, y_label, x_text, y_text)
    for kind in ("floor", "peer", "tenon"):  # the last one is on top
        for s in lines:
            if s.kind == kind:
                picture.draw(s, x_axis, y_axis)
    picture.legend(lines)
    picture.save(path)
    return True


def curves(r, where, x, y, wanted):
    """Tenon, its floors and the others as functions of a member of the rows."""
    lines = []
    for transport in TRANSPORTS:
        own = [row for row in r.all(bench="rpc", transport=transport, placement=where,
                                    connections=1) if wanted(row)]
        lines.append(series(NAMES[transport], [(row[x], row[y]) for row in own],
                            COLOURS[transport], "tenon"))
        floors = [r.floor_of(row) for row in own]
        lines.append(series(NAMES[transport], [(f[x], f[y]) for f in floors if f],
                            COLOURS[transport], "floor"))
    for peer, label in PEERS.items():
        rows = r.all(bench="peers", transport="unix", name=peer, placement=where)
        lines.append(series(label, [(row[x], row[y]) for row in rows if wanted(row)],
                            PEER_COLOURS[peer], "peer"))
    return lines


def large_curves(r, where):
    def rate(row):
        return (row["size"], row["size"] / row["p50_us"] / 1000)

    lines = []
    for transport, target, label, colour in (
            ("shm", "loaned", "shared memory, loan()", COLOURS["loaned"]),
            ("shm", "copied", "shared memory, copied", COLOURS["shm"]),
            ("unix", "copied", "Unix socket", COLOURS["unix"]),
            ("tcp", "copied", "TCP", COLOURS["tcp"])):
        rows = r.all(bench="large", transport=transport, name=target, placement=where)
        lines.append(series(label, map(rate, rows), colour, "tenon"))
        floor = "one way in place" if target == "loaned" else "one way copy"
        rows = r.all(bench="floor", transport=transport, name=floor, placement=where)
        lines.append(series(label, map(rate, rows), colour, "floor"))
    return lines


def decimal(value):
    return f"{value:g}" if value < 1e5 else f"{value:.0f}"


def draw_all(r, directory):
    """Gives the names of the files it wrote."""
    directory.mkdir(parents=True, exist_ok=True)
    written = []
    for where in PLACEMENTS:
        subtitle = f"placement {where}: {PLACEMENT_TEXT[where]}"

        def add(name, *rest, subtitle=subtitle, where=where, **options):
            if plot(directory / f"{name}-{where}.svg", rest[0], subtitle, *rest[1:], **options):
                written.append(f"{name}-{where}.svg")

        add("latency", "Echo, one call at a time",
            curves(r, where, "size", "p50_us", lambda row: row["outstanding"] == 1),
            "payload each way", "median latency in µs", size_text, decimal)
        add("throughput", "Echo of 16 bytes over one connection",
            curves(r, where, "outstanding", "calls_per_s", lambda row: row["size"] == 16),
            "calls in flight", "calls per second", str,
            lambda v: f"{v / 1e6:g} M" if v >= 1e6 else f"{v / 1e3:g} k")
        add("large", "Large messages one way, every byte read", large_curves(r, where),
            "message", "GB/s", size_text, lambda v: f"{v:g}", log_y=False)
    return written


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("files", nargs="+", type=pathlib.Path, metavar="RESULTS.json")
    parser.add_argument("--out", type=pathlib.Path, default=pathlib.Path("."),
                        metavar="DIRECTORY")
    arguments = parser.parse_args()
    for name in draw_all(results(arguments.files), arguments.out):
        print(arguments.out / name)


if __name__ == "__main__":
    main()
