"""Estimators in Python: equal to the engine's own, unbiased where they say so, errors."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import bnn_cpu

DENSE = {
    "name": "tiny",
    "input": {"channels": 1, "height": 28, "width": 28},
    "layers": [
        {"type": "max_pool", "kernel": 7},
        {"type": "linear", "name": "a", "out": 4},
        {"type": "binary", "mode": "stoch", "estimator": "st"},
        {"type": "linear", "name": "b", "out": 3},
        {"type": "binary", "mode": "stoch", "estimator": "st"},
        {"type": "linear", "name": "c", "out": 10},
    ],
}


class PySt(bnn_cpu.Estimator):
    """ST in NumPy."""

    name = "py-st"
    formula = "dL/dh * a/2 * [|a x| < 1]"

    def grad(self, units: bnn_cpu.Units) -> Any:
        within = np.abs(units.slope * units.x) < 1
        return units.dh * np.float32(0.5 * units.slope) * within


class PyReinforce(bnn_cpu.Estimator):
    """REINFORCE in NumPy."""

    name = "py-reinforce"
    formula = "(L - baseline) * a * (h - p)"
    unbiased = True
    kind = "score-function"
    probability = "sigmoid"
    needs = ("p",)
    takes_baseline = True

    def grad(self, units: bnn_cpu.Units) -> Any:
        return units.learning_signal * units.slope * (units.h - units.p)


class PyDisArm(bnn_cpu.Estimator):
    """DisARM in NumPy, which asks for a further row."""

    name = "py-disarm"
    formula = "(L(h) - L(opposite))/2 * ..."
    unbiased = True
    cost = "2 forward a layer"
    kind = "score-function"
    probability = "sigmoid"
    needs = ("p", "u")
    extras = (("opposite", "opposite"),)

    def learning_signal(self, outcome: bnn_cpu.Outcome) -> float:
        return (outcome.loss - outcome.extra[0]) * outcome.weight

    def grad(self, units: bnn_cpu.Units) -> Any:
        opposite = (1 - units.u < units.p).astype(np.float32)
        half = np.float32(0.5) * (units.h - opposite)
        return units.learning_signal * half * units.slope * np.maximum(units.p, 1 - units.p)


@pytest.fixture(scope="module", autouse=True)
def registered() -> None:
    for estimator in (PySt(), PyReinforce(), PyDisArm()):
        bnn_cpu.register(estimator)


@pytest.mark.parametrize(
    ("ours", "theirs"), [("st", "py-st"), ("reinforce", "py-reinforce"), ("disarm", "py-disarm")]
)
def test_a_rule_in_numpy_is_the_engines_own(
    digits: bnn_cpu.Dataset, ours: str, theirs: str
) -> None:
    gradients = []
    for name in (ours, theirs):
        net = bnn_cpu.Network("mlp", mode="stoch", estimator=name, batch=32, seed=5, samples=2)
        net.loss(digits.train.images[:32], digits.train.labels[:32])
        net.backward()
        gradients.append(net.gradients["fc1.weight"].copy())
    assert np.abs(gradients[0]).max() > 0
    np.testing.assert_allclose(gradients[1], gradients[0], rtol=2e-3, atol=2e-7)


def test_they_train_by_name(digits: bnn_cpu.Dataset) -> None:
    settings = {"data": digits, "out": False, "progress": False, "mode": "stoch", "epochs": 2}
    run = bnn_cpu.train("mlp", estimator="py-st", optimizer="adam", lr=0.01, **settings)
    same = bnn_cpu.train("mlp", estimator="st", optimizer="adam", lr=0.01, **settings)
    assert run.accuracy is not None and run.accuracy > 0.5
    assert run.accuracy == pytest.approx(same.accuracy, abs=0.1)


def test_the_lab_holds_them_to_the_exact_gradient(tmp_path: Any) -> None:
    bnn_cpu.Network(DENSE).save_spec(tmp_path / "tiny.json")
    contenders = ["py-disarm", "disarm"]
    result = bnn_cpu.lab(
        model=tmp_path / "tiny.json",
        exact=True,
        dataset="digits",
        estimators=contenders,
        images=4,
        draws=400,
    )
    rows = {row["estimator"]: row for row in result.rows if row["parameter"] == "all"}
    found = {name.split(" ")[0].split(":")[0]: row for name, row in rows.items()}
    assert set(found) >= {"py-disarm", "disarm"}, list(rows)
    for name in ("py-disarm", "disarm"):
        # Below its resolution a bias is not told from chance.
        assert found[name]["bias"] <= 2 * found[name]["resolution_error"], found[name]
    assert "<table" in result._repr_html_() and result.figures


def test_a_single_unit_shows_the_gradient() -> None:
    x = np.linspace(-2, 2, 5)
    shown = bnn_cpu.at_one_unit("py-disarm", x, draws=4000)
    own = bnn_cpu.at_one_unit("disarm", x, draws=4000)
    np.testing.assert_allclose(shown["exact"], own["exact"])
    error = shown["deviation"] / np.sqrt(4000)
    assert (np.abs(shown["mean"] - shown["exact"]) <= 5 * error + 1e-6).all()


def test_an_exception_in_a_rule_is_raised(digits: bnn_cpu.Dataset) -> None:
    class Failing(PySt):
        name = "failing"

        def grad(self, units: bnn_cpu.Units) -> Any:
            raise ZeroDivisionError("in my rule")

    class Short(PySt):
        name = "short"

        def grad(self, units: bnn_cpu.Units) -> Any:
            return units.x[:3]

    bnn_cpu.register(Failing())
    bnn_cpu.register(Short())
    for name, kind, says in [
        ("failing", ZeroDivisionError, "in my rule"),
        ("short", ValueError, "one for each unit"),
    ]:
        net = bnn_cpu.Network("mlp", estimator=name, batch=8)
        net.loss(digits.train.images[:8], digits.train.labels[:8])
        with pytest.raises(kind, match=says):
            net.backward()
        with pytest.raises(kind, match=says):
            bnn_cpu.train("mlp", data=digits, estimator=name, out=False, progress=False, lr=0.1)
    # It is over: what follows is not blamed.
    net = bnn_cpu.Network("mlp", batch=8)
    net.loss(digits.train.images[:8], digits.train.labels[:8])
    net.backward()


def test_a_cell_can_be_run_again_and_own_names_are_kept() -> None:
    class Again(PySt):
        name = "again"
        formula = "first"

    bnn_cpu.register(Again())
    second = Again()
    second.formula = "second"
    bnn_cpu.register(second)
    found = [e["formula"] for e in bnn_cpu.estimators() if e["name"] == "again"]
    assert found == ["second"]
    for attributes, says in [
        ({"name": "st"}, "own"),
        ({"name": "two words"}, "one word"),
        ({"kind": "nope"}, "kind"),
        ({"probability": "nope"}, "probability"),
        ({"needs": ("q",)}, "needs"),
        ({"extras": (("nope", "mean"),)}, "extras"),
        ({"saved_grads": "nope"}, "saved_grads"),
    ]:
        wrong = type("Wrong", (PySt,), {"name": "wrong", **attributes})()
        with pytest.raises(ValueError, match=says):
            bnn_cpu.register(wrong)
