"""Examples for telling who buys again: every customer, as known at the end of some days.

What is known of a customer depends on no other. So where purchases are too many to be held at once,
they are written aside by ranges of customers, and each range is described by itself.
"""

import contextlib
import tempfile
from collections.abc import Iterable, Iterator
from datetime import date, timedelta
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    import polars as pl

# More would add time to a fit but no quality: consecutive snapshots of a customer are much alike.
_SNAPSHOTS: Final = 7
_LONGER: Final = 3
_LONGEST: Final = 6
_PURCHASES_AT_ONCE: Final = 5_000_000
_ROWS_A_GROUP: Final = 50_000
_SAMPLED: Final = 100_000


def customer_features(
    orders: "Iterable[pl.DataFrame]", *, first: date, as_of: date, lookback: int, horizon: int
) -> "pl.DataFrame":
    """Describe each customer on each snapshot day by the orders up to its end.

    Args:
        orders: customer_id, day (Date) and amount, sorted, all of `first` to `as_of`; each frame
            has whole days.
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

    snapshots = sorted(_snapshots(first, as_of, lookback, horizon))
    described: dict[date, list[pl.DataFrame]] = {day: [] for day in snapshots}
    for daily in _by_customers(_daily(span) for span in orders):
        purchases = _purchases(daily)
        for day, parts in described.items():
            parts.append(
                _snapshot(purchases, day, lookback)
                .with_columns(
                    target=_bought_within(horizon)
                    if day + timedelta(days=horizon) <= as_of
                    else None
                )
                .drop("next_day")
                .cast({"target": pl.Int8})
            )
    return pl.concat(part for parts in described.values() for part in parts)


def _snapshots(first: date, as_of: date, lookback: int, horizon: int) -> Iterator[date]:
    """Choose days so far apart that no two targets overlap, and few enough for a quick fit."""
    yield as_of
    newest = as_of - timedelta(days=horizon)
    span = (newest - first).days - lookback
    step = max(horizon, -(-span // _SNAPSHOTS))
    for back in range(0, span + 1, step):
        yield newest - timedelta(days=back)


def _daily(orders: "pl.DataFrame") -> "pl.DataFrame":
    """Sum up each customer's days."""
    import polars as pl

    return orders.group_by("customer_id", "day", maintain_order=True).agg(
        pl.col("amount").sum(), orders=pl.len()
    )


def _by_customers(daily: "Iterable[pl.DataFrame]") -> "Iterator[pl.DataFrame]":
    """Yield customers' days again, all of some customers at a time, in order of customers.

    Args:
        daily: what `_daily` made of some days each.
    """
    import polars as pl

    held: list[pl.DataFrame] = []
    with contextlib.ExitStack() as stack:
        folder: Path | None = None
        files: list[Path] = []
        for some in daily:
            held.append(some)
            if sum(one.height for one in held) <= _PURCHASES_AT_ONCE:
                continue
            if folder is None:
                temporary = tempfile.TemporaryDirectory(prefix="ml_pipeline-")
                folder = Path(stack.enter_context(temporary))
            file = folder / f"{len(files)}.parquet"
            # In order of customers, so that a range of them is found by the file's statistics.
            pl.concat(held).sort("customer_id").write_parquet(file, row_group_size=_ROWS_A_GROUP)
            files.append(file)
            held.clear()
        if not files:
            yield pl.concat(held)
            return
        rest = pl.concat(held).lazy() if held else None
        held.clear()
        written = pl.scan_parquet(files, glob=False, hive_partitioning=False)
        everything = written if rest is None else pl.concat([written, rest])
        for low, high in pairwise([None, *_bounds(everything), None]):
            customer = pl.col("customer_id")
            within = [] if low is None else [customer >= low]
            within += [] if high is None else [customer < high]
            yield everything.filter(within).collect(engine="streaming")


def _bounds(daily: "pl.LazyFrame") -> list[str]:
    """Return customers that divide all into ranges of which each fits into memory."""
    import polars as pl

    total = int(daily.select(pl.len()).collect(engine="streaming").item())
    sampled = (
        daily.select(pl.col("customer_id").gather_every(max(1, total // _SAMPLED)))
        .collect(engine="streaming")
        .to_series()
        .sort()
    )
    count = -(-total // _PURCHASES_AT_ONCE)
    places = [sampled.len() * place // count for place in range(1, count)]
    return sorted(set(sampled.gather(places).to_list()))


def _purchases(daily: "pl.DataFrame") -> "pl.DataFrame":
    """Tell of each customer's days what the customer's history held by the end of them."""
    import polars as pl

    daily = daily.sort("customer_id", "day")
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
