"""Judging a model on the examples that it was kept from."""

from datetime import date, timedelta
from typing import TYPE_CHECKING, Any, Final, Literal

from ml_pipeline.errors import NotEnoughDataError
from ml_pipeline.pipeline.examples import split
from ml_pipeline.pipeline.training import predict

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt
    import polars as pl

_GROUPS: Final = 10


def evaluate(
    model: Any,
    features: "pl.DataFrame",
    *,
    dataset: Literal["orders", "customers"],
    as_of: date,
    horizon_days: int,
    holdout_days: int,
) -> dict[str, Any]:
    """Compare a model's predictions with what happened in the held-out days.

    Args:
        model: what `fit` made of the same features with the same as_of and days.
        features: what `build_features` made.
        dataset: ``orders`` or ``customers``.
        as_of: the last known day.
        horizon_days: days after `day` that a target covers.
        holdout_days: most recent days, which were kept from training.

    Returns:
        A report of plain JSON types, all numbers finite, the order of keys fixed. `metric` names
        the metric to compare models by, `direction` says which way is better, `metrics` holds all
        of them, `holdout` says what they were measured on, `series` is for a plot: a point per
        held-out window for orders, a row per tenth of the customers, likeliest first. Errors are
        fractions (0.2 is 20 %) or in the currency of the amounts; `improvement` is how much better
        the primary metric is than that of the naive baseline, and above 0 is better.

    Raises:
        NotEnoughDataError: if the held-out days leave nothing to measure.
    """
    parts = split(features, as_of=as_of, horizon_days=horizon_days, holdout_days=holdout_days)
    heldout = parts.heldout
    if heldout.is_empty():
        raise NotEnoughDataError(
            f"Evaluation needs examples whose {horizon_days} target days lie within the last"
            f" holdout_days={holdout_days} days up to as_of={as_of}, but there are none. Choose a"
            f" holdout_days of at least {horizon_days}, a smaller horizon_days, or a later as_of."
        )
    judge = _judge_revenue if dataset == "orders" else _judge_customers
    first: date = heldout["day"].min()
    last: date = heldout["day"].max()
    return {
        "dataset": dataset,
        **judge(predict(model, heldout), heldout),
        "holdout": {
            "first_day": (first + timedelta(days=1)).isoformat(),
            "last_day": (last + timedelta(days=horizon_days)).isoformat(),
            "rows": heldout.height,
            "train_rows": parts.training.height,
        },
    }
