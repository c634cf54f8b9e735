"""Orders some whole days at a time, so that no more of them are in memory than fit."""

from collections.abc import Iterator, Mapping
from datetime import date, datetime, time
from typing import TYPE_CHECKING, Final, TypeAlias

from ml_pipeline.pipeline.order_columns import IN_ORDER

if TYPE_CHECKING:
    import polars as pl

    Orders: TypeAlias = pl.DataFrame | pl.LazyFrame

ROWS_AT_ONCE: Final = 5_000_000
"""Orders of a span, unless a single day has more."""


def rows_by_day(orders: "Orders") -> dict[date, int]:
    """Return how many orders each day has that has any, ascending.

    Args:
        orders: with `ordered_at`, in memory or not.
    """
    import polars as pl

    counted = orders.lazy().group_by(day=pl.col("ordered_at").dt.date()).len()
    return dict(counted.collect(engine="streaming").sort("day").iter_rows())


def spans(rows: Mapping[date, int]) -> Iterator[tuple[date, date]]:
    """Divide days into spans of which each fits into memory.

    Args:
        rows: how many orders each day has, ascending.

    Yields:
        First and last day of each span.
    """
    days = list(rows)
    first, held = 0, 0
    for place, count in enumerate(rows.values()):
        if held and held + count > ROWS_AT_ONCE:
            yield days[first], days[place - 1]
            first, held = place, 0
        held += count
    if held:
        yield days[first], days[-1]


def in_spans(orders: "Orders", rows: Mapping[date, int]) -> "Iterator[pl.DataFrame]":
    """Yield orders one span after the other, each in memory and in order.

    Sums of floats depend on their order: in order, the same orders give the same bits.

    Args:
        orders: customer_id, ordered_at and amount, in any order, in memory or not.
        rows: how many of them each day has, ascending.
    """
    import polars as pl

    for first, last in spans(rows):
        within = pl.col("ordered_at").is_between(
            datetime.combine(first, time.min), datetime.combine(last, time.max)
        )
        # In one piece, neighbours are compared in a third of the time.
        span = orders.lazy().filter(within).collect(engine="streaming").rechunk()
        yield span if is_in_order(span) else span.sort(IN_ORDER)


def is_in_order(orders: "pl.DataFrame") -> bool:
    """Whether orders are sorted, which takes a tenth of sorting them again."""
    import polars as pl

    if not orders["ordered_at"].is_sorted():
        return False
    at, who, amount = (pl.col(column) for column in IN_ORDER)
    later_customer = (who > who.shift(1)).fill_null(value=False) | (
        who.is_not_null() & who.shift(1).is_null()
    )
    later = later_customer | (who.eq_missing(who.shift(1)) & (amount >= amount.shift(1)))
    in_order = (at > at.shift(1)) | ((at == at.shift(1)) & later)
    return bool(orders.select(in_order.slice(1).all()).item())
