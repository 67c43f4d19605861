"""What every engine here needs: MNIST, the cache of trained models, the clock and the line of figures."""

import dataclasses
import itertools
import pathlib
import statistics
import sys
import time
from typing import Any, Callable

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parents[2]
sys.path.insert(0, str(HERE.parent))

import compare  # noqa: E402
from infer import idx  # noqa: E402

BATCH, THREADS, VALIDATION, SEED = 1000, 2, 6000, 1


@dataclasses.dataclass
class Options:
    """What the command line decides about training and timing."""

    cache: pathlib.Path
    epochs: int | None  # None: each engine's own number
    minutes: float  # the limit of one training
    networks: list[str] | None  # None: all of an engine's networks
    repeats: int
    seconds: float


@dataclasses.dataclass
class Mnist:
    """MNIST's pixels as bytes, n x 28 x 28; the last 6,000 training images choose the epoch."""

    train: Any
    train_labels: Any
    valid: Any
    valid_labels: Any
    test: Any
    test_labels: Any


def mnist() -> Mnist:
    x, y = idx("train-images-idx3-ubyte"), idx("train-labels-idx1-ubyte")
    return Mnist(x[:-VALIDATION], y[:-VALIDATION], x[-VALIDATION:], y[-VALIDATION:],
                 idx("t10k-images-idx3-ubyte"), idx("t10k-labels-idx1-ubyte"))


def chosen(names: list[str], options: Options) -> list[str]:
    """Those of an engine's networks that were asked for."""
    return [name for name in names if options.networks is None or name in options.networks]


def stem(network: str, epochs: int, options: Options) -> pathlib.Path:
    """The path, without ending, of a trained network in the cache: another training has another name."""
    options.cache.mkdir(parents=True, exist_ok=True)
    return options.cache / f"{network}-{epochs}-epochs-{options.minutes:g}-minutes"


def train(network: str, epochs: int, options: Options, epoch: Callable[[int, float], float],
          keep: Callable[[], None]) -> dict[str, Any]:
    """Calls `epoch`, which trains once and returns the accuracy on the validation images, and `keep` after the best.

    `epoch` gets its number from 0 and the part of the training that is over, in epochs or in minutes, whichever is
    greater. The training ends before an epoch that would probably end after the limit of minutes.
    """
    begun, best, at, number = time.monotonic(), -1.0, 0, 0
    for number in range(1, epochs + 1):
        over = max((number - 1) / epochs, (time.monotonic() - begun) / (60 * options.minutes))
        accuracy = epoch(number - 1, over)
        if accuracy > best:
            best, at = accuracy, number
            keep()
        spent = time.monotonic() - begun
        print(f"{network}: epoch {number}/{epochs}, validation accuracy {100 * accuracy:.2f} %, {spent:.0f} s",
              file=sys.stderr, flush=True)
        if number < epochs and spent * (number + 1) / number > options.minutes * 60:
            print(f"{network}: stopped by the limit of {options.minutes:g} minutes", file=sys.stderr)
            break
    return {"epochs": number, "epochs_asked": epochs, "best_epoch": at, "validation_accuracy": best,
            "training_seconds": round(time.monotonic() - begun)}


def rates(call: Callable[[Any], Any], batches: list[Any], options: Options) -> list[float]:
    """Images a second, of each repeat; the batches take turns, so that no repeat sees one batch alone."""
    turn = itertools.cycle(batches)
    warm = time.perf_counter()
    while time.perf_counter() - warm < 1.0:
        call(next(turn))
    found = []
    for _ in range(options.repeats):
        begun, images = time.perf_counter(), 0
        while (spent := time.perf_counter() - begun) < options.seconds:
            batch = next(turn)
            call(batch)
            images += len(batch)
        found.append(images / spent)
    return found


def measured(engine: str, network: str, version: str, call: Callable[[Any], Any], size: int, data: Mnist,
             options: Options, preparation: str, stored: str, training: dict[str, Any]) -> dict[str, Any]:
    """The line of one engine and one network.

    `call` takes BATCH images as bytes and returns their classes: the accuracy comes from the very call that is timed.
    """
    batches = [data.test[i : i + BATCH].copy() for i in range(0, len(data.test), BATCH)]
    labels = [data.test_labels[i : i + BATCH] for i in range(0, len(data.test), BATCH)]
    right = sum(int((call(x) == y).sum()) for x, y in zip(batches, labels))
    found = rates(call, batches, options)
    return {"engine": engine, "network": network, "version": version, "accuracy": right / len(data.test),
            "n_test": len(data.test), "img_per_s": statistics.median(found), "img_per_s_min": min(found),
            "img_per_s_max": max(found), "repeats": len(found), "batch": BATCH, "threads": THREADS, "bytes": size,
            "processor": compare.processor(), "preparation": preparation, "stored": stored, "training": training}
