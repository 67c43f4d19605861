"""Tsetlin machines: trained with green-tsetlin, and run as the C that its predictor writes."""

import concurrent.futures
import ctypes
import json
import pathlib
import subprocess
import tempfile
from typing import Any, Callable, Iterator

import harness
from harness import Mnist, Options

# Clauses, the threshold of the votes, the specificity s, and the most pixels that one clause may read.
NETWORKS = {"tsetlin-500": (500, 500, 10.0, 15), "tsetlin-2000": (2000, 2000, 10.0, 20)}
EPOCHS, ABOVE = 40, 75
FLAGS = ["-O3", "-march=native", "-s", "-shared", "-fPIC"]

# The written function keeps its votes in a static array, which two threads must not share: here it is a local one.
WRAPPER = """
#include <inttypes.h>
#include <string.h>
#define static
#include "rules.h"
#undef static
void predict_batch(uint8_t *pixels, int images, int64_t *classes) {
    for (int i = 0; i < images; i++) classes[i] = predict_tm(pixels + 784 * i);
}
"""


def check() -> None:
    import green_tsetlin  # noqa: F401

    subprocess.run(["gcc", "--version"], check=True, capture_output=True)


def literals(pixels: Any) -> Any:
    return (pixels > ABOVE).reshape(len(pixels), 784).astype("uint8")


def fit(network: str, data: Mnist, options: Options, epochs: int, path: pathlib.Path) -> dict[str, Any]:
    """green-tsetlin's trainer on two threads, an epoch at a time from the state before; keeps the best epoch's C."""
    import green_tsetlin

    clauses, threshold, specificity, budget = NETWORKS[network]
    machine = green_tsetlin.TsetlinMachine(784, clauses, 10, specificity, threshold, literal_budget=budget)
    x, valid = literals(data.train), literals(data.valid)
    y, valid_y = data.train_labels.astype("uint32"), data.valid_labels.astype("uint32")
    rules = [0]

    def epoch(number: int, __: float) -> float:
        trainer = green_tsetlin.Trainer(machine, seed=harness.SEED + number, n_jobs=harness.THREADS, n_epochs=1,
                                        load_best_state=False, progress_bar=False)
        trainer.set_train_data(x, y)
        trainer.set_eval_data(valid, valid_y)
        trainer.train()
        return float(trainer.results["best_eval_score"])

    def keep() -> None:
        predictor = machine.get_predictor()
        rules[0] = len(predictor._ruleset)
        predictor.export_as_program(str(path), "topological_c")

    return harness.train(network, epochs, options, epoch, keep) | {"rules": rules[0]}


def compiled(source: pathlib.Path) -> bytes:
    """A library for this processor; it is compiled in each run, never kept, for it may not run on another."""
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        (folder / "rules.h").write_text(source.read_text())
        (folder / "batch.c").write_text(WRAPPER)
        subprocess.run(["gcc", *FLAGS, "-o", str(folder / "batch.so"), str(folder / "batch.c")], check=True)
        return (folder / "batch.so").read_bytes()


def ready(content: bytes) -> Callable[[Any], Any]:
    """From bytes to classes: two threads, each with half of a batch."""
    import numpy

    with tempfile.NamedTemporaryFile(suffix=".so") as file:
        file.write(content)
        file.flush()
        run = ctypes.CDLL(file.name).predict_batch
    run.argtypes, run.restype = [ctypes.c_void_p, ctypes.c_int, ctypes.c_void_p], None
    pool = concurrent.futures.ThreadPoolExecutor(harness.THREADS)

    def part(pixels: Any) -> Any:
        bits = numpy.greater(pixels, ABOVE)
        classes = numpy.empty(len(pixels), "int64")
        run(bits.ctypes.data, len(pixels), classes.ctypes.data)
        return classes

    return lambda pixels: numpy.concatenate(list(pool.map(part, numpy.array_split(pixels, harness.THREADS))))


def run(options: Options) -> Iterator[dict[str, Any]]:
    import importlib.metadata

    data = harness.mnist()
    for network in harness.chosen(list(NETWORKS), options):
        epochs = options.epochs or EPOCHS
        path = harness.stem(network, epochs, options)
        source, about = path.with_name(path.name + ".h"), path.with_name(path.name + ".json")
        if not about.exists():
            about.write_text(json.dumps(fit(network, data, options, epochs, source)) + "\n")
        training = json.loads(about.read_text())
        content = compiled(source)
        yield harness.measured(
            "green-tsetlin", network, importlib.metadata.version("green-tsetlin"), ready(content), len(content), data,
            options, f"numpy compares the bytes with {ABOVE}; a pixel stays a byte, 0 or 1.",
            f"The compiled library, stripped; it has {training['rules']} rules.", training)
