"""Training throughput of the seed-net in PyTorch on the CPU; prints one JSON line.

    pip install torch numpy safetensors
    python benches/peers/seednet_torch.py --variant best --binary none --batch 64 --threads 2

default: the net as one would first write it.  best: channels_last, fused SGD,
denormals flushed.  bf16: best, with the products in bfloat16 (autocast).  compiled:
best, through torch.compile (needs a C++ compiler).  All but bf16 in f32.  A step is forward, loss, backward and SGD with momentum on
normalised images already in memory; loading and start-up are not timed.
"""

import argparse
import json
import pathlib
import sys
import time

import torch
import torch.nn.functional as F

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "tests" / "tools"))
from seednet import BINARY, SeedNet, normalise  # noqa: E402

POOL = 64  # distinct batches kept in memory


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--variant", choices=["default", "best", "bf16", "compiled"], default="default")
    parser.add_argument("--binary", choices=BINARY, default="none")
    parser.add_argument("--mode", choices=["det", "stoch"], default="det")
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--steps", type=int, default=200)
    parser.add_argument("--warmup", type=int, default=20)
    args = parser.parse_args()

    torch.manual_seed(1)
    torch.set_num_threads(args.threads)
    tuned = args.variant != "default"
    if tuned:
        torch.set_flush_denormal(True)
    layout = torch.channels_last if tuned else torch.contiguous_format
    net = SeedNet(args.binary, args.mode == "stoch").to(memory_format=layout).train()
    opt = torch.optim.SGD(net.parameters(), lr=0.1, momentum=0.9, fused=True if tuned else None)
    model = torch.compile(net) if args.variant == "compiled" else net

    images = torch.randint(256, (POOL, args.batch, 28, 28), dtype=torch.uint8)
    batches = [normalise(x).contiguous(memory_format=layout) for x in images]
    labels = torch.randint(10, (POOL, args.batch))

    def run(steps: int) -> None:
        for step in range(steps):
            opt.zero_grad(set_to_none=True)
            with torch.autocast("cpu", torch.bfloat16, enabled=args.variant == "bf16"):
                loss = F.cross_entropy(model(batches[step % POOL]), labels[step % POOL])
            loss.backward()
            opt.step()

    run(args.warmup)
    start = time.perf_counter()
    run(args.steps)
    seconds = time.perf_counter() - start
    mode = "" if args.binary == "none" else f" {args.mode}"
    print(json.dumps({
        "name": f"PyTorch {args.variant}, {args.binary}{mode}",
        "img_per_s": round(args.steps * args.batch / seconds, 1),
        "batch": args.batch,
        "threads": args.threads,
        "torch": torch.__version__,
    }))


if __name__ == "__main__":
    main()
