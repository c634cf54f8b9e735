"""Every estimator of scikit-learn: it comes back as it was, or is refused with what to do."""

import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.sparse import issparse
from sklearn.base import BaseEstimator
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import Ridge
from sklearn.utils import all_estimators
from sklearn.utils._test_common.instance_generator import _construct_instances

from ml_pipeline.errors import PipelineError
from ml_pipeline.store.formats import SkopsFormat

pytestmark = pytest.mark.long

ROWS = 60
_random = np.random.default_rng(0)
X = _random.normal(size=(ROWS, 6))
POSITIVE = np.abs(X)
Y = (X[:, 0] + 0.1 * _random.normal(size=ROWS) > 0).astype(int)
TEXT = ["one two", "two three", "three four"] * (ROWS // 3)
INPUTS: dict[str, tuple[Any, ...]] = {
    "numbers": (X, Y),
    "positive": (POSITIVE, Y),
    "positive target": (POSITIVE, POSITIVE[:, 0] + 1),
    "two targets": (X, np.c_[Y, 1 - Y]),
    "one column": (X[:, 0], Y),
    "text": (TEXT,),
    "mappings": ([{"a": 1, "b": 2}] * ROWS, Y),
    "labels": (Y,),
    "sets of labels": ([[1, 2], [2]],),
    "a kernel": (X @ X.T,),
    "five columns": (X[:, :3],),
}
REFUSED = {"Birch"}  # skops itself refuses it


def instances() -> Iterator[tuple[str, BaseEstimator]]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for name, cls in all_estimators():
            if cls is FrozenEstimator:
                yield name, FrozenEstimator(Ridge().fit(X, Y))
                continue
            made = next(iter(_construct_instances(cls)))
            if "random_state" in made.get_params(deep=False):
                made.set_params(random_state=0)
            yield name, made


ESTIMATORS = dict(instances())


def fitted(estimator: BaseEstimator) -> tuple[BaseEstimator, tuple[Any, ...]]:
    for given in INPUTS.values():
        try:
            return estimator.fit(*given), given
        except (AttributeError, IndexError, TypeError, ValueError):
            continue
    raise AssertionError(f"no input fits {estimator}")


def said(estimator: Any, given: tuple[Any, ...]) -> dict[str, Any]:
    """Return all that a fitted estimator answers about what it was fitted to."""
    answers = {}
    for method in ("predict", "predict_proba", "decision_function", "transform", "score_samples"):
        try:
            answer = getattr(estimator, method)(given[0])
        except (AttributeError, TypeError, ValueError) as error:
            answer = str(type(error))
        answers[method] = answer.toarray() if issparse(answer) else answer
    return answers


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", ESTIMATORS)
def test_fitted_estimator_comes_back_with_the_same_answers_or_is_refused(
    name: str, tmp_path: Path
) -> None:
    estimator, given = fitted(ESTIMATORS[name])
    file = tmp_path / "model.skops"
    if name in REFUSED:
        with pytest.raises(PipelineError, match="give the pipeline a Format of your own"):
            SkopsFormat().keep(estimator, file)
        assert not file.exists()
        return
    SkopsFormat().keep(estimator, file)
    SkopsFormat().prove(file)
    again = SkopsFormat().read(file, lazy=False)
    assert type(again) is type(estimator)
    SkopsFormat().keep(again, tmp_path / "again.skops")
    assert (tmp_path / "again.skops").read_bytes() == file.read_bytes()
    before, after = said(estimator, given), said(again, given)
    for method, answer in before.items():
        if isinstance(answer, np.ndarray) and answer.dtype.kind == "f":
            np.testing.assert_allclose(after[method], answer, rtol=1e-12, err_msg=method)
        else:
            np.testing.assert_array_equal(after[method], answer, err_msg=method)


def test_estimators_are_many() -> None:
    assert len(ESTIMATORS) > 190
