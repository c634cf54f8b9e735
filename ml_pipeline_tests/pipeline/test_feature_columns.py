"""What is said of columns is what the code does: a change of orders shows where it goes."""

from datetime import date
from typing import Literal

import numpy as np
import polars as pl
import pytest

from ml_pipeline.pipeline.feature_columns import FACTS, ORDERS
from ml_pipeline.pipeline.features import build_features
from ml_pipeline.runs.column import Column, column_in

AS_OF = date(1997, 12, 31)


def changed(orders: pl.DataFrame, column: str) -> list[pl.DataFrame]:
    """Return orders with other values in one column: the same customers, and the same last day."""
    if column == "amount":
        return [orders.with_columns(pl.col("amount") * pl.int_range(1, pl.len() + 1))]
    if column == "customer_id":
        who = pl.col("customer_id")
        others = (pl.lit("x") + who).alias("customer_id")
        return [orders.with_columns(who.shuffle(seed=1)), orders.with_columns(others)]
    when = pl.col("ordered_at")
    late = when.clip(lower_bound=when.min() + pl.duration(days=10))
    return [orders.with_columns(when.shuffle(seed=1)), orders.with_columns(late)]


def same(one: pl.Series, other: pl.Series) -> bool:
    """Tell whether columns hold the same: of keys the same ones, of all else as often."""
    if one.dtype in (pl.String, pl.Date):
        return set(one) == set(other)
    # Sums of floats depend on their order.
    ours, theirs = (np.sort(column.cast(pl.Float64).to_numpy()) for column in (one, other))
    return ours.shape == theirs.shape and np.allclose(ours, theirs, equal_nan=True)


@pytest.mark.parametrize("dataset", FACTS)
def test_columns_of_features_change_with_what_they_are_said_to_be_made_from(
    sample_orders: pl.DataFrame, dataset: Literal["orders", "customers"]
) -> None:
    def built(orders: pl.DataFrame) -> pl.DataFrame:
        return build_features(
            orders, dataset=dataset, as_of=AS_OF, lookback_days=28, horizon_days=9
        )

    orders = sample_orders.filter(pl.col("ordered_at").dt.date() <= AS_OF)
    before = built(orders)
    said = {name: Column(one.about, {"orders": one.orders}) for name, one in FACTS[dataset].items()}
    known = {name: column_in(said, name) for name in before.columns}
    told = {
        name: set(one.made_from["orders"]) if one is not None and one.about else None
        for name, one in known.items()
    }
    found: dict[str, set[str]] = {name: set() for name in before.columns}
    for source in ORDERS:
        for others in changed(orders, source):
            after = built(others)
            for name in found:
                if not same(before[name], after[name]):
                    found[name].add(source)
    assert found == told
