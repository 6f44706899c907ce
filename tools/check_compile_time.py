#!/usr/bin/env python3
"""Checks what the public headers cost their users: a hello-world service must compile at -O0 with at
most 1.9 times the work of a file that only includes the standard headers such a service needs anyway.
Counted in instructions of the compiler proper, because time depends on what else the machine does."""

import pathlib
import re
import subprocess
import sys
import tempfile

LIMIT = 1.9
BASELINE = "".join(f"#include <{h}>\n"
                   for h in ("string", "vector", "functional", "coroutine", "future"))
SUBJECT = "tools/hello_service.cpp"
OPTIONS = ["-std=c++20", "-O0"]


def instructions(root, source, scratch):
    preprocessed = scratch / (source.stem + ".ii")
    subprocess.run(["g++", *OPTIONS, f"-I{root / 'include'}", "-E", source, "-o", preprocessed],
                   check=True)
    compiler = subprocess.run(["g++", "-print-prog-name=cc1plus"], check=True,
                              capture_output=True, text=True).stdout.strip()
    counted = subprocess.run(
        ["valgrind", "--tool=cachegrind", "--cache-sim=no", "--cachegrind-out-file=/dev/null",
         compiler, "-quiet", *OPTIONS, "-fpreprocessed", preprocessed, "-o", "/dev/null"],
        check=True, capture_output=True, text=True).stderr
    return int(re.search(r"I +refs: +([\d,]+)", counted)[1].replace(",", ""))


def main():
    root = pathlib.Path(__file__).resolve().parent.parent
    with tempfile.TemporaryDirectory() as directory:
        scratch = pathlib.Path(directory)
        baseline = scratch / "baseline.cpp"
        baseline.write_text(BASELINE + "int main() {}\n")
        service = root / SUBJECT
        least = instructions(root, baseline, scratch)
        most = instructions(root, service, scratch)
    ratio = most / least
    print(f"{service.name}: {most / 1e9:.2f} G instructions, standard headers alone: "
          f"{least / 1e9:.2f} G, ratio {ratio:.2f} (limit {LIMIT})")
    return 0 if ratio <= LIMIT else 1


sys.exit(main())
