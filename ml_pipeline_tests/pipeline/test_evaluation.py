import json
from datetime import date, timedelta
from typing import Any

import numpy as np
import polars as pl
import pytest

from ml_pipeline.defs.config import TrainingParams
from ml_pipeline.errors import NotEnoughDataError
from ml_pipeline.pipeline.evaluation import PRIMARY, evaluate
from ml_pipeline.pipeline.examples import split
from ml_pipeline.pipeline.features import build_features
from ml_pipeline.pipeline.training import fit, predict

AS_OF = date(2009, 9, 30)
HORIZON = {"orders": 1, "customers": 14}
HOLDOUT = 42
both = pytest.mark.parametrize("dataset", ["orders", "customers"])


def examples_of(orders: pl.DataFrame, dataset: Any) -> pl.DataFrame:
    return build_features(
        orders, dataset=dataset, as_of=AS_OF, lookback_days=14, horizon_days=HORIZON[dataset]
    )


def fitted(examples: pl.DataFrame, dataset: Any) -> Any:
    linear = TrainingParams(estimator="linear", max_iter=200, holdout_days=HOLDOUT)
    return fit(examples, linear, dataset=dataset, as_of=AS_OF, horizon_days=HORIZON[dataset])


def report_on(model: Any, examples: pl.DataFrame, dataset: Any, holdout: int = HOLDOUT) -> Any:
    return evaluate(
        model,
        examples,
        dataset=dataset,
        as_of=AS_OF,
        horizon_days=HORIZON[dataset],
        holdout_days=holdout,
    )


@both
def test_report_is_strict_json_with_a_fixed_order_of_keys(
    dataset: str, shop_orders: pl.DataFrame
) -> None:
    examples = examples_of(shop_orders, dataset)
    report = report_on(fitted(examples, dataset), examples, dataset)
    assert json.loads(json.dumps(report, allow_nan=False)) == report
    assert list(report) == ["dataset", "metric", "direction", "metrics", "holdout", "series"]
    assert (report["metric"], report["direction"]) == PRIMARY[dataset][:2]
    assert report["metric"] in report["metrics"]
    assert all(type(value) is float for value in report["metrics"].values())
    assert list(report["holdout"]) == ["first_day", "last_day", "rows", "train_rows"]


def test_report_on_revenue_has_the_errors_that_plain_counting_finds(
    shop_orders: pl.DataFrame,
) -> None:
    examples = examples_of(shop_orders, "orders")
    model = fitted(examples, "orders")
    report = report_on(model, examples, "orders")
    metrics, series = report["metrics"], report["series"]
    days = [(AS_OF - timedelta(days=back)).isoformat() for back in reversed(range(HOLDOUT))]
    assert [point["day"] for point in series] == days
    assert report["holdout"]["first_day"] == days[0]
    assert report["holdout"]["last_day"] == days[-1] == "2009-09-30"
    assert report["holdout"]["rows"] == HOLDOUT
    revenue = dict(
        shop_orders.group_by(pl.col("ordered_at").dt.date().cast(pl.String))
        .agg(pl.col("amount").sum())
        .rows()
    )
    for point in series:
        week_before = (date.fromisoformat(point["day"]) - timedelta(days=7)).isoformat()
        assert point["actual"] == pytest.approx(revenue.get(point["day"], 0.0))
        assert point["naive"] == pytest.approx(revenue.get(week_before, 0.0))
    some = [point for point in series if point["actual"]]
    assert metrics["zero_days"] == len(series) - len(some) == 6
    for guess, prefix in (("predicted", ""), ("naive", "naive_")):
        errors = [abs(point[guess] - point["actual"]) for point in series]
        relative = [abs(p[guess] - p["actual"]) / abs(p["actual"]) for p in some]
        total = sum(abs(point["actual"]) for point in series)
        assert metrics[f"{prefix}mape"] == pytest.approx(sum(relative) / len(relative))
        assert metrics[f"{prefix}wape"] == pytest.approx(sum(errors) / total)
        assert metrics[f"{prefix}mae"] == pytest.approx(sum(errors) / len(errors))
    differences = [point["predicted"] - point["actual"] for point in series]
    assert metrics["bias"] == pytest.approx(sum(differences) / len(series))
    assert metrics["rmse"] ** 2 == pytest.approx(sum(d * d for d in differences) / len(series))
    assert metrics["improvement"] == metrics["naive_mape"] - metrics["mape"]


