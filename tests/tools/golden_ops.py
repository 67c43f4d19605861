"""Golden values of every op, computed by PyTorch in float64: tests/golden/ops.safetensors.

    pip install torch numpy safetensors
    python tests/tools/golden_ops.py

Each case NAME has tensors NAME.x, NAME.y, NAME.dy (the upstream gradient),
NAME.dx and its parameters with their gradients; metadata[NAME] is a JSON
object with "op" and the geometry.  Shapes are PyTorch's (N, C, H, W).
"""

from typing import Any

import torch
import torch.nn.functional as F
from golden import StraightThrough, Tensors, draw, generator, leaf, save

TENSORS: Tensors = {}
META: dict[str, Any] = {}


def record(case: str, meta: dict[str, Any], **tensors: torch.Tensor) -> None:
    META[case] = meta
    for key, tensor in tensors.items():
        TENSORS[f"{case}.{key}"] = tensor


def conv(case: str, seed: int, n: int, cin: int, cout: int, hw: tuple[int, int],
         kernel: int, padding: int, stride: int, bias: bool = True) -> None:
    rng = generator(seed)
    x = leaf(draw(rng, n, cin, *hw))
    weight = leaf(draw(rng, cout, cin, kernel, kernel, scale=(cin * kernel * kernel) ** -0.5))
    b = leaf(draw(rng, cout)) if bias else None
    y = F.conv2d(x, weight, b, stride=stride, padding=padding)
    dy = draw(rng, *y.shape)
    y.backward(dy)
    extra = {"bias": b, "dbias": b.grad} if b is not None else {}
    meta = {"op": "conv", "n": n, "in_channels": cin, "out_channels": cout, "height": hw[0],
            "width": hw[1], "kernel": kernel, "padding": padding, "stride": stride, "bias": bias}
    record(case, meta, x=x, weight=weight, y=y, dy=dy, dx=x.grad, dweight=weight.grad, **extra)


def linear(case: str, seed: int, shape: tuple[int, ...], out: int, bias: bool = True) -> None:
    """A 4-D input is flattened in (C, H, W) order, as torch.flatten(x, 1) does."""
    rng = generator(seed)
    x = leaf(draw(rng, *shape))
    flat = x.flatten(1)
    weight = leaf(draw(rng, out, flat.shape[1], scale=flat.shape[1] ** -0.5))
    b = leaf(draw(rng, out)) if bias else None
    y = F.linear(flat, weight, b)
    dy = draw(rng, *y.shape)
    y.backward(dy)
    extra = {"bias": b, "dbias": b.grad} if b is not None else {}
    meta = {"op": "linear", "in_features": flat.shape[1], "out_features": out, "bias": bias}
    record(case, meta, x=x, weight=weight, y=y, dy=dy, dx=x.grad, dweight=weight.grad, **extra)


def batch_norm(case: str, seed: int, shape: tuple[int, ...], training: bool,
               shift: float = 0.0) -> None:
    """gamma holds a negative value and a zero; the running statistics start away from 0 and 1."""
    rng = generator(seed)
    channels = shape[1]
    per_channel = (1, channels) + (1,) * (len(shape) - 2)
    spread = torch.linspace(0.25, 3.0, channels).double().view(per_channel)
    x = leaf((draw(rng, *shape) * spread + shift).float().double())
    gamma = draw(rng, channels) * 0.5 + 1.0
    gamma = gamma.float().double()
    gamma[1], gamma[2] = -abs(gamma[1]), 0.0
    gamma, beta = leaf(gamma), leaf(draw(rng, channels))
    mean0 = (draw(rng, channels) + shift).float().double()
    var0 = (torch.rand(channels, generator=rng) + 0.5).double()
    mean, var = mean0.clone(), var0.clone()
    y = F.batch_norm(x, mean, var, gamma, beta, training=training, momentum=0.1, eps=1e-5)
    dy = draw(rng, *shape)
    y.backward(dy)
    axes = [0, *range(2, len(shape))]
    after = {"running_mean": mean, "running_var": var,
             "batch_mean": x.detach().mean(axes),
             "batch_var": x.detach().var(axes, unbiased=False)} if training else {}
    meta = {"op": "batch_norm", "training": training, "eps": 1e-5, "momentum": 0.1}
    record(case, meta, x=x, gamma=gamma, beta=beta, running_mean_before=mean0,
           running_var_before=var0, y=y, dy=dy, dx=x.grad, dgamma=gamma.grad,
           dbeta=beta.grad, **after)


def max_pool(case: str, seed: int, shape: tuple[int, ...], kernel: int, stride: int,
             ties: bool = False) -> None:
    """With `ties` the values are multiples of 1/2: the first maximum in row order gets the gradient."""
    rng = generator(seed)
    x = draw(rng, *shape)
    x = leaf((x * 2).round() / 2 if ties else x)
    y, index = F.max_pool2d(x, kernel, stride, return_indices=True)
    dy = draw(rng, *y.shape)
    y.backward(dy)
    meta = {"op": "max_pool", "kernel": kernel, "stride": stride, "ties": ties}
    record(case, meta, x=x, y=y, index=index, dy=dy, dx=x.grad)


