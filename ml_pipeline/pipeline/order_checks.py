"""Whether orders are fresh, as many as usual, told once each, and mostly no refunds."""

import math
import statistics
from datetime import date, timedelta
from typing import TYPE_CHECKING, Any, Final

from ml_pipeline.pipeline.judgement import Judgement

if TYPE_CHECKING:
    import polars as pl

_FIRST_ROWS: Final = 5
_FEWEST_WEEKS: Final = 4
# Makes the median deviation of a normal distribution its standard deviation.
_OF_NORMAL: Final = 1.4826


def order_schema() -> Any:
    """Return the schema of orders: three columns of these types, amounts finite."""
    import pandera.polars as pa
    import polars as pl

    finite = pa.Check(lambda data: data.lazyframe.select(pl.col(data.key).is_finite()))
    finite.name = finite.error = "finite"
    return pa.DataFrameSchema(
        {
            "customer_id": pa.Column(pl.String, nullable=True),
            "ordered_at": pa.Column(pl.Datetime("us")),
            "amount": pa.Column(pl.Float64, finite),
        },
        strict=True,
        ordered=True,
    )


def fresh(orders: "pl.DataFrame", *, as_of: date, most_days: int) -> Judgement:
    """Tell whether the newest order is recent on a day.

    Args:
        orders: with `ordered_at`, none after `as_of`.
        as_of: the day.
        most_days: days that may have passed since the newest order.
    """
    newest = orders["ordered_at"].dt.date().max()
    if not isinstance(newest, date):
        return Judgement(False, f"there are no orders up to {as_of}: look at the source", {})
    behind = (as_of - newest).days
    return Judgement(
        behind <= most_days,
        f"the newest order must be of the last {most_days} days up to {as_of}, and is of {newest},"
        f" {behind} days before"
        + ("" if behind <= most_days else ": the source may not have been updated"),
        {"newest_order": newest, "days_behind": behind},
    )


def usual_volume(
    orders: "pl.DataFrame", *, as_of: date, weeks: int, factor: float, deviations: float
) -> Judgement:
    """Tell whether a day has about as many orders as the same weekday had in the weeks before.

    Counts are compared as logarithms: their median is what is usual, and the median of their
    distances from it what is usual to differ by, at least what chance alone does.

    Args:
        orders: with `ordered_at`, all of the weeks and none after `as_of`.
        as_of: the day.
        weeks: how many weeks before it.
        factor: how many times as many, or as few, are nothing unusual in any case.
        deviations: how many times the usual distance is nothing unusual.
    """
    import polars as pl

    by_day = orders.group_by(day=pl.col("ordered_at").dt.date()).len()
    counts = dict(by_day.iter_rows())
    if not counts:
        return Judgement(False, f"there are no orders up to {as_of}: look at the source", {})
    first = min(counts)
    days = [as_of - timedelta(days=7 * back) for back in range(1, weeks + 1)]
    past = [counts.get(day, 0) for day in days if day >= first]
    today = counts.get(as_of, 0)
    found = {"orders": today, "same_weekday_before": past}
    if len(past) < min(weeks, _FEWEST_WEEKS):
        told = f"{today} orders, of a weekday with {len(past)} weeks before, too few to compare"
        return Judgement(True, told, found)
    logs = [math.log1p(count) for count in past]
    middle = statistics.median(logs)
    spread = _OF_NORMAL * statistics.median(abs(one - middle) for one in logs)
    usual = math.expm1(middle)
    by_chance = 1 / math.sqrt(max(usual, 1))
    apart = math.log1p(today) - middle
    widest = max(math.log(factor), deviations * max(spread, by_chance))
    low, high = math.expm1(middle - widest), math.expm1(middle + widest)
    limits = f"{max(0.0, low):.0f} to {high:.0f}"
    return Judgement(
        abs(apart) <= widest,
        f"orders of {as_of} must be {limits}, since {usual:.0f} are usual on this weekday, and are"
        f" {today}"
        + ("" if abs(apart) <= widest else ": look for orders that are missing or told twice"),
        {**found, "usual": round(usual, 1), "limits": limits},
    )


def told_once(orders: "pl.DataFrame", *, most: float) -> Judgement:
    """Tell whether few orders repeat another in all that is known of them.

    Guests are left out: two of theirs may be of two people.

    Args:
        orders: customer_id, ordered_at and amount.
        most: share of the orders that may repeat another.
    """
    known = orders.drop_nulls("customer_id")
    several = known.group_by(known.columns).len("times")
    repeated = int((several["times"] - 1).sum())
    share = repeated / known.height if known.height else 0.0
    worst = several.filter(several["times"] > 1).sort(
        ["times", *known.columns], descending=[True, False, False, False]
    )
    return Judgement(
        share <= most,
        f"at most {most:.2%} of the orders may repeat another, and {share:.2%} do, {repeated} of"
        f" {known.height}" + ("" if share <= most else ": the source may have been loaded twice"),
        {"repeated": repeated, "share": share, "most_often": worst.head(_FIRST_ROWS)},
    )


def few_refunds(orders: "pl.DataFrame", *, most: float) -> Judgement:
    """Tell whether few orders have a negative amount.

    Args:
        orders: customer_id, ordered_at and amount.
        most: share of the orders that may.
    """
    negative = orders.filter(orders["amount"] < 0)
    share = negative.height / orders.height if orders.height else 0.0
    return Judgement(
        share <= most,
        f"at most {most:.2%} of the orders may have a negative amount, and {share:.2%} have,"
        f" {negative.height} of {orders.height}"
        + ("" if share <= most else ": refunds count against a day's revenue; is it meant so?"),
        {"negative": negative.height, "share": share, "first": negative.head(_FIRST_ROWS)},
    )
