"""What is asked of the assets of the reference pipeline, each for one date.

How much is too much is in `CheckParams`. Those that block let nothing be made of what does not
pass; the others are told of, and the run goes on.
"""

from collections.abc import Mapping
from datetime import date
from typing import TYPE_CHECKING, Any

from ml_pipeline import CheckResult, Earlier
from ml_pipeline.defs.assets import PIPELINE
from ml_pipeline.defs.config import CheckParams, DataParams, FeatureParams, TrainingParams
from ml_pipeline.pipeline import drift, leaks, naive, order_checks

if TYPE_CHECKING:
    import polars as pl
    from sklearn.base import BaseEstimator


@PIPELINE.asset_check("orders", blocking=True)
def schema(orders: "pl.LazyFrame") -> Any:
    """Columns, types and finite amounts are as they must be."""
    # What is wrong is told by the schema, which has to hold the whole table for that.
    return order_checks.is_as_declared(orders) or order_checks.order_schema()


@PIPELINE.asset_check("orders")
def freshness(as_of: date, orders: "pl.LazyFrame", checks: CheckParams) -> CheckResult:
    """The newest order is recent on the date."""
    return CheckResult(*order_checks.fresh(orders, as_of=as_of, most_days=checks.days_behind))


@PIPELINE.asset_check("orders", severity="warn")
def volume(as_of: date, orders: "pl.LazyFrame", checks: CheckParams) -> CheckResult:
    """The date has about as many orders as the same weekday had in the weeks before."""
    return CheckResult(
        *order_checks.usual_volume(
            orders,
            as_of=as_of,
            weeks=checks.volume_weeks,
            factor=checks.volume_factor,
            deviations=checks.volume_deviations,
        )
    )


@PIPELINE.asset_check("orders", blocking=True)
def duplicates(orders: "pl.LazyFrame", checks: CheckParams) -> CheckResult:
    """Few orders repeat another; where very many do, all may have been loaded twice."""
    said = order_checks.told_once(orders, most=checks.repeated_share)
    worst = said.metadata["share"] > checks.repeated_share_blocking
    return CheckResult(*said, severity="error" if worst else "warn")


@PIPELINE.asset_check("orders", severity="warn")
def negative_amounts(orders: "pl.LazyFrame", checks: CheckParams) -> CheckResult:
    """Few orders have a negative amount."""
    return CheckResult(*order_checks.few_refunds(orders, most=checks.negative_share))


@PIPELINE.asset_check("features", blocking=True)
def no_future(
    as_of: date,
    features: "pl.LazyFrame",
    orders: "pl.LazyFrame",
    data: DataParams,
    shape: FeatureParams,
    checks: CheckParams,
) -> CheckResult:
    """No feature knows what came after its day, and no target what came after the date."""
    return CheckResult(
        *leaks.nothing_ahead(
            features,
            orders,
            dataset=data.dataset,
            as_of=as_of,
            lookback_days=shape.lookback_days,
            horizon_days=shape.horizon,
            probes=checks.days_made_again,
        )
    )


@PIPELINE.asset_check("model", severity="warn")
def drift_of_scores(
    as_of: date,
    model: "BaseEstimator",
    features: "pl.DataFrame",
    data: DataParams,
    shape: FeatureParams,
    training: TrainingParams,
    checks: CheckParams,
) -> CheckResult:
    """Scores since training are distributed about as in training."""
    return CheckResult(
        *drift.stable_scores(
            model,
            features,
            dataset=data.dataset,
            as_of=as_of,
            horizon_days=shape.horizon,
            holdout_days=training.holdout_days,
            most=checks.drift,
        )
    )


@PIPELINE.asset_check("evaluation", severity="warn")
def not_worse_than_naive(
    evaluation: Mapping[str, Any], earlier: Earlier, data: DataParams, checks: CheckParams
) -> CheckResult:
    """Over the last dates with the same parameters, models are better than the naive forecast."""
    before = earlier.metrics(checks.naive_dates - 1).values()
    return CheckResult(
        *naive.better_than_naive(
            [*before, evaluation["metrics"]],
            dataset=data.dataset,
            least=checks.better_than_naive_by,
        )
    )
