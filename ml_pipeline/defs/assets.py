"""The assets of the reference pipeline: what is computed for one date, step by step."""

from collections.abc import Iterator, Sequence
from datetime import date
from typing import TYPE_CHECKING, Any, Final

from ml_pipeline import Objective, ParamModel, Pipeline, Result, SharedParts
from ml_pipeline.defs import about_assets, model_card, source
from ml_pipeline.defs.config import CheckParams, DataParams, FeatureParams, TrainingParams
from ml_pipeline.pipeline import datasets, order_columns, order_parts, plots
from ml_pipeline.pipeline import evaluation as judging
from ml_pipeline.pipeline import features as featuring
from ml_pipeline.pipeline import training as fitting

if TYPE_CHECKING:
    import polars as pl
    from sklearn.base import BaseEstimator

PIPELINE: Final = Pipeline(
    "ml_pipeline",
    ParamModel(
        data=DataParams, features=FeatureParams, training=TrainingParams, checks=CheckParams
    ),
    first_party=source.FIRST_PARTY,
    unready=source.problems,
)


@PIPELINE.asset(
    reads=source.digest,
    columns=about_assets.ORDER_COLUMNS,
    owners=about_assets.OWNERS,
    kinds=["polars", "parquet"],
)
def orders(as_of: date, data: DataParams) -> "pl.DataFrame | SharedParts":
    """Orders known at the end of the date, one row each, as far back as history_days says.

    Very many of them are kept in parts, which dates that have them in common share.
    """
    first, last = source.window(as_of, data)
    # Before the source counts as opened: then what was known of it before is forgotten.
    days = source.days(source.locate(data.source))
    place = source.opened(data.source)
    source.share(place)
    parts = {one.name: one for one in order_parts.order_parts(days, first, last)}
    rows = sum(one.rows for one in parts.values())
    if rows <= order_parts.ROWS_IN_ONE:
        return datasets.orders_between(place.location, first, last, place.columns)

    def made(names: Sequence[str]) -> "Iterator[pl.DataFrame]":
        some = [parts[name] for name in names]
        return order_parts.read_parts(place.location, some, place.columns)

    return SharedParts(list(parts), made, {"rows": rows, "columns": len(order_columns.NEEDED)})


@PIPELINE.asset(
    columns=about_assets.feature_columns,
    owners=about_assets.OWNERS,
    kinds=["polars", "parquet"],
)
def features(
    as_of: date, orders: "pl.LazyFrame", data: DataParams, shape: FeatureParams
) -> "pl.DataFrame | Result":
    """What the model sees: a row for each day, or for each customer on a number of days.

    Orders without a customer count for a day's revenue and for no customer; how many were left out
    is recorded with the table.
    """
    examples = featuring.build_features(
        orders,
        dataset=data.dataset,
        as_of=as_of,
        lookback_days=shape.lookback_days,
        horizon_days=shape.horizon,
    )
    guests = featuring.left_out(orders, data.dataset)
    return Result(examples, metrics={"orders_without_customer": guests}) if guests else examples


@PIPELINE.asset(card=model_card.MODEL, owners=about_assets.OWNERS, kinds=["scikitlearn"])
def model(
    as_of: date,
    features: "pl.DataFrame",
    data: DataParams,
    shape: FeatureParams,
    training: TrainingParams,
) -> "BaseEstimator":
    """The fitted estimator, which has seen nothing of the held-out days."""
    return fitting.fit(
        features, training, dataset=data.dataset, as_of=as_of, horizon_days=shape.horizon
    )


def objective(data: DataParams) -> Objective:
    """What runs on a dataset are compared by."""
    metric, direction, baseline = judging.PRIMARY[data.dataset]
    return Objective(metric=metric, direction=direction, baseline=baseline)


@PIPELINE.asset(objective=objective, owners=about_assets.OWNERS, kinds=["scikitlearn", "json"])
def evaluation(
    as_of: date,
    model: "BaseEstimator",
    features: "pl.DataFrame",
    data: DataParams,
    shape: FeatureParams,
    training: TrainingParams,
) -> Result:
    """How good the model is on the held-out days, beside naive forecasts for the same days."""
    judged = judging.judged(
        model,
        features,
        dataset=data.dataset,
        as_of=as_of,
        horizon_days=shape.horizon,
        holdout_days=training.holdout_days,
    )
    report: dict[str, Any] = judged.report
    pictures = plots.evaluation_pictures(judged, model)
    return Result(report, metrics=report["metrics"], pictures=pictures)


# Whoever has the pipeline has its checks; they are declared for its assets, so they come last.
from ml_pipeline.defs import checks as checks  # noqa: E402
