"""The Python package beside the program, the library and PyTorch, in one run, in turns.

    python benches/peers/python_speed.py --program target/release/bnn-cpu \
        --infer-speed target/release/examples/infer_speed --packed digits.packed [--torch]

Prints a JSON line for each comparison: the median of the rounds and their range.

train: images a second of `bnn_cpu.train` from arrays over those of the program on the same
images, from their own records of the epochs.  one: microseconds of `PackedNet.classify` for one
image less those of the library's runner (the example infer_speed, batch 1).  batch: images a
second of `classify` for 1,000 images over those of the library.  torch: images a second of
`bnn_cpu.Network` in a loop over those of PyTorch eager, seed-net, batch 64.
"""

import argparse
import json
import pathlib
import statistics
import subprocess
import sys
import tempfile
import time

import numpy as np

import bnn_cpu


def told(name: str, figures: list[float], unit: str) -> None:
    """Prints the median and the range of some figures."""
    line = {"comparison": name, "median": statistics.median(figures), "unit": unit}
    print(json.dumps({**line, "least": min(figures), "greatest": max(figures), "n": len(figures)}), flush=True)


def training(program: str, threads: int, epochs: int) -> float:
    """Images a second of the package over the program's."""
    rates = []
    for of in ("program", "package"):
        with tempfile.TemporaryDirectory() as folder:
            out = pathlib.Path(folder) / "run"
            if of == "program":
                flags = ["train", "--dataset", "digits", "--epochs", str(epochs), "--no-test"]
                command = [program, *flags, "--threads", str(threads), "--out", str(out), "--quiet"]
                subprocess.run(command, check=True)
                history = bnn_cpu.load(out).history
            else:
                data = bnn_cpu.Dataset.load(dataset="digits")
                history = bnn_cpu.train(
                    data=data, epochs=epochs, test=False, out=out, threads=threads, progress=False
                ).history
        rates.append(float(history["img_per_s"][-1]))
    return rates[1] / rates[0]


def library(program: str, packed: str, threads: int) -> dict[int, float]:
    """Microseconds of an image for each size of a batch, by the library."""
    command = [program, packed, "--threads", str(threads)]
    lines = subprocess.run(command, check=True, capture_output=True, text=True).stdout.splitlines()
    found = {}
    for line in map(json.loads, lines):
        if "batch" in line and line.get("threads") == threads:
            found[line["batch"]] = 1e6 / line["img_per_s"]
    return found


def timed(work: object, repeats: int) -> float:
    """Seconds of a call: the least of some medians."""
    each = []
    for _ in range(7):
        begun = time.perf_counter()
        for _ in range(repeats):
            work()
        each.append((time.perf_counter() - begun) / repeats)
    return statistics.median(each)


def eager(threads: int) -> float:
    """Images a second of PyTorch eager, by the script beside this one."""
    script = pathlib.Path(__file__).with_name("seednet_torch.py")
    command = [sys.executable, str(script), "--binary", "both", "--threads", str(threads)]
    out = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    return float(json.loads(out.splitlines()[-1])["img_per_s"])


def own_loop(steps: int = 200) -> float:
    """Images a second of a loop with `bnn_cpu.Network`."""
    net, optimizer = bnn_cpu.Network("seed-net", binary="both"), bnn_cpu.SGD(0.1)
    images = np.random.default_rng(0).integers(0, 256, (64 * 64, 1, 28, 28), np.uint8)
    labels = np.arange(64 * 64) % 10

    def step(i: int) -> None:
        at = slice(i % 64 * 64, i % 64 * 64 + 64)
        net.loss(images[at], labels[at])
        net.backward()
        net.step(optimizer)

    for i in range(20):
        step(i)
    begun = time.perf_counter()
    for i in range(steps):
        step(i)
    return 64 * steps / (time.perf_counter() - begun)


def main() -> None:
    """Compares in turns."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--program", required=True)
    parser.add_argument("--infer-speed", required=True)
    parser.add_argument("--packed", required=True)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--epochs", type=int, default=2)
    parser.add_argument("--torch", action="store_true")
    args = parser.parse_args()
    bnn_cpu.set_threads(args.threads)
    packed = bnn_cpu.PackedNet(args.packed)
    images = bnn_cpu.Dataset.load(dataset="digits").test.images[:1000]
    image = np.ascontiguousarray(images[0, 0])
    train, one, batch, torch = [], [], [], []
    for _ in range(args.rounds):
        train.append(training(args.program, args.threads, args.epochs))
        alone = library(args.infer_speed, args.packed, 1)
        one.append(1e6 * timed(lambda: packed.classify(image), 2000) - alone[1])
        all_threads = library(args.infer_speed, args.packed, args.threads)
        batch.append(all_threads[1000] / (1e3 * timed(lambda: packed.classify(images), 20)))
        if args.torch:
            torch.append(own_loop() / eager(args.threads))
    told("train", train, "package / program")
    told("one", one, "microseconds above the kernel's")
    told("batch", batch, "package / library")
    if torch:
        told("torch", torch, "package / PyTorch eager")


if __name__ == "__main__":
    main()
