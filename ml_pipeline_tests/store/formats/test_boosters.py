"""LightGBM and XGBoost: boosters and estimators, alone and within a scikit-learn pipeline."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from ml_pipeline.errors import ArtifactDamaged, PipelineError
from ml_pipeline.store.formats import Formats
from ml_pipeline_tests.toys.keeping import kept

pytestmark = [
    pytest.mark.long,
    pytest.mark.filterwarnings("ignore:The argument 'eval_set' is deprecated"),
]
RANDOM = np.random.default_rng(0)
X = RANDOM.normal(size=(200, 4))
Y = (X[:, 0] + RANDOM.normal(size=200) > 0).astype(int)
TREES = {"n_estimators": 5, "n_jobs": 1, "random_state": 0}


def lightgbm_booster() -> Any:
    import lightgbm as lgb

    data = lgb.Dataset(X[:150], Y[:150])
    params = {"objective": "binary", "verbosity": -1, "num_threads": 1, "learning_rate": 0.9}
    stop = lgb.early_stopping(3, verbose=False)
    checked = [lgb.Dataset(X[150:], Y[150:], reference=data)]
    return lgb.train(params, data, 50, checked, callbacks=[stop])


def lightgbm_classifier() -> Any:
    import lightgbm as lgb

    stop = lgb.early_stopping(3, verbose=False)
    model = lgb.LGBMClassifier(verbosity=-1, **TREES)
    return model.fit(X[:150], Y[:150], eval_set=[(X[150:], Y[150:])], callbacks=[stop])


def lightgbm_within_a_pipeline() -> Any:
    import lightgbm as lgb

    return make_pipeline(StandardScaler(), lgb.LGBMRegressor(verbosity=-1, **TREES)).fit(X, Y)


def xgboost_booster() -> Any:
    import xgboost as xgb

    return xgb.train({"objective": "binary:logistic", "nthread": 1}, xgb.DMatrix(X, Y), 5)


def xgboost_classifier() -> Any:
    import xgboost as xgb

    model = xgb.XGBClassifier(early_stopping_rounds=3, **TREES)
    return model.fit(X[:150], Y[:150], eval_set=[(X[150:], Y[150:])], verbose=False)


def xgboost_within_a_pipeline() -> Any:
    import xgboost as xgb

    return make_pipeline(StandardScaler(), xgb.XGBRFRegressor(**TREES)).fit(X, Y)


def predicted(model: Any) -> list[float]:
    if type(model).__module__ == "xgboost.core":
        import xgboost as xgb

        return list(model.predict(xgb.DMatrix(X)))
    return list(model.predict(X))


@pytest.mark.parametrize(
    ("make", "name"),
    [
        (lightgbm_booster, "lightgbm"),
        (lightgbm_classifier, "skops"),
        (lightgbm_within_a_pipeline, "skops"),
        (xgboost_booster, "xgboost"),
        (xgboost_classifier, "skops"),
        (xgboost_within_a_pipeline, "skops"),
    ],
)
def test_model_predicts_the_same_and_gives_the_same_bytes(
    make: Callable[[], Any], name: str, tmp_path: Path
) -> None:
    model = make()
    chosen = Formats().for_value(model, "model")
    assert chosen.name == name
    for place, one in (("one", model), ("two", None)):
        if chosen.is_directory:
            (tmp_path / place).mkdir()
        chosen.keep(again if one is None else one, tmp_path / place)  # noqa: F821
        again = chosen.read(tmp_path / place, lazy=False)
        assert type(again) is type(model)
        assert predicted(again) == predicted(model)
    files = [sorted(tmp_path.glob(f"{place}*/*")) or [tmp_path / place] for place in ("one", "two")]
    for first, second in zip(*files, strict=True):
        assert first.read_bytes() == second.read_bytes()
    assert b"pickle" not in first.read_bytes()


def test_booster_of_lightgbm_is_its_text_with_the_best_iteration(tmp_path: Path) -> None:
    booster = lightgbm_booster()
    kept_as = Formats().for_value(booster, "model")
    kept_as.keep(booster, tmp_path)
    assert (tmp_path / "model.txt").read_text().startswith("tree\n")
    about = json.loads((tmp_path / "about.json").read_text())
    assert about["best_iteration"] == booster.best_iteration < 50
    again = kept_as.read(tmp_path, lazy=False)
    assert (again.best_iteration, again.params) == (booster.best_iteration, booster.params)


@pytest.mark.parametrize("name", ["lightgbm", "xgboost"])
def test_file_that_is_no_booster_is_refused(name: str, tmp_path: Path) -> None:
    kept_as = Formats().named(name)
    for file in ("model.txt", "about.json", "model.ubj"):
        (tmp_path / file).write_text("{}")
    with pytest.raises(ArtifactDamaged):
        kept_as.prove(tmp_path if kept_as.is_directory else tmp_path / "model.ubj")


def test_estimator_with_a_function_of_ones_own_is_refused(tmp_path: Path) -> None:
    import lightgbm as lgb

    def objective(truth: Any, guess: Any) -> Any:
        return guess - truth, np.ones_like(truth, dtype=float)

    model = lgb.LGBMRegressor(objective=objective, verbosity=-1, **TREES).fit(X, Y)
    with pytest.raises(PipelineError):
        kept(model, tmp_path / "model")
