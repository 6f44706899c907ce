#!/usr/bin/env python3
"""Checks that the documentation is what the tree says.

    tools/check_docs.py [FILE.md …]      without files: README, CHANGELOG and everything in docs/
    tools/check_docs.py --fix [FILE.md …]    writes the quoted code anew

A fenced block right behind a line `<!-- quote PATH -->` equals the file PATH, and behind
`<!-- quote PATH FROM … TO -->` its lines from the first that begins with FROM (white space apart)
to the next that begins with TO in the same column. Relative links lead to files that exist, and to headings of them.
"""

import pathlib
import re
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
MARK = re.compile(r"<!-- quote (\S+)(?: (.+?) … (.+?))? -->")
LINK = re.compile(r"(?<!!)\[[^\]]*\]\(([^)\s]+)\)")
LANGUAGE = {".hpp": "cpp", ".cpp": "cpp", ".txt": "text"}


def quoted(path, first, last):
    """The lines a mark asks for; an error message if there are none."""
    try:
        lines = (ROOT / path).read_text().rstrip("\n").split("\n")
    except OSError as e:
        return None, f"cannot quote {path}: {e.strerror}"
    if first is None:
        return lines, None
    starts = [i for i, line in enumerate(lines) if line.strip().startswith(first)]
    if not starts:
        return None, f"{path} has no line that begins with '{first}'"
    start = lines[starts[0]]
    indent = start[: len(start) - len(start.lstrip())]
    for end in range(starts[0], len(lines)):
        if lines[end].startswith(indent + last) and (end > starts[0] or first == last):
            return [x.removeprefix(indent) for x in lines[starts[0] : end + 1]], None
    return None, f"{path} has no line that begins with '{last}' behind '{first}'"


def check_quotes(lines):
    """Yields (line number, problem) and returns the lines as they should be."""
    out, problems, i = [], [], 0
    while i < len(lines):
        out.append(lines[i])
        mark = MARK.fullmatch(lines[i].strip())
        i += 1
        if not mark:
            continue
        wanted, problem = quoted(*mark.groups())
        fence = "```" + LANGUAGE.get(pathlib.Path(mark[1]).suffix, "")
        if problem:
            problems.append((i, problem))
            continue
        end = i
        if i < len(lines) and lines[i].startswith("```"):
            end = next((k for k in range(i + 1, len(lines)) if lines[k] == "```"), i) + 1
        if lines[i:end] != [fence, *wanted, "```"]:
            problems.append((i, f"is not what {mark[1]} says; tools/check_docs.py --fix"))
        out += [fence, *wanted, "```"]
        i = end
    return out, problems


def anchors(text):
    """The names GitHub gives to headings."""
    found = set()
    for heading in re.findall(r"^#+ (.+)$", text, re.M):
        name = re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")
        found.add(name)
    return found


def check_links(file, lines):
    problems, fenced = [], False
    for number, line in enumerate(lines, 1):
        if line.startswith("```"):
            fenced = not fenced
        if fenced:
            continue
        for target in LINK.findall(re.sub(r"`[^`]*`", "", line)):
            if re.match(r"[a-z]+:", target):
                continue
            path, _, anchor = target.partition("#")
            to = (file.parent / path).resolve() if path else file
            if not to.exists():
                problems.append((number, f"link to {target}: no such file"))
            elif anchor and anchor not in anchors(to.read_text()):
                problems.append((number, f"link to {target}: no such heading"))
    return problems


def main(arguments):
    fix = "--fix" in arguments
    files = [pathlib.Path(a).resolve() for a in arguments if a != "--fix"]
    files = files or [ROOT / "README.md", ROOT / "CHANGELOG.md", *sorted((ROOT / "docs").rglob("*.md"))]
    failed = 0
    for file in files:
        text = file.read_text()
        lines = text.split("\n")
        right, problems = check_quotes(lines)
        if fix:
            if right != lines:
                file.write_text("\n".join(right))
            lines = right
            problems = [p for p in problems if "--fix" not in p[1]]
        for number, problem in sorted(problems + check_links(file, lines)):
            print(f"{file.relative_to(ROOT)}:{number}: {problem}")
            failed += 1
    print(f"{len(files)} pages, {failed} problems")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
