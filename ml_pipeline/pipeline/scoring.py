"""Scores of one day: what a fitted model says of the examples whose outcome nobody knows yet."""

from collections.abc import Sequence
from datetime import date, timedelta
from typing import TYPE_CHECKING, Any

from ml_pipeline.pipeline.training import predict

if TYPE_CHECKING:
    import polars as pl


def scores(
    model: Any, features: "pl.DataFrame", *, as_of: date, horizon_days: int
) -> "pl.DataFrame":
    """Apply a model to the examples of one day.

    Args:
        model: what `fit` made.
        features: what `build_features` made with the parameters of the model and the same `as_of`.
        as_of: the last known day.
        horizon_days: days after it that a prediction covers.

    Returns:
        One row per customer, or a single one for revenue: `customer_id`, where there are customers;
        `day`, which is `as_of`; `until`, the last day that the prediction covers; `prediction`, the
        probability that the customer buys again by then, or the revenue of the days until then.
    """
    import polars as pl

    today = features.filter(pl.col("day") == as_of)
    keys = [name for name in ("customer_id", "day") if name in today.columns]
    return today.select(
        *keys,
        pl.lit(as_of + timedelta(days=horizon_days)).alias("until"),
        pl.Series("prediction", predict(model, today)),
    )


def divided(
    champion: "pl.DataFrame", challenger: "pl.DataFrame", challenged: Sequence[bool]
) -> "pl.DataFrame":
    """Take each customer's row of the one or the other.

    Args:
        champion: scores, one row per customer.
        challenger: scores of the same customers, in any order.
        challenged: for each row of the champion's, whether the challenger's is taken.

    Returns:
        One row per customer, in the order of the champion's.
    """
    import polars as pl

    order = champion.select("customer_id", challenged=pl.Series(challenged, dtype=pl.Boolean))
    sides = pl.concat(
        [
            champion.with_columns(challenged=pl.lit(value=False)),
            challenger.with_columns(challenged=pl.lit(value=True)),
        ]
    )
    return order.join(
        sides, on=["customer_id", "challenged"], how="left", maintain_order="left"
    ).select(champion.columns)
