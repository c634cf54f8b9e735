"""Archives of estimators: as skops would write them, but the same for the same estimator."""

import copy
import io
import json
import zipfile
from typing import Any

import numpy as np
import pytest
import skops.io
from hypothesis import given
from hypothesis import strategies as st
from scipy.sparse import csr_matrix
from sklearn.base import BaseEstimator
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import HistGradientBoostingRegressor, RandomForestRegressor
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, OneHotEncoder, StandardScaler

from ml_pipeline.store.formats.skops_archive import parts_of


def canonical_archive(estimator: Any) -> bytes:
    schema, parts = parts_of(estimator)
    return parts.packed(schema)


X = np.arange(40.0).reshape(20, 2) % 7
Y = np.arange(20.0) % 3


def columns() -> BaseEstimator:
    encoder = ColumnTransformer([("one", OneHotEncoder(), [0]), ("rest", StandardScaler(), [1])])
    return make_pipeline(encoder, Ridge()).fit(X, Y)


ESTIMATORS: dict[str, Any] = {
    "unfitted": Ridge,
    "ridge": lambda: Ridge(alpha=np.float64(2.0)).fit(X, Y),
    "logistic": lambda: LogisticRegression().fit(X, Y > 1),
    "boosting": lambda: HistGradientBoostingRegressor(max_iter=3, random_state=0).fit(X, Y),
    "forest": lambda: RandomForestRegressor(n_estimators=3, random_state=0).fit(X, Y),
    "random state": lambda: Ridge(random_state=np.random.RandomState(3)),
    "function": lambda: FunctionTransformer(np.log1p),
    "columns": columns,
    "sparse": lambda: Ridge().set_params(alpha=1).fit(csr_matrix(X), Y),
}


def state(estimator: Any) -> Any:
    """Return what skops itself would keep, without addresses."""
    return without_addresses(json.loads(read(skops.io.dumps(estimator))["schema.json"]))


def without_addresses(node: Any) -> Any:
    if isinstance(node, dict):
        hidden = ("__id__", "file")
        return {k: without_addresses(v) for k, v in node.items() if k not in hidden}
    if isinstance(node, list):
        return [without_addresses(member) for member in node]
    return node


def read(archive: bytes) -> dict[str, bytes]:
    with zipfile.ZipFile(io.BytesIO(archive)) as packed:
        return {name: packed.read(name) for name in packed.namelist()}


def loaded(archive: bytes) -> Any:
    return skops.io.loads(archive, trusted=skops.io.get_untrusted_types(data=archive))


@pytest.mark.parametrize("name", list(ESTIMATORS))
def test_archive_holds_what_skops_itself_would_keep(name: str) -> None:
    estimator = ESTIMATORS[name]()
    archive = canonical_archive(estimator)
    ours, theirs = read(archive), read(skops.io.dumps(estimator))
    assert without_addresses(json.loads(ours["schema.json"])) == without_addresses(
        json.loads(theirs["schema.json"])
    )
    parts = [sorted(v for k, v in held.items() if k != "schema.json") for held in (ours, theirs)]
    if name != "forest":
        assert parts[0] == parts[1]


@pytest.mark.parametrize("name", list(ESTIMATORS))
def test_archive_is_read_back_by_skops(name: str) -> None:
    estimator = ESTIMATORS[name]()
    again = loaded(canonical_archive(estimator))
    assert state(again) == state(estimator)
    if hasattr(estimator, "predict") and hasattr(estimator, "n_features_in_"):
        np.testing.assert_array_equal(again.predict(X), estimator.predict(X))


@pytest.mark.parametrize("name", list(ESTIMATORS))
def test_archive_is_the_same_for_the_same_estimator(name: str) -> None:
    archive = canonical_archive(ESTIMATORS[name]())
    held = [object() for _ in range(1000)]
    assert canonical_archive(ESTIMATORS[name]()) == archive
    assert canonical_archive(loaded(archive)) == archive
    assert canonical_archive(copy.deepcopy(loaded(archive))) == archive
    assert len(held) == 1000


def test_archive_numbers_its_parts_and_has_no_time() -> None:
    archive = canonical_archive(ESTIMATORS["columns"]())
    with zipfile.ZipFile(io.BytesIO(archive)) as packed:
        assert {entry.date_time for entry in packed.infolist()} == {(1980, 1, 1, 0, 0, 0)}
        names = [name.partition(".")[0] for name in packed.namelist() if name != "schema.json"]
    assert names == [str(place) for place in range(len(names))]


def test_archive_of_another_estimator_is_another() -> None:
    archives = {canonical_archive(make()) for make in ESTIMATORS.values()}
    assert len(archives) == len(ESTIMATORS)


@given(st.floats(0, 10), st.lists(st.floats(-9, 9), min_size=1, max_size=5))
def test_archive_differs_exactly_where_estimators_do(alpha: float, coef: list[float]) -> None:
    one, other = Ridge(alpha=alpha), Ridge(alpha=alpha)
    one.coef_ = np.array(coef)
    other.coef_ = np.array(coef)
    assert canonical_archive(one) == canonical_archive(other)
    other.coef_ = np.append(other.coef_, 1.0)
    assert canonical_archive(one) != canonical_archive(other)
