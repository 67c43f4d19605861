"""The order of columns: as one reads them, not by the alphabet."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

#: Of a layer table.
LAYER = ("name", "kind", "output", "params_f32", "params_bit", "madds_f32", "madds_bit", "bytes")

#: Of the record of an epoch.
EPOCH = (
    "epoch",
    "train_loss",
    "train_accuracy",
    "val_loss",
    "val_accuracy",
    "slope",
    "lr",
    "img_per_s",
    "seconds",
    "saturated",
    "flip_ratio",
)


def ordered(row: Mapping[str, Any], first: Sequence[str]) -> dict[str, Any]:
    """The row with those columns first, as far as it has them, and the others after them."""
    names = [name for name in first if name in row] + [name for name in row if name not in first]
    return {name: row[name] for name in names}
