#!/usr/bin/env python3
"""Runs the commands of README.md, in their order, in an empty folder.

  python3 tests/tools/readme.py PROGRAM [--whole]

The commands are the lines of the blocks marked `sh` that begin with `bnn-cpu`; `cargo run -- ...`
is run as PROGRAM with those arguments, and other cargo commands are left to .ci/run. A command
whose comment has a time in brackets is long: it is run with the flags of SHORT behind it, or as it
stands with --whole. One whose brackets begin with `fetches` needs the network: of it only the flags
are checked, as of the tables of large networks and of the commands that stand within sentences.

MNIST and Omniglot are found as the program finds them ($BNN_CPU_DATA, $BNN_CPU_OMNIGLOT).
"""
import re
import shlex
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path

from book import BLOCK, ROOT, unknown

# What makes a long command short, by its subcommand.
SHORT = {
    "train": ["--epochs", "1"],
    "few-shot": ["--epochs", "1", "--episodes", "10", "--eval-episodes", "20"],
    "sweep": ["--epochs", "1", "--seeds", "1", "--model", "mlp"],
    "table": ["--epochs", "1", "--seeds", "1", "--rows", "stoch-both-st-logistic", "--dataset", "digits"],
    "lab": ["--images", "8", "--draws", "20", "--warm-up", "4", "--reference-draws", "20"],
}
# Suites of networks that no flag makes short: of them, too, only the flags are checked.
LARGE = ("few-shot", "omniglot")
INLINE = re.compile(r"`(bnn-cpu [^`]+)`")
LONG = re.compile(r"#.*\[(?P<what>[^\]]+)\]\s*$")


def lines(text: str) -> list[tuple[str, str]]:
    """Each command, and what stands in its brackets."""
    found = []
    for block in BLOCK.findall(text):
        for line in block.splitlines():
            long = LONG.search(line)
            command = line.split(" #")[0].strip()
            found.append((command, long["what"] if long else ""))
    return [(command, what) for command, what in found if command]


def short(words: list[str]) -> list[str]:
    if "few-shot" in words and words[0] == "train":
        return SHORT["few-shot"]
    return SHORT[words[0]]


def without(words: list[str], flags: list[str]) -> list[str]:
    """The words without those flags and their values."""
    kept, skip = [], False
    for word in words:
        if not skip and word not in flags:
            kept.append(word)
        skip = not skip and word in flags
    return kept


def serve(program: str, folder: Path) -> str:
    """Starts the page, fetches it once and ends it; what went wrong."""
    child = subprocess.Popen([program, "serve"], cwd=folder, stdout=subprocess.PIPE, text=True)
    try:
        url = child.stdout.readline().strip()
        with urllib.request.urlopen(url, timeout=30) as page:
            return "" if b"<html" in page.read() else "no page"
    finally:
        child.terminate()
        child.wait(30)


def run(program: str, command: str, what: str, folder: Path, whole: bool) -> str:
    """Runs a command; what went wrong, or nothing."""
    large = " table " in command and command.endswith(LARGE)
    if what.startswith("fetches") or (large and not whole):
        return " ".join(unknown(program, command))
    if command == "bnn-cpu serve":
        return serve(program, folder)
    if command.startswith("cargo run "):
        command = "bnn-cpu " + command.split(" -- ", 1)[1]
    words = shlex.split(command)[1:]
    if what and not whole:
        flags = short(words)
        words = without(words, flags[::2]) + flags
    line = " ".join([shlex.quote(program), *(w if w == ">" else shlex.quote(w) for w in words)])
    ended = subprocess.run(line, shell=True, cwd=folder, capture_output=True, text=True)
    return "" if ended.returncode == 0 else f"exit {ended.returncode}: {ended.stderr[-500:]}"


def main() -> None:
    program = str(Path(sys.argv[1]).resolve())
    whole = "--whole" in sys.argv[2:]
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    failures = []
    with tempfile.TemporaryDirectory() as name:
        for command, what in lines(text):
            if command.startswith("cargo ") and not command.startswith("cargo run "):
                continue
            begun = time.monotonic()
            fault = run(program, command, what, Path(name), whole)
            took = time.monotonic() - begun
            print(f"{took:7.1f} s  {'FAILED' if fault else 'ok':6}  {command}  {what}", flush=True)
            failures += [f"{command}: {fault}"] if fault else []
    for command in INLINE.findall(" ".join(text.split("\n"))):
        bare = command.replace("...", "")
        words = [] if any(c in bare for c in "<>|") else unknown(program, bare)
        failures += [f"`{command}`: {word} is unknown" for word in words]
    print("\n".join(failures) if failures else "every command of README.md does what it says")
    sys.exit(bool(failures))


if __name__ == "__main__":
    main()
