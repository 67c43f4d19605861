"""Golden optimiser steps and learning-rate schedules: tests/golden/optim.safetensors.

    pip install torch numpy safetensors
    python tests/tools/golden_optim.py

Optimiser case NAME: NAME.w0 (37), NAME.grads (5, 37), NAME.weights (5, 37), the
weights after each step.  Computed in float32 by PyTorch's plain loop.
Schedule NAME: lr.NAME (steps), float64, the rate used by step i (from 0).
metadata[NAME] holds the settings as a JSON object.
"""

from typing import Any

import torch
from golden import Tensors, generator, save
from torch.optim import SGD, Adam, AdamW
from torch.optim.lr_scheduler import CosineAnnealingLR, OneCycleLR, StepLR

STEPS, SIZE = 5, 37
PLAIN: dict[str, Any] = {"foreach": False, "fused": False}


def optimiser(cls: type, seed: int, rates: list[float] | None = None, **settings: Any) -> Tensors:
    """Element 3 never gets a gradient, element 4 only tiny ones, element 5 large ones."""
    rng = generator(seed)
    w = torch.nn.Parameter(torch.randn(SIZE, generator=rng))
    grads = torch.randn(STEPS, SIZE, generator=rng)
    grads[:, 3], grads[:, 4], grads[:, 5] = 0.0, grads[:, 4] * 1e-8, grads[:, 5] * 1e3
    w0, weights = w.detach().clone(), []
    opt = cls([w], **settings, **PLAIN)
    for step in range(STEPS):
        if rates:
            opt.param_groups[0]["lr"] = rates[step]
        w.grad = grads[step].clone()
        opt.step()
        weights.append(w.detach().clone())
    return {"w0": w0, "grads": grads, "weights": torch.stack(weights)}


def schedule(cls: type, base: float, steps: int, **settings: Any) -> torch.Tensor:
    opt = SGD([torch.nn.Parameter(torch.zeros(1))], lr=base)
    scheduler = cls(opt, **settings)
    rates = []
    for _ in range(steps):
        rates.append(opt.param_groups[0]["lr"])
        opt.step()
        if len(rates) < steps:
            scheduler.step()
    return torch.tensor(rates, dtype=torch.float64)


def main() -> None:
    tensors: Tensors = {}
    meta: dict[str, Any] = {}
    falling = [0.1, 0.1, 0.01, 0.01, 0.001]
    cases: list[tuple[str, type, dict[str, Any]]] = [
        ("sgd", SGD, {"lr": 0.1}),
        ("sgd_momentum", SGD, {"lr": 0.1, "momentum": 0.9}),
        ("sgd_nesterov", SGD, {"lr": 0.1, "momentum": 0.9, "nesterov": True}),
        ("sgd_decay", SGD, {"lr": 0.1, "weight_decay": 0.01}),
        ("sgd_momentum_decay", SGD, {"lr": 0.1, "momentum": 0.9, "weight_decay": 0.01}),
        ("sgd_nesterov_decay", SGD,
         {"lr": 0.1, "momentum": 0.9, "nesterov": True, "weight_decay": 0.01}),
        ("sgd_momentum_falling", SGD, {"lr": 0.1, "momentum": 0.9, "rates": falling}),
        ("adam", Adam, {"lr": 0.01, "betas": [0.9, 0.999], "eps": 1e-8}),
        ("adam_betas", Adam, {"lr": 0.01, "betas": [0.8, 0.95], "eps": 1e-6}),
        ("adam_decay", Adam, {"lr": 0.01, "betas": [0.9, 0.999], "eps": 1e-8, "weight_decay": 0.05}),
        ("adamw", AdamW, {"lr": 0.01, "betas": [0.9, 0.999], "eps": 1e-8, "weight_decay": 0.05}),
        ("adamw_falling", AdamW, {"lr": 0.1, "betas": [0.9, 0.999], "eps": 1e-8,
                                  "weight_decay": 0.05, "rates": falling}),
    ]
    for seed, (name, cls, settings) in enumerate(cases, start=100):
        meta[name] = {"optimiser": cls.__name__.lower()} | settings
        for key, tensor in optimiser(cls, seed, **settings).items():
            tensors[f"{name}.{key}"] = tensor

    cycle = {"max_lr": 0.1, "pct_start": 0.3, "div_factor": 25.0, "final_div_factor": 1e4}
    schedules: list[tuple[str, type, float, int, dict[str, Any]]] = [
        ("step", StepLR, 0.1, 20, {"step_size": 3, "gamma": 0.5}),
        ("cosine", CosineAnnealingLR, 0.1, 21, {"T_max": 20, "eta_min": 0.0}),
        ("cosine_floor", CosineAnnealingLR, 0.1, 21, {"T_max": 20, "eta_min": 1e-3}),
        ("one_cycle", OneCycleLR, 0.1, 40, cycle | {"total_steps": 40}),
        ("one_cycle_odd", OneCycleLR, 0.1, 37, cycle | {"total_steps": 37}),
    ]
    for name, cls, base, steps, settings in schedules:
        shown = dict(settings)
        if cls is OneCycleLR:
            settings = settings | {"anneal_strategy": "cos", "cycle_momentum": False}
        else:
            shown["lr"] = base
        meta[name] = {"schedule": name.removesuffix("_odd").removesuffix("_floor")} | shown
        tensors[f"lr.{name}"] = schedule(cls, base, steps, **settings)
    save("optim.safetensors", tensors, meta, limit=100_000)


if __name__ == "__main__":
    main()
