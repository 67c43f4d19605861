#!/usr/bin/env python3
"""Checks the pages in book/src without building them.

  python3 tests/tools/book.py [PROGRAM]

Every page stands in SUMMARY.md and every entry there is a page; every link within the book, and
every file of the repository that a page names in backquotes, is there. With a program, every
subcommand and every flag of the commands in the pages is one that its help names.
"""
import re
import shlex
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PAGES = ROOT / "book" / "src"
LINK = re.compile(r"\]\(([^)\s]+)\)")
# Files of the repository, by the folders that it has.
FILE = re.compile(r"`((?:benches|book|data|examples|results|src|tests)/[\w./*-]+)`")
BLOCK = re.compile(r"```sh\n(.*?)```", re.DOTALL)


def linked(page: Path) -> list[str]:
    """What a page links to and does not find."""
    text = page.read_text(encoding="utf-8")
    targets = [t.split("#")[0] for t in LINK.findall(text) if "://" not in t]
    missing = [t for t in targets if t and not (page.parent / t).exists()]
    for name in FILE.findall(text):
        found = list(ROOT.glob(name)) if "*" in name else [ROOT / name]
        if not found or not all(path.exists() for path in found):
            missing.append(name)
    return missing


def commands(text: str) -> list[str]:
    """The program's commands in the shell blocks of a text, without comments."""
    lines = (line.split(" #")[0].strip() for block in BLOCK.findall(text) for line in block.splitlines())
    return [line.split("|")[0] for line in lines if line.startswith("bnn-cpu ")]


def unknown(program: str, command: str) -> list[str]:
    """The words of a command that the program's help does not have."""
    words = shlex.split(command)[1:]
    path = []
    for word in words[:2]:
        if word.startswith("-") or subprocess.run(
            [program, *path, word, "--help"], capture_output=True).returncode != 0:
            break
        path.append(word)
    if not path:
        return words[:1]
    told = subprocess.run([program, *path, "--help"], capture_output=True, text=True, check=True)
    shared = subprocess.run([program, "--help"], capture_output=True, text=True, check=True)
    flags = set(re.findall(r"(?<![\w-])--?[a-z][\w-]*", told.stdout + shared.stdout))
    return [w for w in words if w.startswith("-") and w.split("=")[0] not in flags]


def main() -> None:
    failures = []
    summary = (PAGES / "SUMMARY.md").read_text(encoding="utf-8")
    named = set(LINK.findall(summary))
    there = {page.name for page in PAGES.glob("*.md")} - {"SUMMARY.md"}
    failures += [f"SUMMARY.md: there is no page {name}" for name in sorted(named - there)]
    failures += [f"{name}: is not in SUMMARY.md" for name in sorted(there - named)]
    checked = 0
    for page in sorted(PAGES.glob("*.md")):
        failures += [f"{page.name}: {target} is not there" for target in linked(page)]
        for command in commands(page.read_text(encoding="utf-8")) if len(sys.argv) > 1 else []:
            checked += 1
            words = unknown(sys.argv[1], command)
            failures += [f"{page.name}: `{command.strip()}`: {word} is unknown" for word in words]
    print("\n".join(failures) if failures else f"{len(there)} pages, {checked} commands: sound")
    sys.exit(bool(failures))


if __name__ == "__main__":
    main()
