"""Wall clock of `bnn-cpu train`: up to the end of the first step, and whole; and its peak memory.

    cargo build --release
    python tests/tools/start_up.py [--rounds 5] [--whole] -- [ARGUMENTS OF train]

Without --whole each round ends with the first step. Linux alone: the peak is VmHWM.
"""

import argparse
import json
import os
import pathlib
import re
import statistics
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
TARGET = pathlib.Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target")).absolute()


def peak(pid: int) -> float:
    """Peak memory in MB so far."""
    status = pathlib.Path(f"/proc/{pid}/status").read_text()
    return int(re.search(r"VmHWM:\s+(\d+)", status)[1]) / 1024


def round_of(arguments: list[str], whole: bool) -> tuple[float, float, float]:
    """Seconds to the first step's report, seconds in all, and MB at most."""
    with tempfile.TemporaryDirectory() as folder:
        command = [str(TARGET / "release" / "bnn-cpu"), "train", "--json", "--out", folder + "/run", *arguments]
        begun, first, most = time.monotonic(), 0.0, 0.0
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as run:
            for line in run.stdout:
                event = json.loads(line).get("event")
                if event == "step" and not first:
                    first = time.monotonic() - begun
                if event in ("step", "epoch", "testing"):
                    most = peak(run.pid)
                if event == "step" and not whole:
                    run.kill()
                    break
        seconds = time.monotonic() - begun
        if not first or (whole and run.returncode != 0):
            sys.exit("start_up.py: the program reported no step or did not end well; see its message above")
        return first, seconds, most


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("arguments", nargs="*", help="arguments of train, after --")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--whole", action="store_true", help="let each run come to its end")
    args = parser.parse_args()
    rounds = [round_of(args.arguments, args.whole) for _ in range(args.rounds)]
    names = ["seconds to the first step", "seconds in all" if args.whole else "seconds until ended", "MB at most"]
    for name, values in zip(names, zip(*rounds)):
        print(f"{name}: median {statistics.median(values):.3f} ({min(values):.3f} to {max(values):.3f})")


if __name__ == "__main__":
    main()
