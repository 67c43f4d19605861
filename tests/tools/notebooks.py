#!/usr/bin/env python3
"""Executes the notebooks of examples/notebooks, in the environment that runs this script.

    python3 tests/tools/notebooks.py            in a short form, which CI runs; writes nothing
    python3 tests/tools/notebooks.py --write    in full, and keeps their outputs

The short form sets BNN_CPU_SHORT, by which the notebooks train less. Needs nbclient, nbformat,
ipykernel and the package bnn_cpu. MNIST is found as the program finds it.
"""

import argparse
import os
import re
import sys
import tempfile
import time
from pathlib import Path

import nbformat
from nbclient import NotebookClient

FOLDER = Path(__file__).resolve().parents[2] / "examples" / "notebooks"
# Nothing of the machine that ran a notebook belongs into it.
PRIVATE = re.compile(r"(/tmp/|/home/|/root/|/work/)[\w./-]*")


def execute(path: Path, write: bool) -> None:
    """Runs a notebook in an empty folder; keeps its outputs if asked to."""
    book = nbformat.read(path, as_version=4)
    with tempfile.TemporaryDirectory() as folder:
        resources = {"metadata": {"path": folder}}
        NotebookClient(book, timeout=1800, kernel_name="python3", resources=resources).execute()
    for cell in book.cells:
        cell.metadata.pop("execution", None)
        for output in cell.get("outputs", []):
            for text in texts(output):
                found = PRIVATE.search(text)
                if found:
                    sys.exit(f"error: {path.name}: an output names {found.group()}")
    if write:
        book.metadata = {"kernelspec": book.metadata["kernelspec"], "language_info": {"name": "python"}}
        nbformat.write(book, path)


def texts(output: dict) -> list[str]:
    """Every text of an output."""
    parts = [output.get("text", ""), *output.get("data", {}).values()]
    return ["".join(part) if isinstance(part, list) else str(part) for part in parts]


def main() -> None:
    """Runs all notebooks."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--write", action="store_true", help="in full, and keep the outputs")
    parser.add_argument("names", nargs="*", help="only these, without .ipynb")
    args = parser.parse_args()
    if not args.write:
        os.environ["BNN_CPU_SHORT"] = "1"
    for path in sorted(FOLDER.glob("*.ipynb")):
        if args.names and path.stem not in args.names:
            continue
        begun = time.monotonic()
        execute(path, args.write)
        print(f"{path.name}: {time.monotonic() - begun:.0f} s", flush=True)


if __name__ == "__main__":
    main()
