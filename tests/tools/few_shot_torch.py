"""Few-shot training of the published encoder in PyTorch, by the protocol of
`bnn-cpu train --task few-shot`: the same alphabets, episodes of the same geometry, Adam with
clipped gradients and a cosine rate, 1,000 episodes of evaluation (--episodes).

    pip install torch pillow numpy
    python tests/tools/few_shot_torch.py OMNIGLOT.zip --binary none --steps 300
    python tests/tools/few_shot_torch.py OMNIGLOT.zip --binary 4 --scale 0.25

It says the episodes and the images a second of training, and the accuracy with its 95 %
interval on the validation alphabets (`--test`: on the test alphabets).  A binary block is
convolution, pool, batch norm, unit; the others are convolution, batch norm, pool, ReLU.
"""

import argparse
import hashlib
import io
import time
import zipfile

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image
from torch import nn


class Unit(torch.autograd.Function):
    """[x > 0] with the straight-through gradient of the hard sigmoid."""

    @staticmethod
    def forward(ctx, x, stochastic):
        ctx.save_for_backward(x)
        p = (x.clamp(-1, 1) + 1) / 2
        return torch.bernoulli(p) if stochastic else (x > 0).float()

    @staticmethod
    def backward(ctx, grad):
        (x,) = ctx.saved_tensors
        return grad * 0.5 * (x.abs() < 1), None


class Encoder(nn.Module):
    def __init__(self, binary: set[int], stochastic: bool, last: int) -> None:
        super().__init__()
        widths = [1, 64, 64, 64, last]
        self.convs = nn.ModuleList(nn.Conv2d(a, b, 3, padding=1) for a, b in zip(widths, widths[1:]))
        self.norms = nn.ModuleList(nn.BatchNorm2d(b) for b in widths[1:])
        self.binary, self.stochastic = binary, stochastic

    def forward(self, x):
        for number, (conv, norm) in enumerate(zip(self.convs, self.norms), 1):
            if number in self.binary:
                x = Unit.apply(norm(F.max_pool2d(conv(x), 2)), self.stochastic)
            else:
                x = F.relu(F.max_pool2d(norm(conv(x)), 2))
        return x.flatten(1)


def read(path: str) -> dict[str, np.ndarray]:
    """The drawings of each character, 28x28 bytes, by `Alphabet/character`."""
    found: dict[str, list[np.ndarray]] = {}
    with zipfile.ZipFile(path) as archive:
        for name in sorted(archive.namelist()):
            if name.endswith(".png"):
                alphabet, character = name.split("/")[-3:-1]
                image = Image.open(io.BytesIO(archive.read(name))).convert("L")
                image = image.resize((28, 28), Image.Resampling.BILINEAR)
                found.setdefault(f"{alphabet}/{character}", []).append(np.asarray(image))
    return {name: np.stack(images) for name, images in found.items()}


def parts(names, test: int = 8, validation: int = 3):
    """Training, validation and test alphabets, by the SHA-256 of their names."""
    alphabets = sorted({name.split("/")[0] for name in names},
                       key=lambda name: hashlib.sha256(name.encode()).digest())
    return alphabets[test + validation:], alphabets[test:test + validation], alphabets[:test]


def episode(rng, characters, way: int, shot: int, queries: int):
    chosen = rng.choice(len(characters), way, replace=False)
    support, asked = [], []
    for i in chosen:
        drawings = characters[i][rng.choice(len(characters[i]), shot + queries, replace=False)]
        support.append(drawings[:shot])
        asked.append(drawings[shot:])
    return np.concatenate(support), np.concatenate(asked)


def logits(embeddings, way: int, shot: int, scale: float):
    support, asked = embeddings[: way * shot], embeddings[way * shot:]
    apart = ((asked[:, None] - support[None]) ** 2).sum(-1)
    return (-scale * apart).view(len(asked), way, shot).logsumexp(-1)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("zip")
    parser.add_argument("--binary", default="none", help="none, or blocks as 1,3")
    parser.add_argument("--stochastic", action="store_true")
    parser.add_argument("--last", type=int, default=64)
    parser.add_argument("--scale", type=float, default=1.0)
    parser.add_argument("--way", type=int, default=30)
    parser.add_argument("--queries", type=int, default=5)
    parser.add_argument("--steps", type=int, default=6000)
    parser.add_argument("--lr", type=float, default=0.002)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--episodes", type=int, default=1000, help="of the evaluation")
    parser.add_argument("--test", action="store_true")
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    torch.manual_seed(1)
    rng = np.random.default_rng(1)

    drawings = read(args.zip)
    train, validation, test = parts(drawings)
    of = lambda alphabets: [d for name, d in drawings.items() if name.split("/")[0] in alphabets]
    turned = [np.rot90(d, k, (1, 2)) for d in of(train) for k in range(4)]
    pixels = np.concatenate(list(drawings.values())) / 255
    mean, std = pixels.mean(), pixels.std()
    tensor = lambda images: torch.from_numpy((images[:, None] / 255 - mean) / std).float()

    binary = set() if args.binary == "none" else {int(n) for n in args.binary.split(",")}
    net = Encoder(binary, args.stochastic, args.last)
    optimiser = torch.optim.Adam(net.parameters(), lr=args.lr)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, args.steps)
    labels = torch.arange(args.way).repeat_interleave(args.queries)
    begun = time.perf_counter()
    for step in range(1, args.steps + 1):
        support, asked = episode(rng, turned, args.way, 1, args.queries)
        z = logits(net(tensor(np.concatenate([support, asked]))), args.way, 1, args.scale)
        loss = F.cross_entropy(z, labels)
        optimiser.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(net.parameters(), 1.0)
        optimiser.step()
        schedule.step()
        if step % 100 == 0 or step == args.steps:
            rate = step / (time.perf_counter() - begun)
            images = rate * args.way * (1 + args.queries)
            print(f"step {step}  loss {loss.item():.4f}  {rate:.2f} episodes/s  {images:.0f} img/s", flush=True)

    net.eval()
    held, rng = of(test if args.test else validation), np.random.default_rng(7)
    labels, shares = torch.arange(5).repeat_interleave(15), []
    with torch.no_grad():
        for _ in range(args.episodes):
            support, asked = episode(rng, held, 5, 1, 15)
            z = logits(net(tensor(np.concatenate([support, asked]))), 5, 1, args.scale)
            shares.append((z.argmax(1) == labels).float().mean().item())
    shares = np.array(shares)
    interval = 1.96 * shares.std(ddof=1) / np.sqrt(len(shares))
    print(f"accuracy {100 * shares.mean():.2f} % +- {100 * interval:.2f} on {args.episodes} episodes of "
          f"{', '.join(sorted(test if args.test else validation))}")


if __name__ == "__main__":
    main()