def test_report_on_customers_has_the_ranking_that_plain_counting_finds(
    shop_orders: pl.DataFrame,
) -> None:
    examples = examples_of(shop_orders, "customers")
    model = fitted(examples, "customers")
    report = report_on(model, examples, "customers")
    heldout = split(examples, as_of=AS_OF, horizon_days=14, holdout_days=HOLDOUT).heldout
    bought = heldout["target"].to_list()

    def chance_of_right_order(scores: list[float]) -> float:
        yes = [score for score, again in zip(scores, bought, strict=True) if again]
        no = [score for score, again in zip(scores, bought, strict=True) if not again]
        won = sum((a > b) + 0.5 * (a == b) for a in yes for b in no)
        return won / (len(yes) * len(no))

    metrics, series = report["metrics"], report["series"]
    predicted = predict(model, heldout).tolist()
    assert metrics["auc"] == pytest.approx(chance_of_right_order(predicted))
    recency = [-days for days in heldout["days_since_last"]]
    assert metrics["recency_auc"] == pytest.approx(chance_of_right_order(recency))
    assert metrics["base_rate"] == pytest.approx(sum(bought) / len(bought))
    squared = [(p - b) ** 2 for p, b in zip(predicted, bought, strict=True)]
    assert metrics["brier"] == pytest.approx(sum(squared) / len(squared))
    assert [group["decile"] for group in series] == list(range(1, 11))
    assert sum(group["customers"] for group in series) == report["holdout"]["rows"]
    assert sum(group["bought"] for group in series) == sum(bought)
    means = [group["predicted"] for group in series]
    assert means == sorted(means, reverse=True)
    assert metrics["top_decile_lift"] == series[0]["lift"]
    assert series[0]["lift"] == pytest.approx(series[0]["rate"] / metrics["base_rate"])


@both
def test_evaluation_of_days_too_few_for_a_target_is_refused(
    dataset: str, shop_orders: pl.DataFrame
) -> None:
    examples = examples_of(shop_orders, dataset)
    model = fitted(examples, dataset)
    with pytest.raises(NotEnoughDataError) as raised:
        report_on(model, examples, dataset, holdout=HORIZON[dataset] - 1)
    assert str(raised.value) == (
        f"Evaluation needs examples whose {HORIZON[dataset]} target days are all within the"
        f" holdout_days={HORIZON[dataset] - 1} days up to as_of=2009-09-30, but there are none."
        f" Choose a holdout_days of at least {HORIZON[dataset]}, a smaller horizon_days, or a"
        " later as_of."
    )


def test_evaluation_of_days_without_any_revenue_is_refused(shop_orders: pl.DataFrame) -> None:
    quiet = shop_orders.filter(pl.col("ordered_at").dt.date() <= AS_OF - timedelta(days=HOLDOUT))
    examples = examples_of(quiet, "orders")
    with pytest.raises(NotEnoughDataError, match="all 42 up to as_of=2009-09-30 have none"):
        report_on(fitted(examples, "orders"), examples, "orders")


def test_evaluation_of_customers_who_all_do_the_same_is_refused(shop_orders: pl.DataFrame) -> None:
    quiet = shop_orders.filter(pl.col("ordered_at").dt.date() <= AS_OF - timedelta(days=HOLDOUT))
    examples = examples_of(quiet, "customers")
    with pytest.raises(NotEnoughDataError, match=r"held-out examples up to as_of=2009-09-30 0 did"):
        report_on(fitted(examples, "customers"), examples, "customers")


def test_evaluation_of_fewer_than_ten_customers_has_a_row_for_each(
    shop_orders: pl.DataFrame,
) -> None:
    examples = examples_of(shop_orders, "customers")
    model = fitted(examples, "customers")
    scored = examples.filter(pl.col("target").is_not_null() & (pl.col("day") > date(2009, 9, 1)))
    few = pl.concat([scored.filter(target=1).head(2), scored.filter(target=0).head(3)])
    report = report_on(model, few, "customers")
    assert [group["customers"] for group in report["series"]] == [1] * 5


def test_evaluation_with_a_longer_horizon_counts_windows_wholly_held_out(
    shop_orders: pl.DataFrame,
) -> None:
    examples = build_features(
        shop_orders, dataset="orders", as_of=AS_OF, lookback_days=14, horizon_days=7
    )
    report = evaluate(
        fitted(examples, "orders"),
        examples,
        dataset="orders",
        as_of=AS_OF,
        horizon_days=7,
        holdout_days=20,
    )
    assert report["holdout"]["first_day"] == report["series"][0]["day"] == "2009-09-11"
    assert report["holdout"]["last_day"] == "2009-09-30"
    assert len(report["series"]) == 14
    assert np.isfinite(list(report["metrics"].values())).all()
