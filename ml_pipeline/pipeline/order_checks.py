"""Whether orders are fresh, as many as usual, told once each, and mostly no refunds."""

import math
import statistics
from datetime import date, datetime, time, timedelta
from typing import TYPE_CHECKING, Any, Final

from ml_pipeline.pipeline.judgement import Judgement
from ml_pipeline.pipeline.spans import in_spans, rows_by_day

if TYPE_CHECKING:
    import polars as pl

    from ml_pipeline.pipeline.spans import Orders

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


def is_as_declared(orders: "Orders") -> bool:
    """Whether orders are as `order_schema` says, told without holding them.

    Args:
        orders: a table, in memory or not.
    """
    import polars as pl

    held = orders.lazy()
    declared = {"customer_id": pl.String(), "ordered_at": pl.Datetime("us"), "amount": pl.Float64()}
    if list(held.collect_schema().items()) != list(declared.items()):
        return False
    usable = (
        pl.col("amount").is_finite().fill_null(value=False) & pl.col("ordered_at").is_not_null()
    )
    return bool(held.select(usable.all()).collect(engine="streaming").item())


def fresh(orders: "Orders", *, as_of: date, most_days: int) -> Judgement:
    """Tell whether the newest order is recent on a day.

    Args:
        orders: with `ordered_at`, none after `as_of`.
        as_of: the day.
        most_days: days that may have passed since the newest order.
    """
    import polars as pl

    last = orders.lazy().select(pl.col("ordered_at").max().dt.date())
    newest = last.collect(engine="streaming").item()
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
    orders: "Orders", *, as_of: date, weeks: int, factor: float, deviations: float
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

    held = orders.lazy()
    oldest = held.select(pl.col("ordered_at").min().dt.date()).collect(engine="streaming").item()
    if not isinstance(oldest, date):
        return Judgement(False, f"there are no orders up to {as_of}: look at the source", {})
    days = [as_of - timedelta(days=7 * back) for back in range(1, weeks + 1)]
    since = datetime.combine(min([as_of, *days]), time.min)
    counts = rows_by_day(held.filter(pl.col("ordered_at") >= since))
    past = [counts.get(day, 0) for day in days if day >= oldest]
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


def told_once(orders: "Orders", *, most: float) -> Judgement:
    """Tell whether few orders repeat another in all that is known of them.

    Guests are left out: two of theirs may be of two people.

    Args:
        orders: customer_id, ordered_at and amount.
        most: share of the orders that may repeat another.
    """
    import polars as pl

    known = orders.lazy().filter(pl.col("customer_id").is_not_null())
    rows = rows_by_day(known)
    # What repeats an order is of its day, so that some days at a time tell it all.
    found = [_repeated(span) for span in in_spans(known, rows)]
    total, repeated = sum(rows.values()), sum(count for count, _ in found)
    share = repeated / total if total else 0.0
    worst = _most_often(pl.concat([some for _, some in found])) if found else None
    return Judgement(
        share <= most,
        f"at most {most:.2%} of the orders may repeat another, and {share:.2%} do, {repeated} of"
        f" {total}" + ("" if share <= most else ": the source may have been loaded twice"),
        {"repeated": repeated, "share": share, "most_often": [] if worst is None else worst},
    )


def _repeated(orders: "pl.DataFrame") -> "tuple[int, pl.DataFrame]":
    """Return how many orders repeat another, and those that are repeated most often.

    Args:
        orders: in order, so that what repeats an order comes right after it.
    """
    import polars as pl

    column = pl.all()
    as_before = pl.all_horizontal(column.eq_missing(column.shift(1)))
    alike = orders.select(as_before.alias("before")).with_columns(
        after=pl.col("before").shift(-1, fill_value=False)
    )
    several = orders.filter(alike["before"] | alike["after"])
    several = several.group_by(orders.columns).len("times")
    return int((several["times"] - 1).sum()), _most_often(several)


def _most_often(several: "pl.DataFrame") -> "pl.DataFrame":
    columns = [name for name in several.columns if name != "times"]
    descending = [True, *(False for _ in columns)]
    return several.sort(["times", *columns], descending=descending).head(_FIRST_ROWS)


def few_refunds(orders: "Orders", *, most: float) -> Judgement:
    """Tell whether few orders have a negative amount.

    Args:
        orders: customer_id, ordered_at and amount.
        most: share of the orders that may.
    """
    import polars as pl

    refunds = orders.lazy().filter(pl.col("amount") < 0)
    total, negative = (
        int(one.select(pl.len()).collect(engine="streaming").item())
        for one in (orders.lazy(), refunds)
    )
    share = negative / total if total else 0.0
    return Judgement(
        share <= most,
        f"at most {most:.2%} of the orders may have a negative amount, and {share:.2%} have,"
        f" {negative} of {total}"
        + ("" if share <= most else ": refunds count against a day's revenue; is it meant so?"),
        {
            "negative": negative,
            "share": share,
            "first": refunds.head(_FIRST_ROWS).collect(engine="streaming"),
        },
    )
