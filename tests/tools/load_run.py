"""Loads a trained run into PyTorch and prints its logits, or its test result.

    pip install torch numpy safetensors
    python tests/tools/load_run.py runs/NAME images.npy [--binary none|first|last|both]
    python tests/tools/load_run.py runs/NAME mnist/ --binary both

images.npy: u8 (N, 28, 28).  Prints one line of ten logits for each image.
A folder with MNIST's IDX files: prints the loss and accuracy on its test images,
to be compared with the run's test.json.
"""

import argparse
import json
import pathlib

import numpy as np
import torch
from safetensors.torch import load_file
from reference_torch import evaluate, read_idx
from seednet import BINARY, SeedNet, normalise


def load(run: pathlib.Path, binary: str) -> SeedNet:
    layers = json.loads((run / "config.json").read_text())["model"]["layers"]
    if any(layer.get("levels", "0/1") != "0/1" for layer in layers):
        raise SystemExit(f"{run}: its units emit -1 and +1; this script knows those of 0 and 1")
    weights = load_file(run / "best.safetensors")
    net = SeedNet(binary=binary)
    net.load_state_dict(weights)
    net.eval()
    return net


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("run", type=pathlib.Path)
    parser.add_argument("images", type=pathlib.Path)
    parser.add_argument("--binary", choices=BINARY, default="none")
    args = parser.parse_args()
    if args.images.is_dir():
        x, y = (read_idx(args.images, f"t10k-{part}-ubyte") for part in ("images-idx3", "labels-idx1"))
        loss, accuracy = evaluate(load(args.run, args.binary), normalise(x), y.long())
        print(f"loss {loss:.9f}  accuracy {accuracy:.2f} %")
        return
    images = torch.from_numpy(np.load(args.images))
    with torch.no_grad():
        logits = load(args.run, args.binary)(normalise(images))
    for row in logits.tolist():
        print(" ".join(f"{value:.9g}" for value in row))


if __name__ == "__main__":
    main()
