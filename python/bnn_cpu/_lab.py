"""The lab: bias, variance and cost of estimators."""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from . import _html, _native
from ._flags import flags
from ._plot import Picture


class LabResult:
    """What the lab measured.

    Attributes
    ----------
    record
        The record as ``lab.json`` has it.
    rows
        Tidy rows, one for each point, estimator and parameter: ``epoch``, ``estimator``,
        ``unbiased``, ``parameter``, ``draws``, ``milliseconds``, and the figures (``bias``,
        ``variance``, ``snr``, ``cosine``, ...), each with its standard error as ``..._error``.
        ``pandas.DataFrame(result.rows)`` is a table.
    figures
        The figures, by name.
    """

    def __init__(self, record: dict[str, Any], figures: dict[str, Picture]) -> None:
        self.record = record
        self.rows = list(_rows(record))
        self.figures = figures

    def __repr__(self) -> str:
        return f"<bnn_cpu.LabResult {self.record['network']}: {len(self.rows)} rows>"

    def _repr_html_(self) -> str:
        every = [row for row in self.rows if row["parameter"] == "all"]
        return _html.table(every, caption=self.record["network"])


def _rows(record: dict[str, Any]) -> Any:
    for point in record["points"]:
        for measured in point["estimators"]:
            for parameter, figures in measured["figures"]:
                row = {
                    "epoch": point["epoch"],
                    "estimator": measured["name"],
                    "unbiased": measured["unbiased"],
                    "parameter": parameter,
                    "draws": measured["draws"],
                    "milliseconds": measured["milliseconds"],
                }
                for name, value in figures.items():
                    if isinstance(value, dict):
                        row.update({f"{part}_error": x for part, x in value.items()})
                    else:
                        row[name] = value
                yield row


def lab(
    run: str | os.PathLike[str] | None = None,
    *,
    estimators: Sequence[str] | str | None = None,
    out: str | os.PathLike[str] | None = None,
    **options: Any,
) -> LabResult:
    """Measure gradient estimators at given weights: bias, variance, signal-to-noise ratio, cost.

    ::

        result = bnn_cpu.lab(binary="last", estimators=["st", "reinforce:loo:4", "wide-st"],
                             dataset="digits", draws=100)

    Parameters
    ----------
    run
        The folder of a run whose best weights are used; without one, new weights are.
    estimators
        What to measure: names, or ``NAME:BASELINE:SAMPLES``.
    out
        A folder that keeps the record and the figures.
    options
        Every flag of ``bnn-cpu lab`` by its name: ``binary``, ``model``, ``draws``, ``images``,
        ``exact=True`` (against the enumeration of all outcomes of at most 12 bits), ``epochs``,
        ``at``, ``data``, ``dataset``, ...

    Raises
    ------
    ValueError
        An option or an estimator that is impossible.
    """
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(out) if out is not None else Path(scratch) / "lab"
        args = ["lab"] if run is None else ["lab", str(run)]
        given = {"estimators": estimators, "out": folder, **options}
        _native.command([*args, *flags(given), "--quiet", "--json"])
        record = json.loads((folder / "lab.json").read_text(encoding="utf-8"))
        figures = {
            file.stem: Picture({file.name: file.read_text(encoding="utf-8")})
            for file in sorted(folder.glob("*.svg"))
        }
    return LabResult(record, figures)
