from datetime import date, timedelta
from typing import Any

import numpy as np
import polars as pl
import pytest
import skops.io

from ml_pipeline.defs.config import TrainingParams
from ml_pipeline.errors import NotEnoughDataError
from ml_pipeline.pipeline.evaluation import evaluate
from ml_pipeline.pipeline.examples import feature_columns, split
from ml_pipeline.pipeline.features import build_features
from ml_pipeline.pipeline.training import fit, predict

AS_OF = date(2009, 9, 30)
HORIZON = {"orders": 1, "customers": 14}
NATURAL_HORIZON = {"orders": 1, "customers": 30}
DEFAULTS: dict[str, Any] = {
    "estimator": "gradient_boosting",
    "learning_rate": 0.1,
    "max_depth": 3,
    "regularization": 1.0,
    "holdout_days": 56,
    "seed": 0,
}
ITERATIONS = {"gradient_boosting": 20, "linear": 2_000}
both = pytest.mark.parametrize("dataset", ["orders", "customers"])
families = pytest.mark.parametrize("estimator", ["gradient_boosting", "linear"])


def shop_examples(orders: pl.DataFrame, dataset: Any, as_of: date = AS_OF) -> pl.DataFrame:
    return build_features(
        orders, dataset=dataset, as_of=as_of, lookback_days=14, horizon_days=HORIZON[dataset]
    )


def fit_shop(examples: pl.DataFrame, dataset: Any, **changes: Any) -> Any:
    settings = DEFAULTS | changes
    settings.setdefault("max_iter", ITERATIONS[settings["estimator"]])
    return fit(
        examples,
        TrainingParams(**settings),
        dataset=dataset,
        as_of=AS_OF,
        horizon_days=HORIZON[dataset],
    )


@both
@families
def test_fit_of_held_out_and_straddling_examples_learns_nothing(
    dataset: str, estimator: str, shop_orders: pl.DataFrame
) -> None:
    examples = shop_examples(shop_orders, dataset)
    last_day_before = AS_OF - timedelta(days=DEFAULTS["holdout_days"])
    unseen = pl.col("day") + timedelta(days=HORIZON[dataset]) > last_day_before
    assert 0 < examples.filter(unseen).height < examples.height
    changed = examples.with_columns(
        pl.when(unseen)
        .then(1 - pl.col(name))
        .otherwise(name)
        .cast(examples.schema[name])
        .alias(name)
        for name in [*feature_columns(examples), "target"]
    )
    model = fit_shop(examples, dataset, estimator=estimator)
    other = fit_shop(changed, dataset, estimator=estimator)
    np.testing.assert_array_equal(predict(model, examples), predict(other, examples))


@both
@families
def test_fit_twice_gives_the_same_model(
    dataset: str, estimator: str, shop_orders: pl.DataFrame
) -> None:
    examples = shop_examples(shop_orders, dataset)
    first, second = (
        predict(fit_shop(examples, dataset, estimator=estimator, seed=3), examples)
        for _ in range(2)
    )
    np.testing.assert_array_equal(first, second)
    assert first.shape == (examples.height,)
    assert np.isfinite(first).all()


@both
def test_fit_with_another_seed_gives_another_boosted_model(
    dataset: str, shop_orders: pl.DataFrame
) -> None:
    examples = shop_examples(shop_orders, dataset)
    first, second = (predict(fit_shop(examples, dataset, seed=s), examples) for s in (0, 1))
    assert not np.array_equal(first, second)


@both
@families
def test_model_stored_with_skops_predicts_the_same(
    dataset: str, estimator: str, shop_orders: pl.DataFrame
) -> None:
    examples = shop_examples(shop_orders, dataset)
    model = fit_shop(examples, dataset, estimator=estimator)
    data = skops.io.dumps(model)
    untrusted = skops.io.get_untrusted_types(data=data)
    assert all(name.startswith("sklearn.") for name in untrusted)
    read_back = skops.io.loads(data, trusted=untrusted)
    assert list(read_back.feature_names_in_) == feature_columns(examples)
    np.testing.assert_array_equal(predict(read_back, examples), predict(model, examples))


@both
@families
@pytest.mark.parametrize(
    "changes",
    [{"regularization": 0.0}, {"learning_rate": 1.0, "max_depth": 32}, {"seed": 2**32 - 1}],
)
def test_fit_at_the_bounds_of_the_parameters_predicts_finite_values(
    dataset: str, estimator: str, changes: dict[str, Any], shop_orders: pl.DataFrame
) -> None:
    examples = shop_examples(shop_orders, dataset)
    predicted = predict(fit_shop(examples, dataset, estimator=estimator, **changes), examples)
    assert np.isfinite(predicted).all()
    if dataset == "customers":
        assert ((predicted >= 0) & (predicted <= 1)).all()


