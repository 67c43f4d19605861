"""Long runs and large sizes: seconds and peak memory (VmHWM) of the built program.

    cargo build --release
    python3 tests/tools/long_and_large.py [target/release/bnn-cpu] [CASE...]

Fails where a run fails, or where memory passes the bound beside its case. Needs 2 GB of
disk in the temporary folder and up to 3 GB of memory; takes a few minutes.
"""

import json
import os
import pathlib
import random
import struct
import sys
import tempfile
import time

MIB = 1 << 20


def write_idx(folder, count, side, classes, test=64):
    """Noisy images of `side` x `side` whose brightness is their class."""
    folder.mkdir(parents=True, exist_ok=True)
    dice = random.Random(1)
    pixels = side * side
    noise = dice.randbytes(pixels + 4096)
    shades = [bytes(min(255, b // 4 + 180 * c // classes) for b in range(256)) for c in range(min(classes, 180))]
    for part, n in (("train", count), ("t10k", test)):
        with open(folder / f"{part}-images-idx3-ubyte", "wb") as f:
            f.write(struct.pack(">HBBIII", 0, 8, 3, n, side, side))
            for i in range(n):
                at = dice.randrange(4096)
                f.write(noise[at : at + pixels].translate(shades[i % classes % len(shades)]))
        wide = classes > 255
        with open(folder / f"{part}-labels-idx1-ubyte", "wb") as f:
            f.write(struct.pack(">HBBI", 0, 0x0B if wide else 8, 1, n))
            form = ">h" if wide else "B"
            f.write(b"".join(struct.pack(form, i % classes) for i in range(n)))


def run(args):
    """Runs the program; its seconds and its peak memory in MiB."""
    begun = time.time()
    pid = os.fork()
    if pid == 0:
        null = os.open(os.devnull, os.O_WRONLY)
        os.dup2(null, 1)
        os.execv(args[0], args)
    _, status, usage = os.wait4(pid, 0)
    assert status == 0, f"{args} ended with {status}"
    return time.time() - begun, usage.ru_maxrss / 1024


def main():
    names = sys.argv[1:]
    program = names.pop(0) if names and "/" in names[0] else str(pathlib.Path(os.environ.get("CARGO_TARGET_DIR", "target"), "release", "bnn-cpu"))
    program = str(pathlib.Path(program).resolve())
    figures = {}

    def case(name, bound, args):
        seconds, peak = run([program, *args, "--quiet", "--threads", "2"])
        figures[name] = peak
        print(f"| {name} | {seconds:.1f} | {peak:.0f} | {bound} |", flush=True)
        assert peak <= bound, f"{name}: {peak:.0f} MiB, over the bound of {bound}"

    def wanted(name):
        return not names or name in names

    def train(data, out, *more):
        return ["train", "--dataset", "idx", "--data", str(data), "--out", str(out), "--force", *more]

    print("| case | seconds | peak MiB | bound MiB |\n|---|---|---|---|")
    with tempfile.TemporaryDirectory() as top:
        top = pathlib.Path(top)
        if wanted("epochs"):
            data = top / "small"
            write_idx(data, 2000, 12, 3)
            for model in ("mlp", "xnor-net"):
                for epochs in (20, 200):
                    case(f"{model}, 2,000 images of 12x12, {epochs} epochs", 100,
                         train(data, top / "run", "--model", model, "--epochs", str(epochs)))
                grown = figures[f"{model}, 2,000 images of 12x12, 200 epochs"]
                grown -= figures[f"{model}, 2,000 images of 12x12, 20 epochs"]
                assert grown < 3, f"{model}: {grown:.1f} MiB more after 200 epochs than after 20"
        if wanted("images"):
            data = top / "large"
            write_idx(data, 500_000, 28, 10)
            size = os.path.getsize(data / "train-images-idx3-ubyte") // MIB
            case("mlp, 500,000 images of 28x28, an epoch in batches of 4,096", size + 200,
                 train(data, top / "run", "--model", "mlp", "--epochs", "1", "--batch", "4096"))
        if wanted("batches"):
            data = top / "batches"
            write_idx(data, 9200, 28, 10)
            for model in ("seed-net", "xnor-net"):
                case(f"{model}, 28x28, batches of 4,096", 2500,
                     train(data, top / "run", "--model", model, "--epochs", "1", "--batch", "4096"))
            case("inference of 64 images one by one, packed", 100,
                 ["infer", "--packed", "--model", str(top / "run"), str(data / "t10k-images-idx3-ubyte")])
        if wanted("sides"):
            data = top / "sides"
            write_idx(data, 40, 512, 2, 16)
            case("seed-net, 512x512, batches of 4", 1500,
                 train(data, top / "run", "--model", "seed-net", "--epochs", "1", "--batch", "4"))
            write_idx(top / "pixels", 2000, 1, 2)
            case("mlp, 1x1", 100,
                 train(top / "pixels", top / "run", "--model", "mlp", "--epochs", "1"))
        if wanted("classes"):
            write_idx(top / "classes", 20_000, 28, 1000, 2000)
            case("seed-net, 1,000 classes", 600,
                 train(top / "classes", top / "run", "--model", "seed-net", "--epochs", "1"))
        if wanted("layers"):
            write_idx(top / "deep", 2000, 28, 10)
            layers = []
            for i in range(6):
                layers += [
                    {"type": "conv", "name": f"c{i}", "out": 32, "kernel": 3, "padding": 1,
                     "bias": False, "weights": "binary"},
                    {"type": "batch_norm", "name": f"n{i}"},
                    {"type": "binary", "mode": "det"},
                ]
            layers += [{"type": "max_pool", "kernel": 4}, {"type": "linear", "name": "f", "out": 10}]
            assert len(layers) == 20
            shape = {"channels": 1, "height": 28, "width": 28}
            model = top / "deep.json"
            model.write_text(json.dumps({"name": "deep", "input": shape, "layers": layers}))
            case("20 layers of 32 channels, 28x28", 800,
                 train(top / "deep", top / "run", "--model", str(model), "--epochs", "1"))


main()
