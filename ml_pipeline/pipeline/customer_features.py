"""Examples for telling who buys again: every customer, as known at the end of some days.

What is known of a customer depends on no other. So where purchases are too many to be held at once,
they are written aside by ranges of customers, and each range is described by itself. Customers have
numbers meanwhile: texts take ten times as long to sort.
"""

import contextlib
import tempfile
from collections.abc import Iterable, Iterator
from datetime import date, timedelta
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt
    import polars as pl

# More would add time to a fit but no quality: consecutive snapshots of a customer are much alike.
_SNAPSHOTS: Final = 7
_LONGER: Final = 3
_LONGEST: Final = 6
_PURCHASES_AT_ONCE: Final = 5_000_000
_ROWS_A_GROUP: Final = 50_000
_SAMPLED: Final = 100_000
_PURCHASE: Final = ("customer", "day")
_MOST_DAYS: Final = 1 << 24
"""More than there are in the years 1 to 9999."""


def customer_features(
    orders: "Iterable[pl.DataFrame]",
    customers: "pl.Series",
    *,
    first: date,
    as_of: date,
    lookback: int,
    horizon: int,
) -> "pl.DataFrame":
    """Describe each customer on each snapshot day by the orders up to its end.

    Args:
        orders: customer_id, day (Date) and amount, sorted, all of `first` to `as_of`; each frame
            has whole days.
        customers: all of them, each once, sorted.
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
    number = pl.col("customer_id").cast(pl.Enum(customers)).to_physical()
    numbered = (span.select(number.alias("customer"), "day", "amount") for span in orders)
    for daily in _by_customers(_daily(span) for span in numbered):
        purchases = _purchases(daily)
        for day, parts in described.items():
            found = _snapshot(purchases, day, lookback).with_columns(
                target=(
                    _bought_within(horizon)
                    if day + timedelta(days=horizon) <= as_of
                    else pl.lit(None)
                ).cast(pl.Int8)
            )
            who = customers.gather(found["customer"]).alias("customer_id")
            parts.append(found.select(who, pl.exclude("customer", "next_day")))
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
    """Sum up each customer's days, in order of customers and days."""
    import polars as pl

    orders = _sorted(orders)
    another = pl.any_horizontal(pl.col(name) != pl.col(name).shift(1) for name in _PURCHASE)
    first = orders.select(another.fill_null(value=True)).to_series()
    spent = _sums(orders["amount"].to_numpy(), first.arg_true().to_numpy())
    return orders.filter(first).with_columns(amount=spent)


def _sums(
    amounts: "npt.NDArray[np.float64]", starts: "npt.NDArray[np.uint32]"
) -> "npt.NDArray[np.float64]":
    """Sum up neighbours, one after the other, and carry along what rounding loses (Kahan).

    A sum is of the same bits whatever stands beside it, which is not so of what Polars groups.

    Args:
        amounts: all of them.
        starts: where each sum begins, ascending from 0.
    """
    import numpy as np

    # Adding zero turns -0.0 into 0.0.
    sums = amounts[starts] + 0.0
    lost = np.zeros_like(sums)
    counts = np.diff(starts, append=len(amounts))
    place, which = 1, np.flatnonzero(counts > 1)
    while which.size:
        more = amounts[starts[which] + place] - lost[which]
        total = sums[which] + more
        lost[which] = (total - sums[which]) - more
        sums[which] = total
        place += 1
        which = which[counts[which] > place]
    return sums


def _sorted(orders: "pl.DataFrame") -> "pl.DataFrame":
    """Sort by customer and day; what has both in common stays in its order."""
    import polars as pl

    since = (pl.col("day") - pl.col("day").min()).dt.total_days().cast(pl.UInt64)
    place = orders.select(pl.col("customer").cast(pl.UInt64) * _MOST_DAYS + since).to_series()
    return orders if place.is_sorted() else orders.sort(place, maintain_order=True)


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
            while held:
                files.append(folder / f"{len(files)}.parquet")
                # In order of customers, so that a range of them is found by a file's statistics.
                held.pop(0).write_parquet(files[-1], row_group_size=_ROWS_A_GROUP)
        if not files:
            yield pl.concat(held)
            return
        rest = pl.concat(held).lazy() if held else None
        held.clear()
        written = pl.scan_parquet(files, glob=False, hive_partitioning=False)
        everything = written if rest is None else pl.concat([written, rest])
        for low, high in pairwise([None, *_bounds(everything), None]):
            customer = pl.col("customer")
            within = [] if low is None else [customer >= low]
            within += [] if high is None else [customer < high]
            yield everything.filter(within).collect(engine="streaming")


def _bounds(daily: "pl.LazyFrame") -> list[int]:
    """Return customers that divide all into ranges of which each fits into memory."""
    import polars as pl

    total = int(daily.select(pl.len()).collect(engine="streaming").item())
    sampled = (
        daily.select(pl.col("customer").gather_every(max(1, total // _SAMPLED)))
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

    return _sorted(daily).with_columns(
        first_day=pl.col("day").first().over("customer"),
        first_amount=pl.col("amount").first().over("customer"),
        next_day=pl.col("day").shift(-1).over("customer"),
        purchases=pl.col("day").cum_count().over("customer"),
        spend=pl.col("amount").cum_sum().over("customer"),
    )


def _snapshot(purchases: "pl.DataFrame", day: date, lookback: int) -> "pl.DataFrame":
    """Describe everyone who had bought by the end of `day`; keep `next_day` for the target."""
    import polars as pl

    def since(start: "pl.Expr") -> "pl.Expr":
        return (pl.lit(day) - start).dt.total_days()

    customers = _latest(purchases, day)
    for name, times in (("recent", 1), ("longer", _LONGER), ("longest", _LONGEST)):
        known = purchases.select("customer", "day", "next_day", "purchases", "spend")
        before = _latest(known, day - timedelta(days=times * lookback))
        customers = customers.join(
            before.select(
                "customer",
                pl.col("purchases").alias(f"purchases_before_{name}"),
                pl.col("spend").alias(f"spend_before_{name}"),
            ),
            on="customer",
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
        "customer",
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

    # The next one, if any, is later than that.
    is_last = (pl.col("next_day") > day).fill_null(value=True)
    return purchases.filter((pl.col("day") <= day) & is_last)


def _bought_within(horizon: int) -> "pl.Expr":
    import polars as pl

    return (pl.col("next_day") <= pl.col("day") + pl.duration(days=horizon)).fill_null(value=False)
