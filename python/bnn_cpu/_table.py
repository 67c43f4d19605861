"""Tables of runs: a suite's, or a sweep's."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from concurrent.futures import Executor
from pathlib import Path
from typing import Any

from . import _html, _native
from ._flags import flags


class Table:
    """A table of runs.

    Attributes
    ----------
    record
        The table as its ``.json`` file has it: every row with its cells.
    rows
        Tidy rows, one a row of the table; means, deviations and intervals are columns such as
        ``percent_mean``. ``pandas.DataFrame(table.rows)`` is a table.
    results
        The folder that keeps the records of the cells, and the table as Markdown, CSV and JSON.
    """

    def __init__(self, record: dict[str, Any], results: Path) -> None:
        self.record = record
        self.results = results
        self.rows = [_flat(row) for row in record["rows"]]

    def __repr__(self) -> str:
        return f"<bnn_cpu.Table {self.record['suite']}: {len(self.rows)} rows, in {self.results}>"

    def _repr_html_(self) -> str:
        return _html.table(self.rows)


def _flat(row: dict[str, Any]) -> dict[str, Any]:
    """A row without lists, and with what it groups as columns of their own."""
    flat: dict[str, Any] = {}
    for name, value in row.items():
        if isinstance(value, dict):
            flat.update({f"{name}_{part}": x for part, x in value.items()})
        elif not isinstance(value, list):
            flat[name] = value
    return flat


def table(
    suite: str | os.PathLike[str] = "reference",
    *,
    seeds: int = 3,
    results: str | os.PathLike[str] = "results",
    executor: Executor | None = None,
    workers: int = 1,
    on: Callable[[dict[str, Any]], Any] | None = None,
    **options: Any,
) -> Table:
    """Train the rows of a suite, each with several seeds, and make their table.

    A cell that is finished is never trained again, and a table that was interrupted continues
    where it was.

    Parameters
    ----------
    suite
        A suite that comes with the program (``"reference"``, ``"tuned"``, ``"estimators"``, ...)
        or a JSON file.
    seeds
        Seeds 1 to this number of every row.
    results
        The folder of the tables and of the records of cells.
    executor
        An executor of `concurrent.futures`, such as a process pool or Dask's: ``workers`` shares
        of the cells are submitted to it, each trained by a process of its own that sees
        ``results``; the table is made here when all are done.
    workers
        The number of shares.
    on
        Called with every event that ``bnn-cpu table --json`` writes; without an executor.
    options
        Every further flag of ``bnn-cpu table``: ``rows``, ``epochs``, ``jobs``, ``dataset``,
        ``data``, ...
    """
    given = {"suite": suite, "seeds": seeds, "results": results, **options}
    if executor is not None:
        shares = [
            executor.submit(_share, flags({**given, "shard": f"{i + 1}/{workers}"}))
            for i in range(workers)
        ]
        for share in shares:
            share.result()
        given["render"] = True
    found: dict[str, Any] = {}

    def told(line: str) -> None:
        event = json.loads(line)
        if event.get("event") == "table":
            found.update(event["table"])
        if on is not None:
            on(event)

    _native.command(["table", *flags(given), "--quiet", "--json"], told)
    return Table(found, Path(results))


def _share(given: list[str]) -> None:
    """A share of the cells, in a worker of an executor."""
    _native.command(["table", *given, "--quiet", "--json"])
