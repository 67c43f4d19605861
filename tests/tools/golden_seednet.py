"""Golden networks: tests/golden/seednet.safetensors and tests/golden/mlp.safetensors.

    pip install torch numpy safetensors
    python tests/tools/golden_seednet.py

Trains both nets briefly in float32 on drawn digits (no MNIST image is stored),
then evaluates them, and takes one training-mode gradient, in float64.  With a
step function in the net an answer is only defined away from the steps, so each
expected value comes with its margin: the distance of the nearest
pre-activation to a jump.  metadata["about"] explains every tensor.
"""

import copy
from collections.abc import Callable

import torch
import torch.nn.functional as F
from golden import Tensors, generator, save
from seednet import BINARY, Mlp, SeedNet, normalise
from torch import Tensor, nn

# Seven-segment strokes (y0, x0, y1, x1) in a 14 x 8 box, and the digits' segments.
STROKES = [(0, 0, 0, 7), (0, 7, 6, 7), (7, 7, 13, 7), (13, 0, 13, 7), (7, 0, 13, 0), (0, 0, 6, 0), (6, 0, 6, 7)]
DIGITS = ["012345", "12", "01346", "01236", "1256", "02356", "023456", "012", "0123456", "012356"]
ATTEMPTS = 200


def digits(rng: torch.Generator, n: int) -> tuple[Tensor, Tensor]:
    """u8 (n, 28, 28) of shifted, noisy seven-segment digits, and their labels."""
    labels = torch.randint(10, (n,), generator=rng)
    images = torch.randint(48, (n, 28, 28), generator=rng)
    for image, label in zip(images, labels.tolist()):
        top, left, thick, ink = (int(torch.randint(lo, hi, (1,), generator=rng))
                                 for lo, hi in [(2, 11), (2, 16), (2, 4), (120, 208)])
        for s in DIGITS[label]:
            y0, x0, y1, x1 = STROKES[int(s)]
            image[top + y0 : top + y1 + thick, left + x0 : left + x1 + thick].clamp_(max=47).add_(ink)
    return images.to(torch.uint8), labels


def train(net: nn.Module, seed: int, steps: int, settings: list) -> None:
    """SGD 0.1 / 0.9, batch 64; the activations rotate, so one set of weights suits all of them."""
    rng = generator(seed)
    opt = torch.optim.SGD(net.parameters(), lr=0.1, momentum=0.9)
    for step in range(steps):
        net.binary = settings[step % len(settings)]
        images, labels = digits(rng, 64)
        opt.zero_grad()
        F.cross_entropy(net(normalise(images)), labels).backward()
        opt.step()


class Margins:
    """Distances to the nearest jump, read by watching every activation and pool of a net."""

    def __init__(self) -> None:
        self.binary: list[Tensor] = []  # |x| of a binary unit, least of each row
        self.bend: list[Tensor] = []  # | |x| - 1 |, where the hard sigmoid's gradient jumps
        self.pool: list[Tensor] = []  # best minus second best of a window, ties left out

    def run(self, net: nn.Module, x: Tensor) -> Tensor:
        import seednet

        real_activate, real_pool = seednet.activate, F.max_pool2d

        def activate(x: Tensor, slope: float, binary: bool, stochastic: bool) -> Tensor:
            flat = x.detach().flatten(1)
            if binary:
                self.binary.append(flat.abs().amin(1))
            self.bend.append((flat.abs() - 1).abs().amin(1))
            return real_activate(x, slope, binary, stochastic)

        def pool(x: Tensor, kernel: int) -> Tensor:
            windows = F.unfold(x.detach().flatten(0, 1).unsqueeze(1), kernel, stride=kernel)
            best = windows.topk(2, dim=1).values
            gap = best[:, 0] - best[:, 1]
            self.pool.append(torch.where(gap > 1e-12, gap, torch.inf).view(len(x), -1).amin(1))
            return real_pool(x, kernel)

        seednet.activate, F.max_pool2d = activate, pool
        try:
            return net(x)
        finally:
            seednet.activate, F.max_pool2d = real_activate, real_pool


