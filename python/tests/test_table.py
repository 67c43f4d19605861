"""Tables of runs, trained here or by the workers of an executor."""

from __future__ import annotations

import json
import multiprocessing
from concurrent.futures import Executor, ProcessPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import bnn_cpu


@pytest.fixture(scope="module")
def suite(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """A suite of two rows on few images, as arguments of `table`."""
    folder = tmp_path_factory.mktemp("suite")
    whole = bnn_cpu.Dataset.load(dataset="digits")
    x, y = whole.train
    few = {"x_train": x[:300], "y_train": y[:300], "x_test": x[300:400], "y_test": y[300:400]}
    np.savez(folder / "few.npz", **few)
    recipe = {"model": "mlp", "epochs": 1, "batch": 50}
    (folder / "recipe.json").write_text(json.dumps(recipe))
    file = folder / "two.json"
    rows = [
        {"id": "slow", "title": "rate 0.01", "recipe": "recipe.json", "settings": {"lr": 0.01}},
        {"id": "fast", "title": "rate 0.1", "recipe": "recipe.json", "settings": {"lr": 0.1}},
    ]
    file.write_text(json.dumps({"name": "two", "about": "Two rows.", "rows": rows}))
    return {"suite": file, "seeds": 2, "data": folder / "few.npz", "threads": 1}


@pytest.fixture(scope="module")
def here(suite: dict[str, Any], tmp_path_factory: pytest.TempPathFactory) -> bnn_cpu.Table:
    """The table, trained by this process."""
    return bnn_cpu.table(**suite, results=tmp_path_factory.mktemp("here"))


def figures(table: bnn_cpu.Table) -> dict[str, tuple[Any, Any]]:
    """What the cells of a table measured, without times."""
    found = {}
    for path in sorted(table.results.glob("cells/*/*.json")):
        cell = json.loads(path.read_text())
        losses = [epoch["train_loss"] for epoch in cell["history"]]
        found[path.name] = (losses, cell["test"]["loss"])
    return found


def same(there: bnn_cpu.Table, here: bnn_cpu.Table) -> None:
    """The same cells with the same bits, and the same table of them."""
    assert len(figures(here)) == 4
    assert figures(there) == figures(here)
    assert [row["title"] for row in there.rows] == [row["title"] for row in here.rows]
    means = [[row["percent_mean"] for row in table.rows] for table in (there, here)]
    assert means[0] == means[1]


def test_rows_and_events(suite: dict[str, Any], here: bnn_cpu.Table) -> None:
    assert len(here.rows) == 2
    assert all(row["percent_n"] == 2 for row in here.rows)
    assert here.rows[0]["title"] == "rate 0.01"
    assert "<table" in here._repr_html_()
    events: list[str] = []
    again = bnn_cpu.table(
        **suite, results=here.results, on=lambda event: events.append(event["event"])
    )
    assert events[-1] == "table"
    assert again.rows == here.rows


@pytest.mark.parametrize("method", ["spawn", "fork"])
def test_process_pool(
    suite: dict[str, Any], here: bnn_cpu.Table, tmp_path: Path, method: str
) -> None:
    context = multiprocessing.get_context(method)
    with ProcessPoolExecutor(2, mp_context=context) as executor:
        there = bnn_cpu.table(**suite, results=tmp_path, executor=executor, workers=2)
    same(there, here)


def test_more_shares_than_cells(suite: dict[str, Any], here: bnn_cpu.Table, tmp_path: Path) -> None:
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as executor:
        there = bnn_cpu.table(**suite, results=tmp_path, executor=executor, workers=6)
    same(there, here)


def test_dask(suite: dict[str, Any], here: bnn_cpu.Table, tmp_path: Path) -> None:
    distributed = pytest.importorskip("distributed")
    cluster = distributed.LocalCluster(
        n_workers=2, threads_per_worker=1, processes=True, dashboard_address=None
    )
    with cluster, distributed.Client(cluster) as client:
        executor: Executor = client.get_executor()
        there = bnn_cpu.table(**suite, results=tmp_path, executor=executor, workers=2)
    same(there, here)


def test_a_share_that_fails_is_told(suite: dict[str, Any], tmp_path: Path) -> None:
    wrong = {**suite, "data": "nowhere.npz"}
    with (
        ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as executor,
        pytest.raises((OSError, ValueError, bnn_cpu.Error), match=r"nowhere\.npz"),
    ):
        bnn_cpu.table(**wrong, results=tmp_path, executor=executor, workers=1)
