#!/usr/bin/env python3
"""Checks the length of sources (600 lines) and headers (300), and that no open end is marked in
them."""

import pathlib
import re
import subprocess
import sys

LIMITS = {".cpp": 600, ".hpp": 300, ".py": 600, ".sh": 600, ".mjs": 600, ".js": 600, ".ts": 600}
MARKS = re.compile(r"\b(" + "|".join(("TO" + "DO", "FIX" + "ME", "X" * 3)) + r")\b")


def main():
    root = pathlib.Path(__file__).resolve().parent.parent
    listed = subprocess.run(["git", "ls-files", "--cached", "--others", "--exclude-standard"],
                            cwd=root, check=True, capture_output=True, text=True).stdout
    problems = []
    count = 0
    for name in sorted(set(listed.splitlines())):
        path = root / name
        if path.suffix not in (*LIMITS, ".cmake", ".txt", "") or not path.is_file():
            continue
        try:
            lines = path.read_text().splitlines()
        except UnicodeDecodeError:
            continue
        count += 1
        limit = LIMITS.get(path.suffix)
        if limit and len(lines) > limit:
            problems.append(f"{name}: {len(lines)} lines, the limit is {limit}")
        for number, line in enumerate(lines, 1):
            if MARKS.search(line):
                problems.append(f"{name}:{number}: {line.strip()}")
    print("\n".join(problems) if problems else f"{count} files within their limits")
    return 1 if problems else 0


sys.exit(main())
