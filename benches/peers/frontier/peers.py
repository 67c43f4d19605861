"""Measures other engines' MNIST classifiers: accuracy, images a second from bytes, and bytes of the model.

    BNN_CPU_DATA=mnist python benches/peers/frontier/peers.py --rounds 3 --json FILE
    BNN_CPU_DATA=mnist python benches/peers/frontier/peers.py --engine torch

README.md, beside this file, says what to install.
"""

import argparse
import importlib
import json
import os
import pathlib
import statistics
import subprocess
import sys
import time
from typing import Any

# Every library reads these when it is loaded, so they come before everything else.
for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "TF_NUM_INTRAOP_THREADS"):
    os.environ[name] = "2"

import harness  # noqa: E402
from harness import Options, compare  # noqa: E402

ENGINES = {"onnxruntime": "engine_onnxruntime", "torch": "engine_torch", "larq": "engine_larq",
           "torchlogix": "engine_torchlogix", "green-tsetlin": "engine_tsetlin"}


def fail(message: str) -> None:
    sys.exit(f"peers.py: {message}")


def one(engine: str, options: Options) -> None:
    """Runs one engine in this Python; prints a line of JSON for each network."""
    for line in importlib.import_module(ENGINES[engine]).run(options):
        print(json.dumps(line), flush=True)


def missing(engine: str, python: str) -> str | None:
    """Why an engine cannot run in a Python, or nothing."""
    done = subprocess.run([python, __file__, "--engine", engine, "--check"], capture_output=True, text=True)
    return None if done.returncode == 0 else (done.stderr.strip() or "no message").splitlines()[-1]


def lines(command: list[str]) -> list[dict[str, Any]]:
    """What one engine printed; what it says of its training goes on to the terminal."""
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True)
    if done.returncode != 0:
        fail(f"the engine '{command[command.index('--engine') + 1]}' ended with status {done.returncode}")
    return [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]


def contest(pythons: dict[str, str], rounds: int, passed: list[str]) -> list[dict[str, Any]]:
    """Every engine in turn, each round beginning with another one; the rounds of a network in one row."""
    found: dict[tuple[str, str], list[dict[str, Any]]] = {}
    names = list(pythons)
    for number in range(rounds):
        for i in range(len(names)):
            engine = names[(number + i) % len(names)]
            for line in lines([pythons[engine], __file__, "--engine", engine, *passed]):
                found.setdefault((line["engine"], line["network"]), []).append(line)
        print(f"round {number + 1}/{rounds}", file=sys.stderr)
    rows = []
    for same in found.values():
        if len({line["accuracy"] for line in same}) > 1:
            print(f"{same[0]['engine']} on {same[0]['network']}: the accuracy differs from round to round",
                  file=sys.stderr)
        rows.append(same[0] | {
            "img_per_s": statistics.median(line["img_per_s"] for line in same),
            "img_per_s_min": min(line["img_per_s_min"] for line in same),
            "img_per_s_max": max(line["img_per_s_max"] for line in same),
            "repeats": sum(line["repeats"] for line in same),
            "rounds": [line["img_per_s"] for line in same]})
    return rows


def show(rows: list[dict[str, Any]]) -> None:
    print("| engine | network | accuracy % | images a second | least to greatest | bytes |")
    print("|---|---|---|---|---|---|")
    for row in sorted(rows, key=lambda row: -row["img_per_s"]):
        print(f"| {row['engine']} | {row['network']} | {100 * row['accuracy']:.2f} | {row['img_per_s']:,.0f} "
              f"| {row['img_per_s_min']:,.0f} to {row['img_per_s_max']:,.0f} | {row['bytes']:,} |")


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    target = pathlib.Path(os.environ.get("CARGO_TARGET_DIR", harness.ROOT / "target"))
    parser.add_argument("--engine", choices=list(ENGINES), help="run this engine alone, in this Python")
    parser.add_argument("--engines", nargs="+", choices=list(ENGINES), default=list(ENGINES), metavar="NAME",
                        help="who takes part without --engine")
    parser.add_argument("--python", action="append", default=[], metavar="NAME=PROGRAM",
                        help="the Python of an engine that has a virtual environment of its own")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--json", metavar="FILE", type=pathlib.Path, help="also write every figure to FILE")
    parser.add_argument("--cache", metavar="FOLDER", type=pathlib.Path, default=target / "peers-frontier",
                        help="where trained networks are kept")
    parser.add_argument("--networks", nargs="+", metavar="NAME", help="these networks alone")
    parser.add_argument("--epochs", type=int, help="the most epochs of a training (each engine has its own number)")
    parser.add_argument("--minutes", type=float, default=60, help="the most minutes of a training")
    parser.add_argument("--repeats", type=int, default=15)
    parser.add_argument("--seconds", type=float, default=0.15, help="the least time of a repeat")
    parser.add_argument("--check", action="store_true", help="with --engine: only see whether it can be imported")
    args = parser.parse_args()
    if args.repeats < 9 or args.seconds < 0.1:
        fail("a figure needs at least 9 repeats of at least 0.1 seconds")
    if args.rounds < 1 or (args.epochs is not None and args.epochs < 1) or args.minutes <= 0:
        fail("--rounds, --epochs and --minutes must be above 0")
    return args


def main() -> None:
    args = arguments()
    if args.check and args.engine:
        return importlib.import_module(ENGINES[args.engine]).check()
    if args.engine:
        return one(args.engine, Options(args.cache, args.epochs, args.minutes, args.networks, args.repeats,
                                        args.seconds))
    programs = dict(pair.split("=", 1) if "=" in pair else fail(f"--python {pair}: give NAME=PROGRAM")
                    for pair in args.python)
    if strange := set(programs) - set(ENGINES):
        fail(f"--python: {', '.join(sorted(strange))} is no engine; the engines are {', '.join(ENGINES)}")
    pythons = {name: programs.get(name, sys.executable) for name in args.engines}
    left_out = {name: why for name in pythons if (why := missing(name, pythons[name]))}
    for name, why in left_out.items():
        print(f"left out: {name} ({why})", file=sys.stderr)
    pythons = {name: python for name, python in pythons.items() if name not in left_out}
    if not pythons:
        fail("no engine can be imported; README.md says what to install")
    passed = ["--cache", str(args.cache.absolute()), "--minutes", str(args.minutes), "--repeats", str(args.repeats),
              "--seconds", str(args.seconds)]
    passed += ["--epochs", str(args.epochs)] if args.epochs else []
    passed += ["--networks", *args.networks] if args.networks else []
    before, start = compare.busy_seconds(), time.monotonic()
    rows = contest(pythons, args.rounds, passed)
    after, seconds = compare.busy_seconds(), time.monotonic() - start
    others = max(0.0, (after[0] - before[0] - after[1] + before[1]) / seconds) if before and after else None
    show(rows)
    print(f"\n{compare.processor()}, {os.cpu_count()} processors; other programs used "
          f"{'an unknown number of' if others is None else f'{others:.2f}'} processors meanwhile")
    if args.json:
        report = {"processor": compare.processor(), "processors": os.cpu_count(), "other_programs": others,
                  "left_out": left_out, "rows": rows}
        args.json.write_text(json.dumps(report, indent=1) + "\n")


if __name__ == "__main__":
    main()
