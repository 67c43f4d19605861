"""Loads a trained run into PyTorch and prints its logits for saved images.

    pip install torch numpy safetensors
    python tests/tools/load_run.py runs/NAME images.npy [--binary none|first|last|both]

images.npy: u8 (N, 28, 28).  Prints one line of ten logits for each image.
"""

import argparse
import pathlib

import numpy as np
import torch
from safetensors.torch import load_file
from seednet import BINARY, SeedNet, normalise


def load(run: pathlib.Path, binary: str) -> SeedNet:
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
    images = torch.from_numpy(np.load(args.images))
    with torch.no_grad():
        logits = load(args.run, args.binary)(normalise(images))
    for row in logits.tolist():
        print(" ".join(f"{value:.9g}" for value in row))


if __name__ == "__main__":
    main()
