"""Gradient estimators: those that there are, and one's own."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from . import _native

Array = npt.NDArray[np.float32]


class Units(NamedTuple):
    """The units of one row, as an estimator sees them; arrays have one number a unit."""

    #: Pre-activations.
    x: Array
    #: Probabilities of a 1; zeros unless the estimator `needs` ``"p"``.
    p: Array
    #: Uniform numbers of the sample, ``h = u < p``; zeros unless it needs ``"u"``.
    u: Array
    #: Further uniform numbers, independent of ``u``; zeros unless it needs ``"v"``.
    v: Array
    #: What the units emitted.
    h: Array
    #: The gradient of the loss with respect to ``h``.
    dh: Array
    #: The slope ``a`` of the probability function.
    slope: float
    #: The temperature of relaxed bits.
    temperature: float
    #: What `Estimator.learning_signal` returned for the row.
    learning_signal: float
    #: Gradients that a control-variate pass saved.
    saved_grads: tuple[Array, Array]


class Outcome(NamedTuple):
    """What became of one row, from which a score-function estimator makes its learning signal."""

    #: The loss of the sample.
    loss: float
    #: The losses of the rows that the estimator asked for by `Estimator.extras`.
    extra: tuple[float, float]
    #: The baseline of the row; 0 without one.
    baseline: float
    #: The weight of the row's loss in the objective.
    weight: float
    #: The bits of the layer.
    h: Array
    #: Their probabilities; zeros unless the estimator needs ``"p"``.
    p: Array
    #: Gradients of the weighted loss that a control-variate pass saved.
    saved_grads: tuple[Array, Array]


class Estimator:
    """A gradient estimator of one's own, written with NumPy.

    Derive from this class, state its attributes, write `grad`, and call `register`; its name then
    works wherever an estimator's does: in `train`, `Network`, `lab` and `table`. ::

        class Wide(bnn_cpu.Estimator):
            name = "wide-st"
            formula = "dL/dh * a/4 * [|a x| < 2]"

            def grad(self, units):
                within = np.abs(units.slope * units.x) < 2
                return units.dh * units.slope * 0.25 * within

        bnn_cpu.register(Wide())

    The engine calls `grad` for a row at a time from its worker threads, one call at a time. A
    call has the units of a whole layer; keep its work in NumPy.

    A **pathwise** rule uses ``units.dh``. A **score-function** rule uses the loss of the row by
    its `learning_signal`, may ask for the loss at other bits by `extras`, and may learn a control
    variate by `learned`, `control`, `control_part` and `adapt`.
    """

    #: Its name, one word without ``+``.
    name: str = ""
    #: The gradient with respect to ``x``, in words or symbols.
    formula: str = ""
    #: Whether its expectation is the exact gradient.
    unbiased: bool = False
    #: How many passes over the network a step takes, in words.
    cost: str = "1 forward, 1 backward"
    #: The publication.
    source: str = "defined in Python"
    #: ``"pathwise"`` or ``"score-function"``.
    kind: str = "pathwise"
    #: The probability function: ``"hard-sigmoid"`` or ``"sigmoid"``.
    probability: str = "hard-sigmoid"
    #: Which of ``"p"``, ``"u"`` and ``"v"`` it uses.
    needs: Sequence[str] = ()
    #: Pathwise: whether units are sampled in training even where they are deterministic.
    explores: bool = False
    #: Score function: whether a baseline is taken from its learning signal.
    takes_baseline: bool = False
    #: Score function: the least samples of an image.
    min_samples: int = 1
    #: Score function: up to two further rows, each what the estimator's own layer emits and what
    #: the layers above it do: ``"sample"``, ``"opposite"``, ``"mean"``, ``"relaxed"``,
    #: ``"conditional"``.
    extras: Sequence[tuple[str, str]] = ()
    #: Score function: ``"none"``, ``"extra-rows"`` or ``"samples"``: which gradients are saved.
    saved_grads: str = "none"
    #: Score function: the initial values of the numbers that it learns for each layer.
    learned: Sequence[float] = ()

    def grad(self, units: Units) -> Any:
        """The gradient with respect to ``x``: one number a unit, or one for all."""
        raise NotImplementedError(f"{type(self).__name__} has no grad")

    def learning_signal(self, outcome: Outcome) -> float:
        """What the score of a row is multiplied by; by default ``(loss - baseline) * weight``."""
        return (outcome.loss - outcome.baseline) * outcome.weight

    def surrogate(self, slope: float, x: float) -> float | None:
        """Pathwise: the function whose derivative replaces that of the step, where there is
        one."""
        return None

    def control(self, temperature: float, learned: list[float], step: int) -> tuple[float, float]:
        """The temperature of relaxed bits and the scale of `control_part` at that step."""
        return temperature, 0.0

    def control_part(self, units: Units, signals: tuple[float, float]) -> Any:
        """A term of mean zero; times the scale it is added to `grad`."""
        return 0.0

    def adapt(
        self, learned: list[float], sums: tuple[float, float, float], step: int
    ) -> list[float]:
        """The learned numbers after a step, from the sums of g², g·c and c² over all units."""
        return learned

    # What the engine calls.

    def _grad(self, units: dict[str, Any]) -> Any:
        return self.grad(_units(units))

    def _learning_signal(self, outcome: dict[str, Any]) -> float:
        outcome["saved_grads"] = tuple(outcome["saved_grads"])
        return float(self.learning_signal(Outcome(**outcome)))

    def _control_part(self, units: dict[str, Any], signals: tuple[float, float]) -> Any:
        return self.control_part(_units(units), signals)


def _units(units: dict[str, Any]) -> Units:
    units["saved_grads"] = tuple(units["saved_grads"])
    return Units(**units)


def register(estimator: Estimator) -> None:
    """Make an estimator known by its name. One of the same name that Python registered before is
    replaced, so that a cell of a notebook can be run again.

    Raises
    ------
    ValueError
        A name that bnn-cpu's own estimators have, or an attribute that is no choice.
    """
    _native.register(estimator)


def estimators() -> list[dict[str, Any]]:
    """Every estimator: ``name``, ``formula``, ``unbiased``, ``cost``, ``source``,
    ``probability``."""
    return _native.estimators()


def at_one_unit(name: str, x: Any, *, draws: int = 1000) -> dict[str, npt.NDArray[np.float64]]:
    """What an estimator gives at a single unit where everything is known.

    A bit ``h`` decides between two classes by the logits ``0`` and ``2h - 1``; the exact gradient
    of the mean loss with respect to the pre-activation is the derivative of its probability.

    Returns ``x``, ``exact``, and the ``mean`` and ``deviation`` of so many draws; the mean's
    standard error is ``deviation / sqrt(draws)``.
    """
    at = np.atleast_1d(np.asarray(x, np.float64))
    found = np.asarray(_native.at_one_unit(name, at.tolist(), draws), np.float64).reshape(-1, 3)
    return {"x": at, "exact": found[:, 0], "mean": found[:, 1], "deviation": found[:, 2]}
