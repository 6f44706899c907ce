"""The targets of docs/performance.md, and whether results reach them."""

from bench_results import rate_text, time_text

NAMES = {"shm": "shared memory", "unix": "Unix socket", "tcp": "TCP"}
MIB = 1 << 20


class collector:
    """Rows: what, where, the limit, what was measured, whether it is reached."""

    def __init__(self):
        self.rows = []

    def at_most(self, what, where, value, limit, text="{:.2f}".format):
        if value is not None:
            self.rows.append((what, where, "≤ " + text(limit), text(value), value <= limit))

    def at_least(self, what, where, value, limit, text="{:.2f}".format):
        if value is not None:
            self.rows.append((what, where, "≥ " + text(limit), text(value), value >= limit))


def of(row, member):
    return row.get(member) if row else None


def quotient(a, b, member):
    return a[member] / b[member] if a and b and b[member] else None


def one_call(r, t):
    for transport in ("unix", "tcp"):
        for where, limit in (("same", 1.25), ("free", 1.5), ("split", 1.5)):
            t.at_most(f"16 B, {NAMES[transport]}: × floor", where,
                      of(r.tenon(transport, where), "ratio"), limit)
    for where, limit in (("same", 1.5), ("free", 2.5), ("split", 2.5)):
        t.at_most("16 B, shared memory: × floor", where, of(r.tenon("shm", where), "ratio"), limit)
    for where in ("same", "free", "split"):
        t.at_most("16 B, shared memory: × Unix socket", where,
                  quotient(r.tenon("shm", where), r.tenon("unix", where), "p50_us"), 1.0)
    for where in ("same", "free", "split"):
        t.at_most("in process, typed", where, of(r.one("plus", "inproc", "plus", where), "p50_us"),
                  0.1, time_text)


def spinning(r, t):
    for transport in ("shm", "unix", "tcp"):
        for where in ("same", "free", "split"):
            on = r.one("spin", transport, "on, 1000/s", where)
            off = r.one("spin", transport, "off, 1000/s", where)
            if on and off:
                share = (on["cpu_us_per_call"] - off["cpu_us_per_call"]) * on["calls_per_s"] / 1e6
                t.at_most(f"spin at 1,000 calls/s, {NAMES[transport]}: CPU", where, share, 0.05,
                          "{:.1%}".format)


def in_flight(r, t):
    def own(where, n, transport="unix"):
        return r.tenon(transport, where, 16, n)

    for where, n, limit in (("same", 64, 1.2e6), ("free", 64, 1.5e6), ("free", 256, 2e6)):
        t.at_least(f"{n} in flight, Unix socket: calls/s", where, of(own(where, n), "calls_per_s"),
                   limit, rate_text)
    t.at_least("64 in flight, shared memory: calls/s", "free",
               of(own("free", 64, "shm"), "calls_per_s"), 3e6, rate_text)
    against = [("redis", {"same": 0.7, "free": 2, "split": 2}, (64,)),
               ("zeromq", {"same": 1, "free": 1, "split": 1}, (64, 256))]
    against += [(peer, {"same": 10, "free": 10, "split": 10}, (64, 256))
                for peer in ("grpc async", "grpc sync", "capnp")]
    for peer, limits, loads in against:
        for n in loads:
            for where, limit in limits.items():
                t.at_least(f"{n} in flight, Unix socket: × {peer}", where,
                           quotient(own(where, n), r.peer(peer, "unix", where, 16, n),
                                    "calls_per_s"), limit)


def large(r, t):
    for where in ("same", "free", "split"):
        for transport, target, size, limit in (
                ("shm", "copied", MIB, 1.3), ("shm", "loaned", MIB, 1.2),
                ("shm", "copied", 64 * MIB, 1.2), ("shm", "loaned", 64 * MIB, 1.2),
                ("unix", "copied", MIB, 1.25)):
            t.at_most(f"{size // MIB} MiB, {NAMES[transport]}, {target}: × floor", where,
                      of(r.one("large", transport, target, where, size), "ratio"), limit)


def streams(r, t):
    for transport, limit in (("unix", 1.5e6), ("shm", 5e6)):
        for taker, cell in (("a thread", "source"), ("a coroutine", "source, coroutine")):
            t.at_least(f"stream, {NAMES[transport]}, taken by {taker}: values/s", "free",
                       of(r.one("streams", transport, cell, "free", outstanding=256), "calls_per_s"),
                       limit, rate_text)
        t.at_least(f"sink, {NAMES[transport]}: values/s", "free",
                   of(r.one("streams", transport, "sink", "free", outstanding=256), "calls_per_s"),
                   limit, rate_text)
    for transport in ("unix", "tcp"):
        t.at_most(f"urgent calls beside 64 MiB and a stream, {NAMES[transport]}: p99", "free",
                  of(r.one("priority", transport, "64 MiB, stream", "free"), "p99_us"), 2000,
                  time_text)


def cpu(r, t):
    for transport in ("shm", "unix", "tcp"):
        t.at_most(f"CPU per call, 16 B, {NAMES[transport]}: × floor", "same",
                  of(r.tenon(transport, "same"), "cpu_ratio"), 1.4)


def many(r, t):
    for row in r.all(bench="connections", connections=10_000):
        what = f"10,000 connections, {row['name']}, {NAMES[row['transport']]}"
        if row.get("idle_bytes") and row["name"] == "served" and row["outstanding"] == 1:
            t.at_most(what + ": resident each", row["placement"], row["idle_bytes"], 4096,
                      "{:,.0f} B".format)
        if "ratio" in row and row["name"] != "floor":
            t.at_most(f"{what}, {row['outstanding']} in flight: × 100 connections",
                      row["placement"], row["ratio"], 1.15)


def mixed(r, t):
    for where in ("same", "free", "split"):
        declared = r.one("mixed", "unix", "1 % declared", where, outstanding=0)
        undeclared = r.one("mixed", "unix", "1 % undeclared", where, outstanding=0)
        t.at_most("1 % slow calls, declared: p99 of the others, × without", where,
                  of(declared, "ratio"), 1.5)
        t.at_most("1 % slow calls, undeclared: p99 of the others", where, of(undeclared, "p99_us"),
                  5000, time_text)


def target_rows(r):
    t = collector()
    for add in (one_call, spinning, in_flight, large, streams, cpu, many, mixed):
        add(r, t)
    return t.rows
