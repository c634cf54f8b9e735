import json
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.base import BaseEstimator
from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from ml_pipeline.store.formats import SkopsFormat
from ml_pipeline_tests.toys.keeping import kept


def training_data() -> tuple[Any, Any]:
    random = np.random.default_rng(7)
    x = random.normal(size=(300, 4))
    return x, x @ [1.0, -2.0, 0.5, 0.0] + random.normal(size=300)


def regressor() -> BaseEstimator:
    x, y = training_data()
    return HistGradientBoostingRegressor(max_iter=10, random_state=0).fit(x, y)


def classifier() -> BaseEstimator:
    x, y = training_data()
    return HistGradientBoostingClassifier(max_iter=10, random_state=0).fit(x, y > 0)


def scaled_logistic() -> BaseEstimator:
    x, y = training_data()
    return make_pipeline(StandardScaler(), LogisticRegression()).fit(x, y > 0)


def ridge() -> BaseEstimator:
    x, y = training_data()
    return Ridge(alpha=2.0).fit(x, y)


MODELS = {m.__name__: m for m in (regressor, classifier, scaled_logistic, ridge)}


@pytest.mark.parametrize("name", MODELS)
def test_model_comes_back_with_the_same_predictions(name: str, tmp_path: Path) -> None:
    fitted, file = MODELS[name](), tmp_path / "model.skops"
    chosen = kept(fitted, file)
    assert chosen.name == "skops"
    x, _ = training_data()
    loaded = chosen.read(file, lazy=False)
    assert type(loaded) is type(fitted)
    assert loaded.get_params().keys() == fitted.get_params().keys()
    np.testing.assert_array_equal(loaded.predict(x), fitted.predict(x))
    if hasattr(fitted, "predict_proba"):
        np.testing.assert_array_equal(loaded.predict_proba(x), fitted.predict_proba(x))


@pytest.mark.parametrize("name", MODELS)
def test_model_read_back_and_kept_again_has_the_same_bytes(name: str, tmp_path: Path) -> None:
    first, second = tmp_path / "first", tmp_path / "second"
    SkopsFormat().write(MODELS[name](), first)
    SkopsFormat().write(SkopsFormat().read(first, lazy=False), second)
    assert first.read_bytes() == second.read_bytes()


FIT_IN_ANOTHER_PROCESS = """
import importlib.util, json, pathlib, sys
spec = importlib.util.spec_from_file_location("fits", sys.argv[1])
fits = importlib.util.module_from_spec(spec)
spec.loader.exec_module(fits)
junk = [object() for _ in range(int(sys.argv[3]))]  # other addresses
digests = {}
for name, fit in fits.MODELS.items():
    path = pathlib.Path(sys.argv[2]) / name
    fits.SkopsFormat().write(fit(), path)
"""


def test_models_fitted_in_two_processes_have_equal_bytes(
    tmp_path: Path, run_python: Callable[..., str]
) -> None:
    for folder, junk in (("1", "0"), ("2", "123457")):
        (tmp_path / folder).mkdir()
        run_python(
            FIT_IN_ANOTHER_PROCESS, __file__, str(tmp_path / folder), junk, PYTHONHASHSEED=folder
        )
    for name in MODELS:
        first, second = (tmp_path / folder / name for folder in ("1", "2"))
        assert first.read_bytes() == second.read_bytes(), name


def test_model_file_holds_no_address_and_no_time(tmp_path: Path) -> None:
    SkopsFormat().write(scaled_logistic(), tmp_path / "model")
    with zipfile.ZipFile(tmp_path / "model") as archive:
        assert {entry.date_time for entry in archive.infolist()} == {(1980, 1, 1, 0, 0, 0)}
        ids = [int(n) for n in _values_of(json.loads(archive.read("schema.json")), "__id__")]
    assert max(ids) <= len(ids)


def _values_of(node: Any, key: str) -> Iterator[Any]:
    members = node if isinstance(node, list) else node.values() if isinstance(node, dict) else ()
    if isinstance(node, dict) and key in node:
        yield node[key]
    for member in members:
        yield from _values_of(member, key)


def test_parts_that_a_model_shares_are_still_shared_when_read_back(tmp_path: Path) -> None:
    shared = StandardScaler().fit(training_data()[0])
    model = make_pipeline(shared, StandardScaler(), shared)
    SkopsFormat().write(model, tmp_path / "model")
    first, second, third = (step for _, step in SkopsFormat().read(tmp_path / "model", False).steps)
    assert first is third
    assert first is not second
    np.testing.assert_array_equal(first.mean_, shared.mean_)
