"""Orders some days at a time give what all of them at once give, bit for bit."""

from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any, Literal

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from ml_pipeline.pipeline.features import build_features, left_out
from ml_pipeline.pipeline.leaks import nothing_ahead
from ml_pipeline.pipeline.order_checks import (
    few_refunds,
    fresh,
    is_as_declared,
    told_once,
    usual_volume,
)
from ml_pipeline.pipeline.spans import in_spans, rows_by_day

DAY = date(1997, 10, 31)
HORIZON: dict[Literal["orders", "customers"], int] = {"orders": 1, "customers": 30}


@pytest.fixture
def orders(sample_orders: pl.DataFrame) -> pl.DataFrame:
    """Orders with repeated ones, refunds and guests."""
    some = sample_orders.filter(pl.col("customer_id").str.ends_with("7"))
    of_guests = some.head(50).with_columns(customer_id=pl.lit(None, dtype=pl.String))
    refunds = some.tail(40).with_columns(amount=-pl.col("amount"))
    return pl.concat([some, some.sample(30, seed=1), of_guests, refunds])


@pytest.fixture
def few_at_once(monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    def bound() -> None:
        monkeypatch.setattr("ml_pipeline.pipeline.spans.ROWS_AT_ONCE", 300)
        monkeypatch.setattr("ml_pipeline.pipeline.customer_features._PURCHASES_AT_ONCE", 700)

    return bound


@pytest.mark.parametrize("dataset", HORIZON)
def test_features_of_a_deferred_frame_in_spans_are_those_of_the_whole_to_the_bit(
    dataset: Literal["orders", "customers"],
    orders: pl.DataFrame,
    few_at_once: Callable[[], None],
    tmp_path: Path,
) -> None:
    shape: Any = {"dataset": dataset, "as_of": DAY, "lookback_days": 28}
    shape["horizon_days"] = HORIZON[dataset]
    whole = build_features(orders, **shape)
    orders.sample(fraction=1, shuffle=True, seed=0).write_parquet(tmp_path / "orders.parquet")
    few_at_once()
    deferred = pl.scan_parquet(tmp_path / "orders.parquet")
    found = build_features(deferred, **shape)
    assert_frame_equal(found, whole, check_exact=True)
    assert left_out(deferred, dataset) == (50 if dataset == "customers" else 0)
    assert nothing_ahead(found.lazy(), deferred, **shape, probes=2).passed


def test_checks_of_a_deferred_frame_in_spans_find_what_they_find_in_the_whole(
    orders: pl.DataFrame, few_at_once: Callable[[], None]
) -> None:
    def found(frame: Any) -> list[Any]:
        judged = [
            fresh(frame, as_of=DAY, most_days=3),
            usual_volume(frame, as_of=DAY, weeks=4, factor=2.5, deviations=4),
            told_once(frame, most=0.001),
            few_refunds(frame, most=0.001),
        ]
        return [
            (one.passed, one.description, {name: str(held) for name, held in one.metadata.items()})
            for one in judged
        ]

    whole = found(orders)
    few_at_once()
    assert found(orders.lazy()) == whole
    assert [passed for passed, *_ in whole] == [True, True, False, False]


def test_orders_are_as_declared_unless_a_type_a_column_or_a_value_is_another(
    orders: pl.DataFrame,
) -> None:
    assert is_as_declared(orders.lazy())
    assert is_as_declared(orders.clear())
    for change in (
        {"amount": pl.lit(float("nan"))},
        {"amount": pl.lit(None, dtype=pl.Float64)},
        {"ordered_at": pl.lit(None, dtype=pl.Datetime("us"))},
        {"amount": pl.lit(3)},
        {"more": pl.lit(1)},
    ):
        assert not is_as_declared(orders.with_columns(**change))
    assert not is_as_declared(orders.select("amount", "customer_id", "ordered_at"))


def test_spans_hold_whole_days_in_order_each_once(
    orders: pl.DataFrame, few_at_once: Callable[[], None]
) -> None:
    few_at_once()
    rows = rows_by_day(orders)
    found = list(in_spans(orders.lazy(), rows))
    assert len(found) > 5
    assert_frame_equal(pl.concat(found), orders.sort("ordered_at", "customer_id", "amount"))
    days = [day for span in found for day in span["ordered_at"].dt.date().unique()]
    assert sorted(days) == list(rows)
