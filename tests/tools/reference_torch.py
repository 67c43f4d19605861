"""The reference protocol in PyTorch, for one row of the table; prints one JSON line.

    pip install torch numpy safetensors
    python tests/tools/reference_torch.py --row det-both --seed 1 --epochs 10 --data data/mnist

SGD 0.1 with momentum 0.9, batch 64, 54,000 / 6,000 random split; the epoch with
the best validation loss is tested once.  --data holds the four IDX files of
MNIST, gzip'd or not.  Stochastic units sample in evaluation too.
"""

import argparse
import copy
import gzip
import json
import pathlib
import struct
import sys
import time

import numpy as np
import torch
import torch.nn.functional as F
from seednet import SeedNet, normalise
from torch import Tensor

ROWS = ["none", "stoch-first", "stoch-last", "stoch-both", "det-first", "det-last", "det-both"]


def read_idx(folder: pathlib.Path, name: str) -> Tensor:
    """One IDX file of unsigned bytes, from NAME or NAME.gz."""
    path = folder / name
    if not path.exists():
        path = folder / f"{name}.gz"
    if not path.exists():
        sys.exit(f"reference_torch.py: {folder}: no {name} or {name}.gz; give MNIST's folder by --data")
    raw = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
    zeros, kind, rank = struct.unpack_from(">HBB", raw)
    shape = struct.unpack_from(f">{rank}I", raw, 4)
    body = raw[4 + 4 * rank :]
    if zeros != 0 or kind != 8 or len(body) != int(np.prod(shape)):
        sys.exit(f"reference_torch.py: {path}: not an IDX file of bytes; fetch it again")
    return torch.from_numpy(np.frombuffer(body, np.uint8).reshape(shape).copy())


@torch.no_grad()
def evaluate(net: SeedNet, x: Tensor, y: Tensor) -> tuple[float, float]:
    """Mean loss, and accuracy in per cent."""
    net.eval()
    logits = torch.cat([net(part) for part in x.split(500)])
    net.train()
    loss = F.cross_entropy(logits, y).item()
    return loss, (logits.argmax(1) == y).double().mean().item() * 100


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--row", choices=ROWS, required=True)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--epochs", type=int, default=10)
    parser.add_argument("--data", type=pathlib.Path, default=pathlib.Path("data/mnist"))
    parser.add_argument("--threads", type=int, default=2)
    args = parser.parse_args()

    torch.set_num_threads(args.threads)
    torch.manual_seed(args.seed)
    x, y = (read_idx(args.data, f"train-{part}-ubyte") for part in ("images-idx3", "labels-idx1"))
    tx, ty = (read_idx(args.data, f"t10k-{part}-ubyte") for part in ("images-idx3", "labels-idx1"))
    x, y, tx, ty = normalise(x), y.long(), normalise(tx), ty.long()
    order = torch.randperm(len(x))
    train, held = order[:54_000], order[54_000:]

    mode, _, binary = args.row.partition("-")
    net = SeedNet(binary or "none", stochastic=mode == "stoch")
    opt = torch.optim.SGD(net.parameters(), lr=0.1, momentum=0.9)
    best = (float("inf"), 0, copy.deepcopy(net.state_dict()))
    start = time.perf_counter()
    for epoch in range(1, args.epochs + 1):
        for rows in train[torch.randperm(len(train))].split(64):
            opt.zero_grad()
            F.cross_entropy(net(x[rows]), y[rows]).backward()
            opt.step()
        loss, accuracy = evaluate(net, x[held], y[held])
        print(f"epoch {epoch}: validation loss {loss:.4f}, accuracy {accuracy:.2f}", file=sys.stderr)
        if loss < best[0]:
            best = (loss, epoch, copy.deepcopy(net.state_dict()))
    seconds = time.perf_counter() - start
    net.load_state_dict(best[2])
    loss, accuracy = evaluate(net, tx, ty)
    print(json.dumps({"row": args.row, "seed": args.seed, "epochs": args.epochs, "best_epoch": best[1],
                      "validation_loss": round(best[0], 5), "test_loss": round(loss, 5),
                      "test_accuracy": round(accuracy, 2), "seconds": round(seconds, 1),
                      "torch": torch.__version__}))


if __name__ == "__main__":
    main()
