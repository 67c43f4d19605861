"""Training throughput of the omniglot-net in PyTorch on the CPU; prints one JSON line.

    pip install torch
    python benches/peers/omniglot_torch.py --variant channels-last --batch 64 --threads 2

default: the net as one would first write it.  channels-last: that memory format, fused SGD,
denormals flushed.  default-plain and channels-last-plain: the same without oneDNN.  All in
f32.  --binary first puts deterministic binary units behind the first convolution.  A step is
forward, loss, backward and SGD with momentum on images of 105x105 already in memory; loading
and start-up are not timed.
"""

import argparse
import json
import pathlib
import sys
import time

import torch
import torch.nn.functional as F
from torch import nn

sys.path.append(str(pathlib.Path(__file__).resolve().parents[2] / "tests" / "tools"))
from seednet import Binarise  # noqa: E402

CHANNELS = (64, 128, 256, 512, 512)
POOL = 4  # distinct batches kept in memory


class Unit(nn.Module):
    """A deterministic binary unit of slope 1 with a straight-through gradient."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return Binarise.apply(x, 1.0, False)


def omniglot_net(stride: bool, binary: str) -> nn.Sequential:
    """Five blocks of convolution, batch norm, pooling (or stride 2) and ReLU, and the head."""
    layers: list[nn.Module] = []
    for number, (before, after) in enumerate(zip((1, *CHANNELS), CHANNELS)):
        unit = Unit() if binary == "first" and number == 0 else nn.ReLU()
        layers += [nn.Conv2d(before, after, 3, stride=2 if stride else 1, padding=1), nn.BatchNorm2d(after)]
        layers += [unit] if stride else [nn.MaxPool2d(2), unit]
    flat = 8192 if stride else 4608
    head = [nn.Flatten(), nn.Linear(flat, 4096), nn.ReLU(), nn.Dropout(0.5), nn.Linear(4096, 1623)]
    return nn.Sequential(*layers, *head)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    variants = ["default", "channels-last", "default-plain", "channels-last-plain"]
    parser.add_argument("--variant", choices=variants, default="default")
    parser.add_argument("--pool", choices=["max", "stride"], default="max")
    parser.add_argument("--binary", choices=["none", "first"], default="none")
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--steps", type=int, default=6)
    parser.add_argument("--warmup", type=int, default=1)
    args = parser.parse_args()

    torch.manual_seed(1)
    torch.set_num_threads(args.threads)
    tuned = args.variant.startswith("channels-last")
    if tuned:
        torch.set_flush_denormal(True)
    if args.variant.endswith("plain"):
        torch.backends.mkldnn.set_flags(False)
    layout = torch.channels_last if tuned else torch.contiguous_format
    net = omniglot_net(args.pool == "stride", args.binary).to(memory_format=layout).train()
    opt = torch.optim.SGD(net.parameters(), lr=0.01, momentum=0.9, fused=True if tuned else None)

    images = torch.randint(256, (POOL, args.batch, 1, 105, 105), dtype=torch.uint8)
    batches = [((x / 255 - 0.5) / 0.5).contiguous(memory_format=layout) for x in images]
    labels = torch.randint(964, (POOL, args.batch))

    def run(steps: int) -> None:
        for step in range(steps):
            opt.zero_grad(set_to_none=True)
            loss = F.cross_entropy(net(batches[step % POOL]), labels[step % POOL])
            loss.backward()
            opt.step()

    run(args.warmup)
    start, busy = time.perf_counter(), time.process_time()
    run(args.steps)
    seconds, busy = time.perf_counter() - start, time.process_time() - busy
    print(json.dumps({
        "name": f"PyTorch {args.variant}, {args.pool}, {args.binary}",
        "img_per_s": round(args.steps * args.batch / seconds, 2),
        "img_per_cpu_s": round(args.steps * args.batch / busy, 2),
        "batch": args.batch,
        "threads": args.threads,
        "torch": torch.__version__,
    }))


if __name__ == "__main__":
    main()
