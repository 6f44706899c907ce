#!/usr/bin/env python3
"""Checks what the public headers cost their users: a hello-world service must compile at -O0 in at
most twice the CPU time of a file that only includes the standard headers such a service needs
anyway. Best of nine each, interleaved, so that a busy machine disturbs both alike."""

import pathlib
import resource
import subprocess
import sys
import tempfile

LIMIT = 2.0
ROUNDS = 9
BASELINE = "".join(f"#include <{h}>\n"
                   for h in ("string", "vector", "functional", "coroutine", "future"))
SUBJECT = "tools/hello_service.cpp"


def user_seconds(root, source):
    before = resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime
    subprocess.run(["g++", "-std=c++20", "-O0", f"-I{root / 'include'}", "-c", source,
                    "-o", "/dev/null"], check=True)
    return resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime - before


def main():
    root = pathlib.Path(__file__).resolve().parent.parent
    with tempfile.TemporaryDirectory() as directory:
        scratch = pathlib.Path(directory)
        baseline = scratch / "baseline.cpp"
        baseline.write_text(BASELINE + "int main() {}\n")
        service = root / SUBJECT
        times = {baseline: [], service: []}
        for _ in range(ROUNDS):
            for source, taken in times.items():
                taken.append(user_seconds(root, source))
    least, most = min(times[baseline]), min(times[service])
    ratio = most / least
    print(f"{service.name}: {most:.2f} s, standard headers alone: {least:.2f} s, "
          f"ratio {ratio:.2f} (limit {LIMIT})")
    return 0 if ratio <= LIMIT else 1


sys.exit(main())
