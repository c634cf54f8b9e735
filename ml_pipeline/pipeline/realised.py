"""How good predictions were, once what they foretold is over."""

from collections.abc import Iterator
from datetime import date, datetime, time, timedelta
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    import polars as pl


def with_outcome(
    scores: "pl.DataFrame", orders: "pl.DataFrame", dataset: Literal["orders", "customers"]
) -> "pl.DataFrame":
    """Set what came true beside predictions.

    Args:
        scores: what `scores` made, of one day: `day`, `until`, `prediction`, and `customer_id` for
            customers.
        orders: customer_id, ordered_at and amount, at least those of the days after `day` up to
            `until`; all others are ignored.
        dataset: what was predicted.

    Returns:
        The same rows with `actual`: the revenue of these days, 0 where there was no order; or 1.0
        where the customer bought in them, else 0.0. Orders without a customer are nobody's.
    """
    import polars as pl

    first: date = scores.item(0, "day") + timedelta(days=1)
    last: date = scores.item(0, "until")
    within = orders.filter(
        pl.col("ordered_at").is_between(
            datetime.combine(first, time.min), datetime.combine(last, time.max)
        )
    )
    if dataset == "orders":
        return scores.with_columns(actual=pl.lit(float(within["amount"].sum())))
    buyers = within.select("customer_id").drop_nulls().unique()
    bought = buyers.with_columns(actual=pl.lit(1.0))
    return scores.join(bought, on="customer_id", how="left", maintain_order="left").with_columns(
        pl.col("actual").fill_null(0.0)
    )


def realised(
    outcomes: "pl.DataFrame", dataset: Literal["orders", "customers"]
) -> dict[str, float | None]:
    """Judge the predictions of one run.

    Args:
        outcomes: `day`, `prediction` and `actual` of any days.
        dataset: what was predicted.

    Returns:
        The metrics that held-out days are judged by, of the same names: `mape` and `wape` of
        revenue; `auc` and `average_precision` of customers, the means over the days. None where
        there is none: no revenue to be relative to, no day with buyers and others.
    """
    if dataset == "orders":
        return _of_revenue(outcomes)
    by_day = list(_of_customers(outcomes))
    names = ("auc", "average_precision")
    if not by_day:
        return dict.fromkeys(names)
    return {name: sum(day[name] for day in by_day) / len(by_day) for name in names}


def _of_revenue(outcomes: "pl.DataFrame") -> dict[str, float | None]:
    import numpy as np

    actual, guess = outcomes["actual"].to_numpy(), outcomes["prediction"].to_numpy()
    some = actual != 0
    if not some.any():
        return {"mape": None, "wape": None}
    wrong = np.abs(guess - actual)
    return {
        "mape": float(np.mean(wrong[some] / np.abs(actual)[some])),
        "wape": float(wrong.sum() / np.abs(actual).sum()),
    }


def _of_customers(outcomes: "pl.DataFrame") -> Iterator[dict[str, float]]:
    """Yield the metrics of each day on which some bought and some did not."""
    from sklearn.metrics import average_precision_score, roc_auc_score

    for _, day in outcomes.group_by("day", maintain_order=True):
        bought, guess = day["actual"].to_numpy(), day["prediction"].to_numpy()
        if len(set(bought.tolist())) == 2:
            yield {
                "auc": float(roc_auc_score(bought, guess)),
                "average_precision": float(average_precision_score(bought, guess)),
            }
