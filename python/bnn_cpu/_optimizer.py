"""Optimisers of a training loop of one's own."""

from __future__ import annotations

import json

from ._native import Optimizer


def SGD(  # noqa: N802 - the name that PyTorch has
    lr: float, *, momentum: float = 0.9, nesterov: bool = False, weight_decay: float = 0.0
) -> Optimizer:
    """Stochastic gradient descent with momentum, in PyTorch's form: ``b = momentum * b + g``,
    ``w -= lr * b``."""
    spec = {
        "name": "sgd",
        "momentum": momentum,
        "nesterov": nesterov,
        "weight_decay": weight_decay,
    }
    return Optimizer(json.dumps(spec), lr)


def Adam(  # noqa: N802
    lr: float = 1e-3,
    *,
    betas: tuple[float, float] = (0.9, 0.999),
    eps: float = 1e-8,
    weight_decay: float = 0.0,
) -> Optimizer:
    """Adam (Kingma and Ba, arXiv 1412.6980); ``weight_decay`` is an L2 penalty."""
    return Optimizer(_adam("adam", betas, eps, weight_decay), lr)


def AdamW(  # noqa: N802
    lr: float = 1e-3,
    *,
    betas: tuple[float, float] = (0.9, 0.999),
    eps: float = 1e-8,
    weight_decay: float = 1e-2,
) -> Optimizer:
    """AdamW (Loshchilov and Hutter, arXiv 1711.05101): the decay is of the weight itself."""
    return Optimizer(_adam("adamw", betas, eps, weight_decay), lr)


def _adam(name: str, betas: tuple[float, float], eps: float, weight_decay: float) -> str:
    spec = {
        "name": name,
        "beta1": betas[0],
        "beta2": betas[1],
        "eps": eps,
        "weight_decay": weight_decay,
    }
    return json.dumps(spec)


__all__ = ["SGD", "Adam", "AdamW", "Optimizer"]
