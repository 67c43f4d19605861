#!/usr/bin/env python3
"""Trains a row of a table with several settings and compares them by validation images.

    python3 tests/tools/sweep.py PROGRAM GRID.json OUT.json

Grids of this project are in data/sweeps, their logs in results/sweeps.

No run of a sweep looks at a test image (`bnn-cpu train --no-test`). GRID.json holds

    {"row": "...", "base": ["--binary", "none", ...], "seeds": [1, 2],
     "tried": [{"name": "...", "flags": ["--lr", "0.005"]}, ...]}

OUT.json is the log: every setting with the flags that make it, the validation loss and
accuracy of the best epoch of each seed, the seconds, the commit and the processor, and the
setting with the lowest mean validation loss. It is written anew after each run; a run that
is in it already is not trained again.
"""

import argparse
import json
import pathlib
import subprocess
import sys
import tempfile


def train(program, flags, seed):
    """The validation record of one run, and the run's configuration."""
    with tempfile.TemporaryDirectory() as folder:
        run = pathlib.Path(folder) / "run"
        command = [program, "--json", "train", *flags, "--seed", str(seed)]
        command += ["--no-test", "--out", str(run)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            return {"seed": seed, "error": done.stderr.strip().splitlines()[-1]}
        lines = [json.loads(line) for line in done.stdout.splitlines() if line.strip()]
        last = [line for line in lines if line.get("event") == "validation"][-1]
        seconds = sum(line["seconds"] for line in lines if line.get("event") == "epoch")
        config = json.loads((run / "config.json").read_text())
        return {
            "seed": seed,
            "epoch": last["epoch"],
            "val_loss": last["val_loss"],
            "val_accuracy": last["val_accuracy"],
            "seconds": round(seconds, 1),
            "config_sha256": config["config_sha256"],
        }


def mean(values):
    return sum(values) / len(values)


def choose(tried, seeds):
    """The setting with the lowest mean validation loss, of those with every seed."""
    whole = [t for t in tried if len([r for r in t["runs"] if "error" not in r]) == len(seeds)]
    if not whole:
        return None
    return min(whole, key=lambda t: mean([r["val_loss"] for r in t["runs"]]))["name"]


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("program")
    parser.add_argument("grid", type=pathlib.Path)
    parser.add_argument("out", type=pathlib.Path)
    args = parser.parse_args()
    grid = json.loads(args.grid.read_text())
    log = {**grid, "version": "", "chosen": None}
    version = subprocess.run([args.program, "--version"], capture_output=True, text=True, check=True)
    log["version"] = version.stdout.strip()
    for entry in log["tried"]:
        entry["runs"] = []
    if args.out.exists():
        old = json.loads(args.out.read_text())
        if (old["base"], old["version"]) != (grid["base"], log["version"]):
            sys.exit(f"{args.out}: is of other settings, or of another program, than now; "
                     "move it away")
        known = {(tuple(t["flags"]), r["seed"]): r for t in old["tried"] for r in t["runs"]}
    else:
        known = {}
    for seed in grid["seeds"]:
        for entry in log["tried"]:
            found = known.get((tuple(entry["flags"]), seed))
            if found is None:
                found = train(args.program, grid["base"] + entry["flags"], seed)
                print(entry["name"], found, flush=True)
            entry["runs"].append(found)
            log["chosen"] = choose(log["tried"], grid["seeds"])
            log["budget_runs"] = sum(len(t["runs"]) for t in log["tried"])
            args.out.write_text(json.dumps(log, indent=2) + "\n")


if __name__ == "__main__":
    main()
