"""Shared by the golden_*.py scripts: seeded inputs and a byte-reproducible file.

Not run by itself.  Inputs are drawn in float32 and computed on in float64, so
a value in a file is the exact answer rounded once.
"""

import json
import pathlib
import struct
from typing import Any

import numpy as np
import torch

GOLDEN = pathlib.Path(__file__).resolve().parents[1] / "golden"
DTYPES = {"float32": "F32", "float64": "F64", "uint8": "U8", "int64": "I64"}

Tensors = dict[str, torch.Tensor]


def generator(seed: int) -> torch.Generator:
    """A fresh source of random numbers; each case has its own, so cases can be added."""
    return torch.Generator().manual_seed(seed)


def draw(rng: torch.Generator, *shape: int, scale: float = 1.0) -> torch.Tensor:
    """Normal float32 values, widened to float64 without changing them."""
    return (torch.randn(*shape, generator=rng) * scale).double()


def leaf(x: torch.Tensor) -> torch.Tensor:
    """A copy of `x` that collects a gradient."""
    return x.detach().clone().requires_grad_()


class StraightThrough(torch.autograd.Function):
    """h = [x > 0]; dL/dx = dL/dh * a/2 where |a x| < 1, else 0."""

    @staticmethod
    def forward(ctx, x: torch.Tensor, a: float) -> torch.Tensor:
        ctx.save_for_backward(x)
        ctx.a = a
        return (x > 0).to(x.dtype)

    @staticmethod
    def backward(ctx, dh: torch.Tensor):
        (x,) = ctx.saved_tensors
        return dh * (ctx.a / 2) * ((ctx.a * x).abs() < 1), None


def save(name: str, tensors: Tensors, metadata: dict[str, Any], limit: int) -> None:
    """Write `tests/golden/NAME`: float64 stored as F32 unless its key starts with "lr.".

    Written by hand because the safetensors package keeps metadata in a hash
    map, whose order, and so the file, would differ from run to run.
    """
    header: dict[str, Any] = {"__metadata__": {k: json.dumps(v) for k, v in metadata.items()}}
    blob = bytearray()
    arrays = {k: t.detach().contiguous().numpy() for k, t in tensors.items()}
    for key, array in arrays.items():
        if array.dtype == np.float64 and not key.startswith("lr."):
            arrays[key] = array.astype(np.float32)
    # The widest first, so that every tensor is aligned without holes.
    for key, array in sorted(arrays.items(), key=lambda item: -item[1].itemsize):
        assert array.dtype.kind != "f" or np.isfinite(array).all(), key
        raw = array.tobytes()
        header[key] = {
            "dtype": DTYPES[str(array.dtype)],
            "shape": list(array.shape),
            "data_offsets": [len(blob), len(blob) + len(raw)],
        }
        blob += raw
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    path = GOLDEN / name
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(struct.pack("<Q", len(text)) + text + bytes(blob))
    size = path.stat().st_size
    assert size < limit, f"{name}: {size} bytes, limit {limit}"
    print(f"{name}: {len(tensors)} tensors, {size} bytes")
