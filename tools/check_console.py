#!/usr/bin/env python3
"""Runs the commands that the documentation shows and compares what they print.

    tools/check_console.py BUILD_DIR [FILE.md …]     without files: README and everything in docs/
    tools/check_console.py --fix BUILD_DIR [FILE.md …]   writes the present output into the pages

Every fenced block of the language `console` is run: a line `$ COMMAND` is given to bash, the lines
behind it are what it prints (stdout and stderr). The blocks of one page run in one shell, in an
empty folder with names of its own, with the built programs in PATH. A command that ends in `&` is
waited for until it has printed the lines shown. `…` in a line stands for any text, and a line with
nothing else for any lines; how many spaces there are between two columns does not matter. A comment line `<!-- console: COMMAND -->` in the page runs a command
that readers need not see (with `&`: until it prints something). At the end of a page whatever still runs is ended.

Prints "N passed, N failed".
"""

import os
import pathlib
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent
HIDDEN = re.compile(r"<!-- console: (.+?) -->$")
PATIENCE = 30  # seconds for one command


class Shell:
    """One bash; what it and its children print, line by line."""

    def __init__(self, build, folder):
        env = dict(os.environ, TENON_RUNTIME_DIR=str(folder / "run"), HOME=str(folder),
                   NO_COLOR="1", COLUMNS="100", LC_ALL="C.UTF-8", PS1="", TERM="dumb",
                   PATH=f"{build}:{build}/examples:{os.environ['PATH']}")
        work = folder / "work"
        work.mkdir()
        self.process = subprocess.Popen(
            ["bash", "--norc", "--noprofile"], cwd=work, env=env, stdin=subprocess.PIPE,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, start_new_session=True)
        self.lines = []
        self.changed = threading.Condition()
        threading.Thread(target=self.read, daemon=True).start()

    def read(self):
        for line in self.process.stdout:
            with self.changed:
                self.lines.append(line.decode(errors="replace").rstrip("\n"))
                self.changed.notify_all()
        with self.changed:
            self.lines.append(None)
            self.changed.notify_all()

    def run(self, command, enough):
        """What the command prints. In the background: until `enough` says so of the lines."""
        mark = f"--done-{time.monotonic_ns()}--"
        with self.changed:
            self.lines.clear()
        background = command.rstrip().endswith("&")
        text = command + "\n" + ("" if background else f"printf '\\n{mark}\\n'\n")
        self.process.stdin.write(text.encode())
        self.process.stdin.flush()

        def over():
            if None in self.lines:
                return True
            return enough(self.lines) if background else mark in self.lines

        with self.changed:
            self.changed.wait_for(over, PATIENCE)
            got = [line for line in self.lines if line is not None]
        if not background and mark in got:
            got = got[: got.index(mark)]
            if got and got[-1] == "":
                got.pop()  # ours
        return got

    def end(self):
        for how in (signal.SIGTERM, signal.SIGKILL):
            try:
                os.killpg(self.process.pid, how)
            except ProcessLookupError:
                break
            time.sleep(0.2)
        self.process.wait()


def matches(shown, got):
    """Whether the printed lines are those shown, where `…` is a wildcard."""
    if not shown:
        return not got
    if shown[0].strip() == "…":
        return any(matches(shown[1:], got[i:]) for i in range(len(got) + 1))
    if not got:
        return False
    pattern = ".*".join(re.escape(part) for part in narrow(shown[0]).split("…"))
    return re.fullmatch(pattern, narrow(got[0])) is not None and matches(shown[1:], got[1:])


def narrow(line):
    """The line with one space between columns: how wide they are depends on what is in them."""
    return re.sub(r"(?<=\S)  +", " ", line.rstrip())


def commands_of(block):
    """[(command, shown lines, index of the first shown line)] of a block's lines."""
    found = []
    for i, line in enumerate(block):
        if line.startswith("$ "):
            found.append([line[2:], [], i + 1])
        elif found and line.startswith("> ") and not found[-1][1]:
            found[-1][0] += "\n" + line[2:]
            found[-1][2] = i + 1
        elif found:
            found[-1][1].append(line)
    return found


def check_page(path, build, fix):
    text = path.read_text().split("\n")
    if not any(line.strip() == "```console" for line in text):
        return 0, 0
    passed = failed = 0
    folder = pathlib.Path(tempfile.mkdtemp(prefix="console-"))
    shell = Shell(build, folder)
    changes = []
    try:
        i = 0
        while i < len(text):
            hidden = HIDDEN.match(text[i].strip())
            if hidden:
                shell.run(hidden.group(1), bool)
            if text[i].strip() != "```console":
                i += 1
                continue
            end = text.index("```", i + 1)
            for command, shown, at in commands_of(text[i + 1 : end]):
                got = shell.run(command, lambda lines: matches(shown, lines))
                if matches(shown, got):
                    passed += 1
                    continue
                failed += 1
                where = f"{path.relative_to(ROOT)}:{i + 1 + at}"
                print(f"{where}: $ {command}\n  shown:")
                print("\n".join("    " + line for line in shown) + "\n  printed:")
                print("\n".join("    " + line for line in got))
                changes.append((i + 1 + at, len(shown), got))
            i = end + 1
    finally:
        shell.end()
        shutil.rmtree(folder, ignore_errors=True)
    if fix and changes:
        for at, count, got in reversed(changes):
            text[at : at + count] = got
        path.write_text("\n".join(text))
    return passed, failed


def main():
    arguments = sys.argv[1:]
    fix = "--fix" in arguments
    arguments = [a for a in arguments if a != "--fix"]
    if not arguments:
        sys.exit(__doc__)
    build = pathlib.Path(arguments[0]).resolve()
    pages = [pathlib.Path(a).resolve() for a in arguments[1:]] or [
        ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
    passed = failed = 0
    for page in pages:
        good, bad = check_page(page, build, fix)
        passed += good
        failed += bad
    print(f"{passed} passed, {failed} failed")
    sys.exit(failed != 0)


main()
