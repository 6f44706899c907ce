"""Results of the bench program: reading `tenon_bench --json` files, and finding rows in them."""

import json

PLACEMENTS = ("same", "free", "split")
PLACEMENT_TEXT = {"same": "both sides on one CPU", "free": "left to the scheduler",
                  "split": "one CPU each"}
TRANSPORTS = ("shm", "unix", "tcp")
PEERS = {"redis": "Redis PING", "zeromq": "ZeroMQ", "capnp": "Cap'n Proto RPC",
         "grpc async": "gRPC, async", "grpc sync": "gRPC, sync", "nng": "nng",
         "sdbus": "D-Bus (sdbus-c++)"}


class results:
    """The rows of some files; a later file's replace an earlier one's, but for floors, which stay
    those of the file with the calls that are shown beside them."""

    KEY = ("bench", "transport", "name", "placement", "size", "outstanding", "connections",
           "threads")

    def __init__(self, paths):
        self.machines = {}  # by path
        self.rows = {}
        for path in paths:
            with open(path, encoding="utf-8") as file:
                content = json.load(file)
            if "results" not in content:
                continue  # of another kind
            self.machines[str(path)] = content["machine"]
            for row in content["results"]:
                row.setdefault("threads", 1)
                key = tuple(row[k] for k in self.KEY)
                if row["bench"] != "floor" or key not in self.rows:
                    self.rows[key] = row

    def all(self, **wanted):
        """Rows that have these values."""
        return [r for r in self.rows.values() if all(r.get(k) == v for k, v in wanted.items())]

    def one(self, bench, transport, name, placement, size=16, outstanding=1, connections=1,
            threads=1):
        """A row, or None."""
        return self.rows.get((bench, transport, name, placement, size, outstanding, connections,
                              threads))

    def tenon(self, transport, placement, size=16, outstanding=1):
        return self.one("rpc", transport, "echo", placement, size, outstanding)

    def peer(self, name, transport, placement, size=16, outstanding=1):
        return self.one("peers", transport, name, placement, size, outstanding)

    def floor_of(self, row):
        """The row of the floor that a row is compared with, or None."""
        if not row or "floor" not in row:
            return None
        return self.one("floor", row["transport"], row["floor"], row["placement"], row["size"],
                        row["outstanding"], row["connections"])


def size_text(size):
    for unit, name in ((1 << 20, "MiB"), (1 << 10, "KiB")):
        if size >= unit:
            return f"{size // unit} {name}"
    return f"{size} B"


def time_text(us):
    """Three significant digits, with a unit."""
    if us < 1:
        return f"{us * 1000:.0f} ns"
    if us < 1000:
        return f"{us:.{2 if us < 10 else 1 if us < 100 else 0}f} µs"
    return f"{us / 1000:.{2 if us < 10_000 else 1 if us < 100_000 else 0}f} ms"


def rate_text(per_second):
    if per_second >= 1e6:
        return f"{per_second / 1e6:.{2 if per_second < 1e7 else 1}f} M"
    if per_second >= 1e3:
        return f"{per_second / 1e3:.{1 if per_second < 1e4 else 0}f} k"
    return f"{per_second:.0f}"
