from datetime import date, timedelta
from typing import Any, Literal

import numpy as np
import polars as pl
import pytest

from ml_pipeline.defs.assets import PIPELINE
from ml_pipeline.pipeline import datasets
from ml_pipeline.pipeline.drift import stability_index, stable_scores
from ml_pipeline.pipeline.examples import feature_columns
from ml_pipeline.pipeline.features import build_features
from ml_pipeline.pipeline.leaks import nothing_ahead
from ml_pipeline.pipeline.naive import better_than_naive
from ml_pipeline.pipeline.training import fit, predict

Dataset = Literal["orders", "customers"]
DAY = date(1997, 10, 31)
HORIZON = {"orders": 1, "customers": 30}


@pytest.fixture(scope="module")
def orders() -> pl.DataFrame:
    """Orders of a tenth of the customers."""
    known = datasets.orders_between("sample", date(1997, 1, 1), DAY)
    return known.filter(pl.col("customer_id").str.ends_with("7"))


def built(orders: pl.DataFrame, dataset: Dataset) -> pl.DataFrame:
    return build_features(
        orders, dataset=dataset, as_of=DAY, lookback_days=28, horizon_days=HORIZON[dataset]
    )


def judged(features: pl.DataFrame, orders: pl.DataFrame, dataset: Dataset) -> Any:
    return nothing_ahead(
        features,
        orders,
        dataset=dataset,
        as_of=DAY,
        lookback_days=28,
        horizon_days=HORIZON[dataset],
        probes=2,
    )


@pytest.mark.parametrize("dataset", ["orders", "customers"])
def test_features_know_nothing_ahead_of_their_day(orders: pl.DataFrame, dataset: Dataset) -> None:
    found = judged(built(orders, dataset), orders, dataset)
    assert found.passed
    assert len(found.metadata["days_made_again"]) == 2


@pytest.mark.parametrize(
    ("dataset", "name", "leaked"),
    [
        ("orders", "same_weekdays_mean", pl.col("same_weekdays_mean").shift(-1).fill_null(0)),
        ("customers", "spend", pl.col("spend") + pl.col("target").fill_null(0)),
    ],
)
def test_feature_or_target_of_what_is_ahead_is_found(
    orders: pl.DataFrame, dataset: Dataset, name: str, leaked: pl.Expr
) -> None:
    features = built(orders, dataset)
    found = judged(features.with_columns(leaked.alias(name)), orders, dataset)
    assert not found.passed
    assert f"{name} of " in found.description
    assert "others when made of the orders up to that day alone" in found.description
    known = features.with_columns(pl.col("target").fill_null(1))
    assert "targets cover days after 1997-10-31" in judged(known, orders, dataset).description
    late = features.with_columns(pl.col("day") + timedelta(days=1))
    assert "examples are of days after 1997-10-31" in judged(late, orders, dataset).description


def test_stability_index_is_about_zero_of_one_distribution_and_large_of_others() -> None:
    random = np.random.default_rng(3)
    before = random.normal(size=4000)
    found = [stability_index(before, random.normal(size=200))[0] for _ in range(40)]
    assert np.mean(found) < 0.02
    assert max(found) < 0.1
    moved, shares = stability_index(before, random.normal(loc=1, size=200))
    assert 0.5 < moved < 1.6
    assert sum(row["in training"] for row in shares) == pytest.approx(1)
    assert stability_index(before, np.full(200, 9.0))[0] > 4
    assert stability_index(np.zeros(50), np.zeros(20))[0] == 0


def test_scores_drift_where_a_feature_breaks_and_not_as_they_are(orders: pl.DataFrame) -> None:
    params = PIPELINE.params.defaults
    training: Any = params.groups["training"]
    features = built(orders, "orders")
    model = fit(features, training, dataset="orders", as_of=DAY, horizon_days=1)
    asked: dict[str, Any] = {
        "dataset": "orders",
        "as_of": DAY,
        "horizon_days": 1,
        "holdout_days": training.holdout_days,
        "most": 1.25,
    }
    assert stable_scores(model, features, **asked).passed
    best = features[int(np.argmax(predict(model, features) / features["scale"].to_numpy()))]
    newest = pl.col("day") > DAY - timedelta(days=50)
    broken = features.with_columns(
        pl.when(newest).then(best[name][0]).otherwise(name).alias(name)
        for name in feature_columns(features)
    )
    found = stable_scores(model, broken, **asked)
    assert not found.passed
    assert "look at the newest features" in found.description
    alone = features.filter(pl.col("day") < date(1997, 4, 1))
    assert stable_scores(model, alone, **asked).passed


def test_models_must_be_better_than_naive_on_average_whichever_way_is_better() -> None:
    errors = [{"mape": 0.2, "naive_mape": 0.3}, {"mape": 0.3, "naive_mape": 0.25}]
    assert better_than_naive(errors, dataset="orders", least=0).passed
    assert better_than_naive(errors[1:], dataset="orders", least=0) == (
        False,
        (
            "mape must be better than naive_mape by 0 over the last dates, and over 1 date is 0.3"
            " against 0.25: try other parameters, or serve the naive forecast"
        ),
        {
            "dates": 1,
            "mape": 0.3,
            "naive_mape": 0.25,
            "better_by": pytest.approx(-0.05),
        },
    )
    ranks = [{"auc": 0.8, "recency_auc": 0.79}, {"mae": 3.0}]
    assert better_than_naive(ranks, dataset="customers", least=0.01 - 1e-9).passed
    assert not better_than_naive(ranks, dataset="customers", least=0.02).passed
