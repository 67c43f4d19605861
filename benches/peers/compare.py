"""Times this project and PyTorch in alternation on the same training step.

    pip install torch numpy safetensors
    python benches/peers/compare.py

Contestants can also be given as commands, ours first; each must print a JSON
line with "name" and "img_per_s":

    python benches/peers/compare.py "COMMAND OF OURS" "COMMAND OF THEIRS" ...
"""

import argparse
import importlib.util
import json
import os
import pathlib
import platform
import resource
import shlex
import statistics
import subprocess
import sys
import time
from typing import Any

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parents[1]


def fail(message: str) -> None:
    sys.exit(f"compare.py: {message}")


def shown(command: list[str]) -> str:
    """The command without this machine's folders."""
    scripts = ("seednet_torch.py", "omniglot_torch.py")
    local = {str(HERE / script): f"benches/peers/{script}" for script in scripts} | {sys.executable: "python3"}
    return shlex.join(local.get(word, word) for word in command)


def contestants(args: argparse.Namespace) -> list[list[str]]:
    """The commands, ours first; builds ours so that no compilation is timed."""
    if args.commands:
        if len(args.commands) < 2:
            fail("one command given; give two or more, or none for the standard contest")
        return [shlex.split(command) for command in args.commands]
    if importlib.util.find_spec("torch") is None:
        fail("PyTorch is not installed; run: pip install torch numpy safetensors")
    load = ["--batch", str(args.batch), "--threads", str(args.threads), "--steps", str(args.steps)]
    common = ["--binary", args.binary, *load]
    build = ["cargo", "build", "--release", "--quiet", "--example", "throughput"]
    try:
        built = subprocess.run(build, cwd=ROOT).returncode == 0
    except FileNotFoundError:
        fail("cargo is not on the PATH; install Rust from https://rustup.rs")
    if not built:
        fail("the example 'throughput' did not build; see cargo's message above")
    ours = ["cargo", "run", "--release", "--quiet", "--example", "throughput", "--", *common]
    if args.model != "seed-net":
        if args.binary != "none" or args.candle:
            fail(f"{args.model} is compared without binary layers and without candle")
        pool = "stride" if args.model.endswith("-stride") else "max"
        script = [sys.executable, str(HERE / "omniglot_torch.py"), "--pool", pool, *load]
        variants = ("default", "channels-last", "default-plain", "channels-last-plain")
        few = ["--warmup", "1", "--model", args.model]
        return [[*ours, *few], *([*script, "--variant", v] for v in variants)]
    script = [sys.executable, str(HERE / "seednet_torch.py")]
    theirs = [[*script, "--variant", v, *common] for v in ("default", "best", "bf16")]
    if args.candle:
        if args.binary != "none":
            fail("candle takes part without binary layers alone; give --binary none")
        manifest = ["--manifest-path", str((HERE / "candle" / "Cargo.toml").relative_to(ROOT))]
        if subprocess.run(["cargo", "build", "--release", "--quiet", *manifest], cwd=ROOT).returncode != 0:
            fail("candle did not build; see cargo's message above")
        few = common[:-1] + [str(max(1, args.steps // 10))]
        theirs.append(["cargo", "run", "--release", "--quiet", *manifest, "--", *few])
    return [ours, *theirs]


def measure(command: list[str]) -> dict[str, Any]:
    """Runs one contestant and reads the last JSON line it printed."""
    shown = shlex.join(command)
    try:
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    except OSError as error:
        fail(f"cannot run '{shown}': {error.strerror}")
    if done.returncode != 0:
        last = (done.stderr.strip() or "no message").splitlines()[-1]
        fail(f"'{shown}' ended with status {done.returncode}: {last}")
    for line in reversed(done.stdout.splitlines()):
        try:
            result = json.loads(line)
        except json.JSONDecodeError:
            continue
        if isinstance(result, dict) and "name" in result and result.get("img_per_s", 0) > 0:
            return result
    fail(f"'{shown}' printed no JSON line with name and img_per_s")
    raise AssertionError


def busy_seconds() -> tuple[float, float] | None:
    """CPU seconds used by the whole machine and by our contestants; None where the system does not tell."""
    try:
        fields = pathlib.Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:9]
    except OSError:
        return None
    ticks = [int(field) for field in fields]
    own = resource.getrusage(resource.RUSAGE_CHILDREN)
    return (sum(ticks) - ticks[3] - ticks[4]) / os.sysconf("SC_CLK_TCK"), own.ru_utime + own.ru_stime


def spread(values: list[float]) -> dict[str, float]:
    return {"median": statistics.median(values), "min": min(values), "max": max(values)}


def processor() -> str:
    try:
        lines = pathlib.Path("/proc/cpuinfo").read_text().splitlines()
        return next(line.split(":", 1)[1].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor() or platform.machine()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("commands", nargs="*", help="contestants, ours first (default: ours, PyTorch default, best and bf16)")
    parser.add_argument("--model", default="seed-net", choices=["seed-net", "omniglot-net", "omniglot-net-stride"])
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--binary", default="none", choices=["none", "first", "last", "both"])
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--steps", type=int, default=200)
    parser.add_argument("--candle", action="store_true", help="candle takes part, too (built from the registry)")
    parser.add_argument("--json", metavar="FILE", type=pathlib.Path, help="also write every figure to FILE")
    args = parser.parse_args()
    if args.rounds < 1:
        fail("--rounds is below 1; give at least 1")

    commands = contestants(args)
    rounds: list[list[dict[str, Any]]] = []
    before, start = busy_seconds(), time.monotonic()
    for number in range(args.rounds):
        # Each round starts with another contestant, so none always runs on the warmer machine.
        order = [(number + i) % len(commands) for i in range(len(commands))]
        results = {i: measure(commands[i]) for i in order}
        rounds.append([results[i] for i in range(len(commands))])
        print(f"round {number + 1}/{args.rounds}", file=sys.stderr)

    after, seconds = busy_seconds(), time.monotonic() - start
    others = None
    if before and after:
        others = max(0.0, (after[0] - before[0] - after[1] + before[1]) / seconds)

    names = [result["name"] for result in rounds[0]]
    rates = [[float(row[i]["img_per_s"]) for row in rounds] for i in range(len(names))]
    ratios = [[a / b for a, b in zip(rates[0], theirs)] for theirs in rates[1:]]

    width = max(map(len, names))
    print(f"{names[0]} against (times as fast; median of {args.rounds} rounds, min to max)")
    for name, ratio in zip(names[1:], ratios):
        s = spread(ratio)
        print(f"  {name:<{width}}  {s['median']:.2f}x  ({s['min']:.2f} to {s['max']:.2f})")
    print(f"\n  {'images per second':<{width}}  {'median':>8}  {'min':>8}  {'max':>8}")
    for name, values in zip(names, rates):
        s = spread(values)
        print(f"  {name:<{width}}  {s['median']:>8.0f}  {s['min']:>8.0f}  {s['max']:>8.0f}")
    print(f"\n{processor()}, {os.cpu_count()} processors, {platform.system()}")
    if others is not None:
        busy = "; too busy for these figures to count, run it again" if others > 0.1 else ""
        print(f"other programs used {others:.2f} processors meanwhile{busy}")

    if args.json:
        report = {
            "processor": processor(), "processors": os.cpu_count(), "system": platform.platform(),
            "other_programs": others,
            "commands": [shown(c) for c in commands],
            "ratios": [{"ours": names[0], "theirs": n} | spread(r) for n, r in zip(names[1:], ratios)],
            "img_per_s": [{"name": n} | spread(r) for n, r in zip(names, rates)],
            "rounds": rounds,
        }
        try:
            args.json.write_text(json.dumps(report, indent=1) + "\n")
        except OSError as error:
            fail(f"cannot write {args.json}: {error.strerror}")


if __name__ == "__main__":
    main()
