#!/usr/bin/env python3
"""Sums up a run of ./dev test: how many passed and failed, and which tests were the slowest.

  summary.py RESULTS_DIR

RESULTS_DIR/checks has a line "NAME PASSED FAILED" per check. Each folder NAME in it is one run of
test programs and holds ctest.xml (what ctest says of each program) and PROGRAM.json (what
GoogleTest says of each case). A program that failed without a failed case, or left no report,
counts as one failure. The result is 0 if nothing failed.
"""

import json
import pathlib
import sys
import textwrap
import xml.etree.ElementTree as xml

SLOWEST = 5
SHOWN = 600  # characters of what a failed case says


class counts:
    def __init__(self):
        self.passed = self.failed = self.skipped = 0
        self.slow = []


def cases_of(report):
    for suite in json.loads(report.read_text()).get("testsuites", []):
        for case in suite["testsuite"]:
            yield suite["name"], case


def add_program(run, name, program_failed, report, total):
    failed_before = total.failed
    if report.is_file():
        for suite, case in cases_of(report):
            if case["status"] == "NOTRUN" or case.get("result") in ("SKIPPED", "SUPPRESSED"):
                total.skipped += 1
                continue
            if case.get("failures"):
                total.failed += 1
                print(f"failed: {run} {name} {suite}.{case['name']}")
                print(textwrap.indent(case["failures"][0]["failure"][:SHOWN], "    "))
            else:
                total.passed += 1
            total.slow.append((float(case["time"].rstrip("s")), run, name,
                               f"{suite}.{case['name']}"))
    elif not program_failed:
        total.passed += 1
    if program_failed and total.failed == failed_before:
        total.failed += 1
        print(f"failed: {run} {name} (crash, leak, race or timeout)")


def main():
    results = pathlib.Path(sys.argv[1])
    total = counts()
    for line in (results / "checks").read_text().splitlines():
        _, passed, failed = line.rsplit(maxsplit=2)
        total.passed += int(passed)
        total.failed += int(failed)
        if int(failed):
            print(f"failed: {line.rsplit(maxsplit=2)[0]} ({failed})")
    for report in sorted(results.glob("*/ctest.xml")):
        for program in xml.parse(report).getroot().iter("testcase"):
            name = program.get("name")
            add_program(report.parent.name, name, program.get("status") != "run",
                        report.parent / f"{name}.json", total)
    if total.slow:
        print("slowest tests:")
        for seconds, run, program, case in sorted(total.slow, reverse=True)[:SLOWEST]:
            print(f"  {seconds:7.2f} s  {run:8} {program:18} {case}")
    if total.skipped:
        print(f"{total.skipped} skipped")
    print(f"{total.passed} passed, {total.failed} failed")
    return 1 if total.failed else 0


sys.exit(main())
