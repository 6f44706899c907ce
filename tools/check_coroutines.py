#!/usr/bin/env python3
"""g++ 12 miscompiles coroutines that await a temporary in the condition of if, while or switch: they
end before their first line. So no condition of ours holds a co_await, unless it declares a name."""

import pathlib
import re
import subprocess
import sys

HEAD = re.compile(r"\b(?:if|while|switch)\s*(?:constexpr\s*)?\(")
DECLARES = re.compile(r"^[\w:<>,&*\s]+\s[&*]?\w+\s*=[^=]")


def condition(text, start):
    depth = 1
    for i in range(start, len(text)):
        depth += {"(": 1, ")": -1}.get(text[i], 0)
        if depth == 0:
            return text[start:i]
    return text[start:]


def main():
    files = subprocess.run(["git", "ls-files", "*.cpp", "*.hpp"], capture_output=True, text=True,
                           check=True).stdout.split()
    found = 0
    for name in files:
        text = pathlib.Path(name).read_text()
        for head in HEAD.finditer(text):
            inside = condition(text, head.end())
            if "co_await" in inside and not DECLARES.match(inside):
                found += 1
                print(f"{name}:{text.count(chr(10), 0, head.start()) + 1}: co_await in a condition: "
                      "store the result first")
    print(f"{len(files)} files, {found} conditions with co_await")
    return 1 if found else 0


sys.exit(main())
