"""The classifier for scikit-learn."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("sklearn")

from sklearn.datasets import load_iris
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import MinMaxScaler
from sklearn.utils.estimator_checks import check_estimator

from bnn_cpu.sklearn import BinaryNetClassifier


@pytest.mark.filterwarnings("ignore")
def test_scikit_learns_own_checks() -> None:
    failed = [
        result
        for result in check_estimator(BinaryNetClassifier(epochs=60), on_fail=None)
        if result["status"] == "failed"
    ]
    assert not failed, [(r["check_name"], str(r["exception"])) for r in failed]


def test_text_labels_and_seeds() -> None:
    iris = load_iris()
    names = iris.target_names[iris.target]
    first, second = (
        BinaryNetClassifier(epochs=40, random_state=3).fit(iris.data, names) for _ in range(2)
    )
    assert first.score(iris.data, names) > 0.9
    assert list(first.classes_) == sorted(set(names))
    assert np.array_equal(first.predict_proba(iris.data), second.predict_proba(iris.data))
    np.testing.assert_allclose(first.predict_proba(iris.data).sum(axis=1), 1, rtol=1e-6)
    assert first.loss_curve_[-1] < first.loss_curve_[0]


def test_a_grid_search_with_jobs() -> None:
    iris = load_iris()
    model = make_pipeline(MinMaxScaler(), BinaryNetClassifier(epochs=20, random_state=1))
    grid = {"binarynetclassifier__hidden": [(16,), (32, 16)], "binarynetclassifier__mode": ["det"]}
    search = GridSearchCV(model, grid, cv=3, n_jobs=2).fit(iris.data, iris.target)
    assert search.best_score_ > 0.8
