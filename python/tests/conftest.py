"""What the tests share."""

from __future__ import annotations

from pathlib import Path

import pytest

import bnn_cpu


@pytest.fixture(scope="session")
def digits() -> bnn_cpu.Dataset:
    """The built-in digits, fewer of them."""
    whole = bnn_cpu.Dataset.load(dataset="digits")
    train, test = whole.train, whole.test
    return bnn_cpu.Dataset(
        train.images[:600],
        train.labels[:600],
        test=(test.images[:200], test.labels[:200]),
        name="some digits",
    )


@pytest.fixture(scope="session")
def run(digits: bnn_cpu.Dataset, tmp_path_factory: pytest.TempPathFactory) -> bnn_cpu.Run:
    """A short training that is stored."""
    out: Path = tmp_path_factory.mktemp("runs") / "run"
    return bnn_cpu.train(
        "seed-net",
        data=digits,
        binary="both",
        optimizer="adam",
        lr=0.005,
        epochs=3,
        out=out,
        progress=False,
    )