def least(rows: list[Tensor], n: int) -> Tensor:
    """The least value of each row over several layers; infinite distances become the largest f32."""
    if not rows:
        return torch.full((n,), torch.finfo(torch.float32).max)
    return torch.stack(rows).amin(0)


def training_step(net: nn.Module, x: Tensor, labels: Tensor) -> tuple[Tensors, float]:
    """Per-row losses, gradients of the MEAN loss, running statistics after; and the margin."""
    net = copy.deepcopy(net).train()
    margins = Margins()
    loss = F.cross_entropy(margins.run(net, x), labels, reduction="none")
    loss.mean().backward()
    out = {"loss": loss} | {f"grad.{k}": p.grad for k, p in net.named_parameters()}
    out |= {f"after.{k}": b for k, b in net.named_buffers()}
    return out, float(torch.stack(margins.binary + margins.bend + margins.pool).amin())


def evaluate(net: nn.Module, x: Tensor) -> Tensors:
    margins = Margins()
    with torch.no_grad():
        logits = margins.run(copy.deepcopy(net).eval(), x)
    return {"logits": logits, "min_abs": least(margins.binary, len(x))}


def build(file: str, net: nn.Module, seed: int, steps: int, settings: dict, stepped: list[str],
          keep: Callable[[str], bool], limit: int) -> None:
    """Train, choose, of many draws, the 16 images with the widest margin, and write the file."""
    train(net, seed, steps, list(settings.values()))
    state = {f"state.{k}": v.clone() for k, v in net.state_dict().items()}
    net.double()
    best = 0.0
    for seed in range(10_000, 10_000 + ATTEMPTS):
        drawn = digits(generator(seed), 16)
        steps_taken: Tensors = {}
        found = {}
        for name in stepped:
            net.binary = settings[name]
            tensors, found[name] = training_step(net, normalise(drawn[0], torch.float64), drawn[1])
            steps_taken |= {f"train.{name}.{k}": v for k, v in tensors.items() if keep(k)}
        if min(found.values()) > best:
            best, margins, expected, (images, labels) = min(found.values()), found, steps_taken, drawn
    x = normalise(images, torch.float64)
    for name, value in settings.items():
        net.binary = value
        expected |= {f"eval.{name}.{k}": v for k, v in evaluate(net, x).items()}
    right = {k: int((expected[f"eval.{k}.logits"].argmax(1) == labels).sum()) for k in settings}
    about = {
        "state.*": "state_dict with PyTorch's names and shapes",
        "images": "u8 (16, 28, 28); the net sees (x/255 - 0.1307) / 0.3081",
        "labels": "u8 (16)",
        "eval.B.logits": "evaluation-mode logits (16, 10), deterministic binary units",
        "eval.B.min_abs": "least |pre-activation| of a binary unit in each row; f32 max where none",
        "train.B.*": "training mode, batch of 16: loss per row, grad.* of the mean loss, after.* buffers",
        "margin": "train.B: least distance to any jump (binary step, hard sigmoid's bend, pool winner)",
    }
    print(f"{file}: margins {margins}, right of 16: {right}")
    save(file, state | {"images": images, "labels": labels.to(torch.uint8)} | expected,
         {"about": about, "margin": margins, "binary": list(settings), "slope": 1.0}, limit)


def main() -> None:
    torch.manual_seed(1)
    torch.set_num_threads(1)  # the sums of a short training would differ with the thread count
    build("seednet.safetensors", SeedNet(), 7, 200, {b: b for b in BINARY}, ["none", "both"],
          lambda key: True, 700_000)
    torch.manual_seed(2)
    build("mlp.safetensors", Mlp(), 8, 200, {"none": False, "both": True}, ["none", "both"],
          lambda key: key != "grad.fc1.weight", 350_000)


if __name__ == "__main__":
    main()
