"""The console script ``bnn-cpu``: the whole program, in this process."""

from __future__ import annotations

import sys

from . import _native


def main() -> None:
    """Run the program with the arguments of this process, and end with its exit code."""
    code = _native.main(["bnn-cpu", *sys.argv[1:]])
    sys.exit(code)
