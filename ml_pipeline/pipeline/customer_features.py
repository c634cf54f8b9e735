"""Examples for telling who buys again: every customer, as known at the end of some days."""

from collections.abc import Iterator
from datetime import date, timedelta
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    import polars as pl

# More would add time to a fit but no quality: consecutive snapshots of a customer are much alike.
_SNAPSHOTS: Final = 7
_LONGER: Final = 3
_LONGEST: Final = 6


def customer_features(
    orders: "pl.DataFrame", *, first: date, as_of: date, lookback: int, horizon: int
) -> "pl.DataFrame":
    """Describe each customer on each snapshot day by the orders up to its end.

    Args:
        orders: customer_id, day (Date) and amount, sorted, all of `first` to `as_of`.
        first: the first day that has an order.
        as_of: the last day that may be known, and the last snapshot.
        lookback: days of recent purchases.
        horizon: days within which a customer may buy again.

    Returns:
        One row per snapshot and customer who had bought by then, sorted by `day`, `customer_id`.
        Amounts of one customer and day are one purchase. `frequency` counts purchases after the
        first, `recency_days` reach from first to last purchase, `age_days` from first purchase to
        `day`, `monetary_value` is the mean of the purchases after the first, or 0. `target` is 1
        where the customer bought in the `horizon` days after `day`, else 0; null if these are not
        over by `as_of`.
    """
    import polars as pl

    purchases = _purchases(orders)
    snapshots = sorted(_snapshots(first, as_of, lookback, horizon))
    return pl.concat(
        _snapshot(purchases, day, lookback)
        .with_columns(
            target=_bought_within(horizon) if day + timedelta(days=horizon) <= as_of else None
        )
        .drop("next_day")
        .cast({"target": pl.Int8})
        for day in snapshots
    )


def _snapshots(first: date, as_of: date, lookback: int, horizon: int) -> Iterator[date]:
    """Choose days so far apart that no two targets overlap, and few enough for a quick fit."""
    yield as_of
    newest = as_of - timedelta(days=horizon)
    span = (newest - first).days - lookback
    step = max(horizon, -(-span // _SNAPSHOTS))
    for back in range(0, span + 1, step):
        yield newest - timedelta(days=back)


def _purchases(orders: "pl.DataFrame") -> "pl.DataFrame":
    """Sum up each customer's days, and what each customer's history held by the end of them."""
    import polars as pl

    daily = (
        orders.group_by("customer_id", "day", maintain_order=True)
        .agg(pl.col("amount").sum(), orders=pl.len())
        .sort("customer_id", "day")
    )
    return daily.with_columns(
        first_day=pl.col("day").first().over("customer_id"),
        first_amount=pl.col("amount").first().over("customer_id"),
        next_day=pl.col("day").shift(-1).over("customer_id"),
        purchases=pl.col("day").cum_count().over("customer_id"),
        spend=pl.col("amount").cum_sum().over("customer_id"),
    )


def _snapshot(purchases: "pl.DataFrame", day: date, lookback: int) -> "pl.DataFrame":
    """Describe everyone who had bought by the end of `day`; keep `next_day` for the target."""
    import polars as pl

    def since(start: "pl.Expr") -> "pl.Expr":
        return (pl.lit(day) - start).dt.total_days()

    customers = _latest(purchases, day)
    for name, times in (("recent", 1), ("longer", _LONGER), ("longest", _LONGEST)):
        before = _latest(purchases, day - timedelta(days=times * lookback))
        customers = customers.join(
            before.select(
                "customer_id",
                pl.col("purchases").alias(f"purchases_before_{name}"),
                pl.col("spend").alias(f"spend_before_{name}"),
            ),
            on="customer_id",
            how="left",
            maintain_order="left",
        )

    def purchases_within(name: str) -> "pl.Expr":
        return pl.col("purchases") - pl.col(f"purchases_before_{name}").fill_null(0)

    def spend_within(name: str) -> "pl.Expr":
        # A difference of running sums leaves a residue where nothing was bought.
        spend = pl.col("spend") - pl.col(f"spend_before_{name}").fill_null(0.0)
        return pl.when(purchases_within(name) > 0).then(spend).otherwise(0.0)

    repeats = pl.col("purchases").cast(pl.Int64) - 1
    return customers.select(
        "customer_id",
        pl.lit(day).alias("day"),
        frequency=repeats,
        recency_days=(pl.col("day") - pl.col("first_day")).dt.total_days(),
        age_days=since(pl.col("first_day")),
        monetary_value=pl.when(repeats > 0)
        .then((pl.col("spend") - pl.col("first_amount")) / repeats)
        .otherwise(0.0),
        days_since_last=since(pl.col("day")),
        spend=pl.col("spend"),
        last_amount=pl.col("amount"),
        recent_purchases=purchases_within("recent").cast(pl.Int64),
        recent_spend=spend_within("recent"),
        longer_purchases=purchases_within("longer").cast(pl.Int64),
        longer_spend=spend_within("longer"),
        longest_purchases=purchases_within("longest").cast(pl.Int64),
        next_day=pl.col("next_day"),
    ).with_columns(
        mean_gap_days=pl.col("recency_days") / pl.max_horizontal("frequency", 1),
        overdue=pl.col("days_since_last")
        / (pl.col("recency_days") / pl.max_horizontal("frequency", 1) + 1),
        purchase_rate=pl.col("frequency") / (pl.col("age_days") + 1),
    )


def _latest(purchases: "pl.DataFrame", day: date) -> "pl.DataFrame":
    """Keep each customer's last purchase by the end of `day`."""
    import polars as pl

    return purchases.filter(pl.col("day") <= day).unique(
        "customer_id", keep="last", maintain_order=True
    )


def _bought_within(horizon: int) -> "pl.Expr":
    import polars as pl

    return (pl.col("next_day") <= pl.col("day") + pl.duration(days=horizon)).fill_null(value=False)
