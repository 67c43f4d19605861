"""A classifier for scikit-learn.

``BinaryNetClassifier`` takes features (N x features) of any kind, standardises them, and trains a
dense network whose hidden units are binary. It needs scikit-learn, which ``bnn_cpu`` does not.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_is_fitted, validate_data

from ._network import Network
from ._optimizer import Adam


class BinaryNetClassifier(ClassifierMixin, BaseEstimator):  # type: ignore[misc, unused-ignore]
    """A dense network with binary hidden units.

    Parameters
    ----------
    hidden
        The number of binary units of each hidden layer.
    estimator
        The gradient estimator of the units: a name that `bnn_cpu.estimators` lists, or that
        `bnn_cpu.register` has made known.
    mode
        ``"det"`` or ``"stoch"``: how units fire in training. Predictions read them as
        thresholds.
    batch_norm
        Whether a batch norm stands before each layer of units.
    epochs, batch, lr
        Of a training with Adam.
    random_state
        The seed of weights, order and noise: an int, a ``RandomState`` or None.

    Attributes
    ----------
    classes_
        The labels, sorted.
    network_
        The trained `bnn_cpu.Network`.
    loss_curve_
        The mean loss of each epoch.
    """

    def __init__(
        self,
        hidden: Sequence[int] = (64,),
        *,
        estimator: str = "st",
        mode: str = "det",
        batch_norm: bool = True,
        epochs: int = 100,
        batch: int = 32,
        lr: float = 0.01,
        random_state: Any = None,
    ) -> None:
        self.hidden = hidden
        self.estimator = estimator
        self.mode = mode
        self.batch_norm = batch_norm
        self.epochs = epochs
        self.batch = batch
        self.lr = lr
        self.random_state = random_state

    def fit(self, X: Any, y: Any) -> BinaryNetClassifier:  # noqa: N803 - scikit-learn's name
        """Train on features X (N, features) and labels y (N,)."""
        X, y = validate_data(self, X, y, dtype=np.float64)
        check_classification_targets(y)
        self.classes_, labels = np.unique(y, return_inverse=True)
        if len(self.classes_) < 2:
            raise ValueError(
                f"there is 1 class only, {self.classes_[0]!r}; a classifier needs two or more"
            )
        self._mean = X.mean(axis=0)
        deviation = X.std(axis=0)
        self._std = np.where(deviation > 0, deviation, 1.0)
        rows = self._rows(X)
        random = _generator(self.random_state)
        # A batch norm needs two rows to know a deviation.
        batch = max(2, min(self.batch, len(rows)))
        self.network_ = Network(
            self._spec(rows.shape[1]), batch=batch, seed=int(random.integers(2**31))
        )
        optimizer = Adam(self.lr)
        self.loss_curve_ = []
        for _ in range(self.epochs):
            order = random.permutation(len(rows))
            losses = []
            for i in range(0, len(order), batch):
                mine = order[i : i + batch]
                if len(mine) == 1:
                    mine = order[-2:]
                losses.append(self.network_.loss(rows[mine], labels[mine]))
                self.network_.backward()
                self.network_.step(optimizer)
            self.loss_curve_.append(float(np.mean(losses)))
        self.n_iter_ = self.epochs
        return self

    def _spec(self, features: int) -> dict[str, Any]:
        layers: list[dict[str, Any]] = []
        for i, units in enumerate(self.hidden, 1):
            layers.append({"type": "linear", "name": f"fc{i}", "out": int(units)})
            if self.batch_norm:
                layers.append({"type": "batch_norm", "name": f"bn{i}"})
            layers.append({"type": "binary", "mode": self.mode, "estimator": self.estimator})
        layers.append({"type": "linear", "name": "out", "out": len(self.classes_)})
        image = {"channels": features, "height": 1, "width": 1}
        return {"name": "dense", "input": image, "layers": layers}

    def _rows(self, X: npt.NDArray[np.float64]) -> npt.NDArray[np.float32]:  # noqa: N803
        return np.asarray((X - self._mean) / self._std, np.float32)

    def _logits(self, X: Any) -> npt.NDArray[np.float64]:  # noqa: N803
        check_is_fitted(self)
        X = validate_data(self, X, dtype=np.float64, reset=False)
        return self.network_.forward(self._rows(X)).astype(np.float64)

    def predict(self, X: Any) -> Any:  # noqa: N803
        """The label of each row."""
        logits = self._logits(X)
        return self.classes_[np.argmax(logits, axis=1)]

    def predict_proba(self, X: Any) -> npt.NDArray[np.float64]:  # noqa: N803
        """The softmax of the logits, (N, classes), in the order of ``classes_``."""
        z = self._logits(X)
        e = np.exp(z - z.max(axis=1, keepdims=True))
        return np.asarray(e / e.sum(axis=1, keepdims=True), np.float64)

    def decision_function(self, X: Any) -> npt.NDArray[np.float64]:  # noqa: N803
        """The logits (N, classes); of two classes their difference (N,)."""
        z = self._logits(X)
        return z[:, 1] - z[:, 0] if z.shape[1] == 2 else z


def _generator(random_state: Any) -> np.random.Generator:
    if isinstance(random_state, np.random.RandomState):
        return np.random.default_rng(int(random_state.randint(2**31 - 1)))
    return np.random.default_rng(random_state)