def test_predict_ignores_outcome_and_order_of_columns(shop_orders: pl.DataFrame) -> None:
    examples = shop_examples(shop_orders, "orders")
    model = fit_shop(examples, "orders")
    bare = examples.select(reversed([*feature_columns(examples), "scale"]))
    np.testing.assert_array_equal(predict(model, bare), predict(model, examples))


@families
def test_fit_of_a_shop_closed_on_sundays_forecasts_little_for_them(
    estimator: str, shop_orders: pl.DataFrame
) -> None:
    examples = shop_examples(shop_orders, "orders")
    model = fit_shop(examples, "orders", estimator=estimator, max_iter=100)
    forecasts = examples.select("day", "weekday", forecast=predict(model, examples))
    by_weekday = dict(forecasts.group_by("weekday").agg(pl.col("forecast").mean()).rows())
    assert by_weekday[7] < 0.25 * by_weekday[1]
    assert max(by_weekday, key=lambda weekday: by_weekday[weekday]) == 6


@both
def test_fit_with_too_little_before_the_held_out_days_is_refused(
    dataset: str, shop_orders: pl.DataFrame
) -> None:
    examples = shop_examples(shop_orders, dataset)
    with pytest.raises(NotEnoughDataError) as raised:
        fit_shop(examples, dataset, holdout_days=3650)
    assert str(raised.value) == (
        f"Training needs at least 10 examples whose {HORIZON[dataset]} target days end before the"
        " 3650 held-out days up to as_of=2009-09-30, but there are 0. Choose a later as_of, a"
        " smaller holdout_days, horizon_days or lookback_days, a larger history_days, or another"
        " source."
    )


def test_fit_of_customers_who_all_do_the_same_is_refused(shop_orders: pl.DataFrame) -> None:
    examples = shop_examples(shop_orders, "customers")
    same = examples.with_columns(target=pl.col("target") * 0)
    with pytest.raises(NotEnoughDataError, match="customers who bought again and customers who"):
        fit_shop(same, "customers")


def test_split_leaves_out_examples_whose_target_straddles(shop_orders: pl.DataFrame) -> None:
    examples = build_features(
        shop_orders, dataset="orders", as_of=AS_OF, lookback_days=14, horizon_days=7
    )
    parts = split(examples, as_of=AS_OF, horizon_days=7, holdout_days=20)
    assert parts.training["day"].max() == AS_OF - timedelta(days=27)
    assert parts.heldout["day"].min() == AS_OF - timedelta(days=20)
    assert parts.heldout["day"].max() == AS_OF - timedelta(days=7)


def judged(orders: pl.DataFrame, dataset: Any, as_of: date, **changes: Any) -> dict[str, float]:
    settings = DEFAULTS | {"max_iter": 100} | changes
    horizon = NATURAL_HORIZON[dataset]
    examples = build_features(
        orders, dataset=dataset, as_of=as_of, lookback_days=28, horizon_days=horizon
    )
    model = fit(
        examples, TrainingParams(**settings), dataset=dataset, as_of=as_of, horizon_days=horizon
    )
    report = evaluate(
        model,
        examples,
        dataset=dataset,
        as_of=as_of,
        horizon_days=horizon,
        holdout_days=settings["holdout_days"],
    )
    metrics: dict[str, float] = report["metrics"]
    return metrics


@both
@families
@pytest.mark.parametrize("as_of", [date(1998, 5, 31), date(1998, 6, 30)])
def test_defaults_on_the_sample_beat_the_naive_baseline(
    dataset: str, estimator: str, as_of: date, sample_orders: pl.DataFrame
) -> None:
    metrics = judged(sample_orders, dataset, as_of, estimator=estimator)
    assert metrics["improvement"] > (0.02 if dataset == "orders" else 0.005)
    if dataset == "customers":
        assert metrics["average_precision"] > metrics["recency_average_precision"] + 0.08


@families
def test_revenue_on_the_sample_over_half_a_year_reaches_the_reference(
    estimator: str, sample_orders: pl.DataFrame
) -> None:
    metrics = judged(
        sample_orders, "orders", date(1998, 6, 30), estimator=estimator, holdout_days=182
    )
    assert metrics["naive_mape"] == pytest.approx(0.265, abs=0.001)
    assert metrics["mape"] < 0.196


@families
def test_customers_on_the_sample_reach_the_reference(
    estimator: str, sample_orders: pl.DataFrame
) -> None:
    metrics = judged(sample_orders, "customers", date(1998, 6, 30), estimator=estimator)
    assert metrics["auc"] > 0.845
    assert metrics["average_precision"] > 0.35
