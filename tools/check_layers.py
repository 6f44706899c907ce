#!/usr/bin/env python3
"""Checks that includes point downwards only.

Layers, from the ground up; a file may include its own layer and those before it. Public headers may
be included by everyone, and themselves include only the standard library and one another, without
the headers that are too heavy for every user to pay for.
"""

import pathlib
import re
import sys

LAYERS = ["base", "loop", "value", "codec", "journal", "manifest", "wire", "transport", "rpc", "compat",
          "naming", "supervise", "apphost", "node", "console", "app"]

STANDARD = set("""
algorithm any array atomic barrier bit bitset cassert cctype cerrno cfenv cfloat charconv chrono
cinttypes climits clocale cmath codecvt compare complex concepts condition_variable coroutine
csetjmp csignal cstdarg cstddef cstdint cstdio cstdlib cstring ctime cuchar cwchar cwctype deque
exception execution filesystem format forward_list fstream functional future initializer_list
iomanip ios iosfwd iostream istream iterator latch limits list locale map memory memory_resource
mutex new numbers numeric optional ostream queue random ranges ratio regex scoped_allocator
semaphore set shared_mutex source_location span sstream stack stdexcept stop_token streambuf string
string_view strstream syncstream system_error thread tuple type_traits typeindex typeinfo
unordered_map unordered_set utility valarray variant vector version
""".split())

HEAVY = {"iostream", "istream", "ostream", "fstream", "sstream", "iomanip", "syncstream", "regex",
         "locale", "codecvt", "filesystem", "ranges", "random", "execution", "valarray", "complex"}

INCLUDE = re.compile(r'^\s*#\s*include\s*([<"])([^>"]+)[>"]')


def includes(path):
    for number, line in enumerate(path.read_text().splitlines(), 1):
        found = INCLUDE.match(line)
        if found:
            yield number, found.group(1), found.group(2)


def check_private(root, path, layer, problems):
    if layer not in LAYERS:
        problems.append(f"{path}: \"{layer}\" is not a layer; known are {' '.join(LAYERS)}")
        return
    rank = LAYERS.index(layer)
    for number, _, target in includes(root / path):
        first = target.split("/")[0]
        if "/" not in target or first not in LAYERS:
            continue
        if LAYERS.index(first) > rank:
            problems.append(f"{path}:{number}: {layer} must not include {target}: "
                            f"{first} is a layer above")


def check_public(root, path, problems):
    for number, kind, target in includes(root / path):
        if target.startswith("tenon/"):
            if not (root / "include" / target).is_file():
                problems.append(f"{path}:{number}: {target} does not exist")
        elif kind == '"' or target not in STANDARD:
            problems.append(f"{path}:{number}: public headers include only the standard library "
                            f"and tenon/, not {target}")
        elif target in HEAVY:
            problems.append(f"{path}:{number}: <{target}> is too heavy for a public header")


def main():
    root = pathlib.Path(__file__).resolve().parent.parent
    problems = []
    count = 0
    for top in ("src", "include", "app"):
        for absolute in sorted((root / top).rglob("*")):
            if absolute.suffix not in (".hpp", ".cpp"):
                continue
            path = absolute.relative_to(root)
            count += 1
            if top == "include":
                check_public(root, path, problems)
            elif top == "app":
                check_private(root, path, "app", problems)
            elif len(path.parts) < 3:
                problems.append(f"{path}: belongs into the folder of a layer")
            else:
                check_private(root, path, path.parts[1], problems)
    print("\n".join(problems) if problems else f"{count} files, every include points downwards")
    return 1 if problems else 0


sys.exit(main())
