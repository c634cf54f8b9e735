"""Examples to learn from and to predict, built from orders.

Nothing after `as_of` can reach an example: later orders are dropped before anything else sees
them. Within that, the features of an example see its own `day` and before, and its target covers
the `horizon_days` after.
"""

from datetime import date, datetime, time
from typing import TYPE_CHECKING, Literal

from ml_pipeline.errors import NotEnoughDataError
from ml_pipeline.pipeline.customer_features import customer_features
from ml_pipeline.pipeline.revenue_features import revenue_features
from ml_pipeline.pipeline.spans import in_spans, rows_by_day

if TYPE_CHECKING:
    import polars as pl

    from ml_pipeline.pipeline.spans import Orders


def left_out(orders: "Orders", dataset: Literal["orders", "customers"]) -> int:
    """Count the orders that examples of a dataset are not made of: those of guests, for customers.

    Args:
        orders: with `customer_id`, null where there is no customer.
        dataset: as for `build_features`.
    """
    import polars as pl

    if dataset != "customers":
        return 0
    guests = orders.lazy().select(pl.col("customer_id").null_count())
    return int(guests.collect(engine="streaming").item())


def build_features(
    orders: "Orders",
    *,
    dataset: Literal["orders", "customers"],
    as_of: date,
    lookback_days: int,
    horizon_days: int,
) -> "pl.DataFrame":
    """Build the examples of a dataset, as far as was known by the end of `as_of`.

    Args:
        orders: customer_id, ordered_at and amount, in any order of rows; days after `as_of` are
            ignored. An order without a customer is a guest's. A deferred frame is read some days
            at a time.
        dataset: ``orders`` for one example per calendar day, ``customers`` for one per customer
            and snapshot day, guests left out.
        as_of: the last day that may be known.
        lookback_days: days of recent behaviour summarised in each example.
        horizon_days: days after an example's `day` that its target covers.

    Returns:
        One row per example, sorted by day (and customer_id). `target` is null where its days are
        not all over by the end of `as_of`: at the latest these are the examples of `as_of` itself,
        the ones to predict.

    Raises:
        NotEnoughDataError: if there is no order by `as_of`, or too few days before it.
    """
    import polars as pl

    known = orders.lazy().filter(pl.col("ordered_at") <= datetime.combine(as_of, time.max))
    rows = rows_by_day(known)
    if not rows:
        later = orders.lazy().select(pl.col("ordered_at").min()).collect(engine="streaming").item()
        found = (
            f"the first is of {later:%Y-%m-%d}" if isinstance(later, datetime) else "none at all"
        )
        raise NotEnoughDataError(
            f"There must be orders on or before as_of={as_of}, but of those read {found}."
            " Choose another as_of, a larger history_days, or another source."
        )
    if dataset == "customers":
        known = known.filter(pl.col("customer_id").is_not_null())
        rows = rows_by_day(known)
        if not rows:
            raise NotEnoughDataError(
                "dataset=customers needs orders with a customer, but all by"
                f" as_of={as_of} are of guests, without one. Choose dataset=orders, or another"
                " source."
            )
    first = next(iter(rows))
    days = (as_of - first).days + 1
    if days <= lookback_days:
        raise NotEnoughDataError(
            f"There must be more than lookback_days={lookback_days} days of orders up to"
            f" as_of={as_of}, but there are {days}, from {first} on. Choose a later as_of, a"
            " smaller lookback_days, a larger history_days, or another source."
        )
    some_days = (
        span.with_columns(day=pl.col("ordered_at").dt.date()) for span in in_spans(known, rows)
    )
    if dataset == "orders":
        return revenue_features(
            some_days, first=first, as_of=as_of, lookback=lookback_days, horizon=horizon_days
        )
    customers = known.select(pl.col("customer_id").unique()).collect(engine="streaming")
    return customer_features(
        some_days,
        customers["customer_id"].sort(),
        first=first,
        as_of=as_of,
        lookback=lookback_days,
        horizon=horizon_days,
    )