def activation(case: str, seed: int, op: str, slope: float | None, edges: list[float]) -> None:
    """57 random values kept away from every kink, then the given ones."""
    rng = generator(seed)
    x = draw(rng, 57)
    kinks = [0.0, 1.0 / (slope or 1.0), -1.0 / (slope or 1.0)]
    assert all((x - k).abs().min() > 1e-4 for k in kinks), case
    x = leaf(torch.cat([x, torch.tensor(edges).double()]))
    a = 1.0 if slope is None else slope
    rules = {
        "relu": torch.relu,
        "hard_sigmoid": lambda x: (torch.clip(a * x, -1, 1) + 1) / 2,
        "sigmoid": lambda x: torch.sigmoid(a * x),
        "binary_st": lambda x: StraightThrough.apply(x, a),
    }
    y = rules[op](x)
    dy = draw(rng, *y.shape)
    y.backward(dy)
    record(case, {"op": op} | ({} if slope is None else {"slope": slope}),
           x=x, y=y, dy=dy, dx=x.grad)


def cross_entropy(case: str, seed: int, n: int, classes: int, scale: float) -> None:
    """`loss` is per row; `dx` pulls back `dloss` (one weight a row), `dx_mean` the mean loss."""
    rng = generator(seed)
    x = leaf(draw(rng, n, classes, scale=scale))
    labels = torch.randint(classes, (n,), generator=rng)
    log_probs = F.log_softmax(x, 1)
    loss = F.nll_loss(log_probs, labels, reduction="none")
    dloss = draw(rng, n)
    dloss[1] = 0.0
    (dx_mean,) = torch.autograd.grad(loss.mean(), x, retain_graph=True)
    (dx,) = torch.autograd.grad(loss, x, dloss)
    record(case, {"op": "cross_entropy", "classes": classes}, x=x, labels=labels.to(torch.uint8),
           log_probs=log_probs, loss=loss, mean_loss=loss.mean().reshape(1), dx_mean=dx_mean,
           dloss=dloss, dx=dx)


def main() -> None:
    conv("conv_a", 1, 2, 1, 3, (7, 6), kernel=5, padding=2, stride=1)
    conv("conv_b", 2, 3, 4, 5, (9, 8), kernel=3, padding=1, stride=2)
    conv("conv_c", 3, 2, 3, 4, (6, 7), kernel=3, padding=0, stride=1)
    conv("conv_d", 4, 2, 5, 3, (4, 5), kernel=1, padding=0, stride=1)
    conv("conv_e", 5, 2, 3, 4, (7, 8), kernel=2, padding=1, stride=3)
    conv("conv_f", 6, 2, 2, 3, (5, 11), kernel=4, padding=3, stride=2)
    conv("conv_nobias", 7, 2, 3, 17, (6, 6), kernel=3, padding=1, stride=1, bias=False)
    linear("linear_chw", 11, (3, 4, 3, 5), 7)
    linear("linear_plain", 12, (5, 19), 10)
    linear("linear_nobias", 13, (1, 33), 4, bias=False)
    batch_norm("bn_train_4d", 21, (3, 5, 4, 3), training=True)
    batch_norm("bn_train_2d", 22, (9, 6), training=True)
    batch_norm("bn_train_shifted", 23, (4, 4, 5, 5), training=True, shift=100.0)
    batch_norm("bn_eval_4d", 24, (3, 5, 4, 3), training=False)
    batch_norm("bn_eval_2d", 25, (9, 6), training=False)
    max_pool("pool_k2s2", 31, (2, 3, 6, 8), 2, 2)
    max_pool("pool_k2s2_odd", 32, (2, 3, 7, 5), 2, 2)
    max_pool("pool_k3s2", 33, (2, 3, 7, 9), 3, 2)
    max_pool("pool_k3s2_even", 34, (2, 2, 8, 6), 3, 2)
    max_pool("pool_k3s1", 35, (2, 3, 5, 7), 3, 1)
    max_pool("pool_k2s2_ties", 36, (2, 3, 7, 9), 2, 2, ties=True)
    max_pool("pool_k3s1_ties", 37, (2, 3, 7, 5), 3, 1, ties=True)
    activation("relu", 41, "relu", None, [0.0, -0.0, 1e-30, -1e-30, 1e30, -1e30])
    # torch.clip passes the gradient at exactly +-1 and this project does not,
    # so the ties themselves are tested in binary_*, whose rule is spelt out.
    for i, a in enumerate([1.0, 2.5]):
        name = "1" if a == 1.0 else "2p5"
        activation(f"hard_sigmoid_{name}", 51 + i, "hard_sigmoid", a, [0.0, -0.0, 7.0, -7.0, 1e30, -1e30])
        activation(f"sigmoid_{name}", 62 + i, "sigmoid", a, [0.0, -0.0, 30.0, -30.0])
        activation(f"binary_{name}", 72 + i, "binary_st", a,
                   [0.0, -0.0, 1e-30, -1e-30, 1 / a, -1 / a, 7.0, -7.0])
    cross_entropy("xent_a", 81, 7, 10, scale=2.0)
    cross_entropy("xent_large", 82, 5, 10, scale=300.0)
    cross_entropy("xent_two", 83, 4, 2, scale=1.0)
    save("ops.safetensors", TENSORS, META, limit=300_000)


if __name__ == "__main__":
    main()
