"""Trainings that are done, and runs that are stored."""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Iterator, Mapping
from html import escape
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from . import _html, _native
from ._data import Dataset
from ._flags import flags
from ._network import Network
from ._order import EPOCH, ordered
from ._packed import PackedNet
from ._plot import Plot


class History(Mapping[str, npt.NDArray[np.float64]]):
    """The records of the epochs, a column each: ``history["val_accuracy"]`` is an array with a
    number an epoch, NaN where there is none. ``pandas.DataFrame(history)`` is a table."""

    def __init__(self, records: list[dict[str, Any]]) -> None:
        self.records = [ordered(record, EPOCH) for record in records]
        names = dict.fromkeys(name for record in self.records for name in record)
        plain = [
            name
            for name in names
            if all(isinstance(r.get(name), (int, float, type(None))) for r in records)
        ]
        self._columns = {
            name: np.array(
                [np.nan if r.get(name) is None else r[name] for r in records], np.float64
            )
            for name in plain
        }

    def __getitem__(self, name: str) -> npt.NDArray[np.float64]:
        return self._columns[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._columns)

    def __len__(self) -> int:
        return len(self._columns)

    def __repr__(self) -> str:
        return f"<bnn_cpu.History of {len(self.records)} epochs: {', '.join(self)}>"

    def _repr_html_(self) -> str:
        rows = [
            {name: record.get(name) for name in self if name != "seconds"}
            for record in self.records
        ]
        return _html.table(rows)


class Run:
    """A training: its settings, its epochs, its test and its network.

    Attributes
    ----------
    config
        Everything that the result depends on, as in the run's ``config.json``.
    history
        The records of the epochs, as columns.
    test
        The record of the test (``accuracy``, ``loss``, ...); None where nothing was tested.
    network
        The network with the weights of the best epoch.
    path
        The folder that keeps the run; None of one in memory.
    dataset
        The data set, where the run was trained in this process.
    notes
        Lines on where settings come from.
    """

    def __init__(
        self,
        config: dict[str, Any],
        history: list[dict[str, Any]],
        test: dict[str, Any] | None,
        network: Network,
        path: Path | None,
        dataset: Dataset | None = None,
        notes: list[str] | None = None,
    ) -> None:
        self.config = config
        self.history = History(history)
        self.test = test
        self.network = network
        self.path = path
        self.dataset = dataset
        self.notes = notes or []

    @property
    def accuracy(self) -> float | None:
        """The test accuracy as a share; None where nothing was tested."""
        return None if self.test is None else float(self.test["accuracy"])

    def pack(self) -> PackedNet:
        """The network as bits. Of a stored run it is what ``bnn-cpu pack`` makes.

        Raises
        ------
        ValueError
            A layer that cannot be packed, by name.
        """
        if self.path is None:
            return self.network.pack()
        with tempfile.TemporaryDirectory() as folder:
            file = os.path.join(folder, "packed.safetensors")
            _native.command(["pack", str(self.path), "-o", file, "--quiet", "--json"])
            return PackedNet(file)

    def export(self, out: str | os.PathLike[str], *, to: str = "c99", **options: Any) -> None:
        """Write the packed network in another form, as ``bnn-cpu export`` does: ``to`` is a form
        such as ``"c99"``, and ``options`` are the command's flags.

        Raises
        ------
        ValueError
            A run in memory, or a network that the form cannot hold.
        """
        if self.path is None:
            raise ValueError("export needs a stored run; train with out= a folder")
        given = flags({"to": to, "out": out, **options})
        held = None if self.dataset is None else self.dataset._native
        _native.command(["export", str(self.path), *given, "--quiet", "--json"], None, held)

    @property
    def plot(self) -> Plot:
        """Pictures of the run: ``run.plot.curves()``, ``run.plot.heatmap()``, ..."""
        return Plot(self)

    def __repr__(self) -> str:
        name = self.config["model"]["name"]
        test = "" if self.accuracy is None else f", test accuracy {100 * self.accuracy:.2f} %"
        where = "" if self.path is None else f", in {self.path}"
        return f"<bnn_cpu.Run {name}: {len(self.history.records)} epochs{test}{where}>"

    def _repr_html_(self) -> str:
        return f"<p>{escape(repr(self)[1:-1])}</p>{self.history._repr_html_()}"

    def __reduce__(self) -> tuple[Any, ...]:
        parts = (self.config, self.history.records, self.test, self.network, self.path)
        return Run, (*parts, self.dataset, self.notes)


def load(path: str | os.PathLike[str]) -> Run:
    """Open a run that the program or `train` stored.

    Raises
    ------
    OSError
        There is no such folder.
    bnn_cpu.Error
        It holds no run, or a damaged one.
    """
    native, config, history, test = _native.run_network(Path(path))
    return Run(
        json.loads(config),
        json.loads(history),
        None if test is None else json.loads(test),
        Network._of(native),
        Path(path),
    )
