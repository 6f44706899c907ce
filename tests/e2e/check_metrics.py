"""Reads Prometheus text on stdin with Prometheus' own parser and checks what it means."""

import sys

from prometheus_client.parser import text_string_to_metric_families

TYPES = {
    "tenon_build_info": "gauge", "tenon_uptime_seconds": "gauge", "tenon_connections": "gauge",
    "tenon_connections_accepted": "counter", "tenon_calls": "counter", "tenon_errors": "counter",
    "tenon_in_flight": "gauge", "tenon_streams": "gauge", "tenon_slow_runs": "counter", "tenon_call_seconds": "histogram",
    "tenon_queue_wait_seconds": "histogram",
}


def check_histogram(family):
    series = {}
    for s in family.samples:
        labels = {k: v for k, v in s.labels.items() if k != "le"}
        assert set(labels) == {"publisher", "service", "method"}, labels
        one = series.setdefault(tuple(sorted(labels.items())), {"buckets": []})
        if s.name.endswith("_bucket"):
            one["buckets"].append((float(s.labels["le"]), s.value))
        else:
            one[s.name[len(family.name):]] = s.value
    for labels, one in series.items():
        borders = [b for b, _ in one["buckets"]]
        counts = [n for _, n in one["buckets"]]
        assert borders == sorted(set(borders)) and borders[-1] == float("inf"), labels
        assert counts == sorted(counts) and counts[-1] == one["_count"], labels
        assert one["_sum"] >= 0, labels
    return len(series)


def main():
    text = sys.stdin.read()
    assert text.endswith("\n")
    seen = {}
    for family in text_string_to_metric_families(text):
        assert family.name not in seen, f"{family.name} twice"
        assert family.documentation, family.name
        seen[family.name] = family.type
        assert len({(s.name, tuple(s.labels.items())) for s in family.samples}) == \
            len(family.samples), f"a sample of {family.name} twice"
        if family.type == "histogram":
            print(family.name, check_histogram(family))
        else:
            for s in family.samples:
                labels = ",".join(v for k, v in s.labels.items() if k not in ("version", "server"))
                print(s.name, labels, s.value)
    assert seen == TYPES, seen


main()
