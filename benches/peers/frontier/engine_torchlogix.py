"""Networks of logic gates: trained with torchlogix and compiled from the C that it writes."""

import concurrent.futures
import ctypes
import hashlib
import json
import math
import pathlib
import subprocess
import warnings
from typing import Any, Callable, Iterator

import harness
from harness import Mnist, Options

# Layers, the gates of each, the temperature by which the sums of a class are divided in training, and epochs.
NETWORKS = {"logic-4x2000": (4, 2000, 6.5, 60), "logic-6x8000": (6, 8000, 10.0, 40)}
ABOVE = 127
# Images in one word of a gate, and each thread's share of a batch rounded up to whole words.
WORD = 64
SHARE = -(-harness.BATCH // harness.THREADS // WORD) * WORD
FLAGS = ["-O3", "-march=native", "-s", "-shared", "-fPIC"]


def check() -> None:
    import torchlogix  # noqa: F401

    subprocess.run(["gcc", "--version"], check=True, capture_output=True)


def net_of(network: str) -> Any:
    import torch
    from torchlogix.layers import GroupSum, LogicDense

    depth, width, temperature, _ = NETWORKS[network]
    torch.manual_seed(harness.SEED)
    return torch.nn.Sequential(*[LogicDense(width if i else 784, width) for i in range(depth)],
                               GroupSum(10, temperature))


def fit(network: str, data: Mnist, options: Options, epochs: int, path: pathlib.Path) -> dict[str, Any]:
    """Adam with batches of 100, its step going down from 0.05 to nothing along a cosine; keeps the C of the best epoch.

    The validation images are judged by the gates themselves, not by their soft stand-ins of the training.
    """
    import torch
    from torch.nn import functional

    torch.set_num_threads(harness.THREADS)
    net = net_of(network)
    x = torch.from_numpy((data.train > ABOVE).reshape(len(data.train), 784))
    y = torch.from_numpy(data.train_labels.astype("int64"))
    valid = torch.from_numpy((data.valid > ABOVE).reshape(len(data.valid), 784))
    optimiser = torch.optim.Adam(net.parameters())

    def epoch(_: int, over: float) -> float:
        for group in optimiser.param_groups:
            group["lr"] = 0.05 * (1 + math.cos(math.pi * min(over, 1.0))) / 2
        net.train()
        order = torch.randperm(len(x))
        for i in range(0, len(x), 100):
            taken = order[i : i + 100]
            optimiser.zero_grad()
            functional.cross_entropy(net(x[taken].float()), y[taken]).backward()
            optimiser.step()
        net.eval()
        with torch.inference_mode():
            found = torch.cat([net(part.float()).argmax(1) for part in valid.split(500)]).numpy()
        return float((found == data.valid_labels).mean())

    best = path.with_suffix(".pt")
    facts = harness.train(network, epochs, options, epoch, lambda: torch.save(net.state_dict(), best))
    net.load_state_dict(torch.load(best))
    facts["gates"] = write_c(net, path)
    return facts


def write_c(net: Any, path: pathlib.Path) -> int:
    """Has torchlogix find the circuit, simplify it and write it as C; returns the number of gates left."""
    from torchlogix import Circuit

    net[-1].tau = 1.0  # Without a division the sums stay whole numbers; the greatest is the same one.
    circuit = Circuit.from_model(net, [784])
    circuit.simplify()
    path.write_text(circuit.get_c_code(pack_bits=WORD))
    return len(circuit.gates)


def compiled(source: pathlib.Path) -> pathlib.Path:
    """A library for this processor. A large circuit takes minutes, so it is kept, by all that it depends on."""
    facts = [source.read_text(), *FLAGS, harness.compare.processor()]
    target = source.with_suffix(f".{hashlib.sha256(repr(facts).encode()).hexdigest()[:12]}.so")
    if not target.exists():
        half = target.with_suffix(".part")
        subprocess.run(["gcc", *FLAGS, "-o", str(half), str(source)], check=True)
        half.rename(target)
    return target


def ready(library: ctypes.CDLL, count: type) -> Callable[[Any], Any]:
    """From bytes to classes: two threads, each with half of a batch; the package's C packs the bits and sums."""
    import numpy

    run = library.circuit_bench_bool
    run.argtypes, run.restype = [ctypes.c_void_p, ctypes.c_void_p, ctypes.c_int], None
    pool = concurrent.futures.ThreadPoolExecutor(harness.THREADS)
    bits = [numpy.zeros((SHARE, 28, 28), bool) for _ in range(harness.THREADS)]
    sums = [numpy.zeros((SHARE, 10), count) for _ in range(harness.THREADS)]

    def part(place: int, pixels: Any) -> Any:
        numpy.greater(pixels, ABOVE, out=bits[place][: len(pixels)])
        run(bits[place].ctypes.data, sums[place].ctypes.data, SHARE)
        return sums[place][: len(pixels)].argmax(1)

    def call(pixels: Any) -> Any:
        half = len(pixels) // harness.THREADS
        jobs = [pool.submit(part, i, pixels[i * half : (i + 1) * half]) for i in range(harness.THREADS)]
        return numpy.concatenate([job.result() for job in jobs])

    return call


def run(options: Options) -> Iterator[dict[str, Any]]:
    import importlib.metadata

    import numpy

    warnings.filterwarnings("ignore")
    data = harness.mnist()
    for network in harness.chosen(list(NETWORKS), options):
        epochs = options.epochs or NETWORKS[network][3]
        path = harness.stem(network, epochs, options)
        source, about = path.with_name(path.name + ".c"), path.with_name(path.name + ".json")
        if not about.exists():
            about.write_text(json.dumps(fit(network, data, options, epochs, source)) + "\n")
        training = json.loads(about.read_text())
        library = compiled(source)
        # The sums of a class are 8-bit where they fit and 16-bit otherwise: the C's own declaration tells.
        count = numpy.uint8 if "uint8_t   out[" in source.read_text() else numpy.uint16
        yield harness.measured(
            "torchlogix", network, importlib.metadata.version("torchlogix"),
            ready(ctypes.CDLL(str(library.absolute())), count), library.stat().st_size, data, options,
            f"numpy compares the bytes with {ABOVE}; the package's C packs {WORD} images into a word.",
            f"The compiled library, stripped; the circuit has {training['gates']} gates.", training)
