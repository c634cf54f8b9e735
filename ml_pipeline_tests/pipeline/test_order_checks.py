from datetime import date, datetime, timedelta
from typing import Any

import polars as pl
import pytest

from ml_pipeline.pipeline import datasets
from ml_pipeline.pipeline.order_checks import (
    few_refunds,
    fresh,
    order_schema,
    told_once,
    usual_volume,
)
from ml_pipeline.runs.schemas import applied

FIRST, LAST = date(1997, 1, 1), date(1998, 6, 30)
USUAL: dict[str, Any] = {"weeks": 4, "factor": 2.5, "deviations": 4}


@pytest.fixture(scope="module")
def sample() -> pl.DataFrame:
    return datasets.orders_between("sample", FIRST, LAST)


def up_to(orders: pl.DataFrame, day: date) -> pl.DataFrame:
    return orders.filter(pl.col("ordered_at").dt.date() <= day)


def without_part_of(orders: pl.DataFrame, day: date, kept: float) -> pl.DataFrame:
    of_day = orders.filter(pl.col("ordered_at").dt.date() == day)
    before = orders.filter(pl.col("ordered_at").dt.date() < day)
    return pl.concat([before, of_day.head(round(of_day.height * kept))])


def few(*rows: tuple[str | None, str, float]) -> pl.DataFrame:
    return pl.DataFrame(
        [(who, datetime.fromisoformat(at), amount) for who, at, amount in rows],
        schema={"customer_id": pl.String, "ordered_at": pl.Datetime("us"), "amount": pl.Float64},
        orient="row",
    )


def test_volume_of_the_sample_is_unusual_when_it_stops_to_acquire_and_on_one_day_besides(
    sample: pl.DataFrame,
) -> None:
    days = [FIRST + timedelta(days=back) for back in range((LAST - FIRST).days + 1)]
    counts = sample.group_by(pl.col("ordered_at").dt.date().alias("day")).len()
    # Each judgement reads counts by day alone, so that one row for each order will do.
    light = sample.select("ordered_at")
    unusual = [
        day for day in days if not usual_volume(up_to(light, day), as_of=day, **USUAL).passed
    ]
    assert counts.height == len(days)
    acquisition_ends = [day for day in unusual if day < date(1997, 4, 9)]
    assert acquisition_ends[0] == date(1997, 3, 26)
    assert len(acquisition_ends) == 12
    assert unusual[12:] == [date(1997, 7, 26)]


def test_volume_of_a_day_that_is_missing_or_told_three_times_is_unusual(
    sample: pl.DataFrame,
) -> None:
    day = date(1998, 5, 28)
    known = up_to(sample, day)
    of_day = known.filter(pl.col("ordered_at").dt.date() == day)
    assert usual_volume(known, as_of=day, **USUAL).passed
    missing = usual_volume(up_to(sample, day - timedelta(days=1)), as_of=day, **USUAL)
    assert not missing.passed
    assert missing.metadata["orders"] == 0
    assert missing.metadata["same_weekday_before"] == [64, 63, 75, 88]
    assert missing.description == (
        "orders of 1998-05-28 must be 27 to 175, since 69 are usual on this weekday, and are 0:"
        " look for orders that are missing or told twice"
    )
    often = pl.concat([known, of_day, of_day])
    assert not usual_volume(often, as_of=day, **USUAL).passed
    assert usual_volume(often, as_of=day, weeks=4, factor=4, deviations=4).passed


def test_volume_without_enough_weeks_before_is_not_judged(sample: pl.DataFrame) -> None:
    day = FIRST + timedelta(days=21)
    found = usual_volume(without_part_of(up_to(sample, day), day, 0), as_of=day, **USUAL)
    assert found.passed
    assert "too few to compare" in found.description


def test_orders_are_fresh_where_the_newest_is_recent(sample: pl.DataFrame) -> None:
    known = up_to(sample, date(1998, 5, 28))
    assert fresh(known, as_of=date(1998, 5, 31), most_days=3).passed
    late = fresh(known, as_of=date(1998, 6, 1), most_days=3)
    assert late == (
        False,
        (
            "the newest order must be of the last 3 days up to 1998-06-01, and is of 1998-05-28, 4"
            " days before: the source may not have been updated"
        ),
        {"newest_order": date(1998, 5, 28), "days_behind": 4},
    )
    assert not fresh(known.clear(), as_of=date(1998, 6, 1), most_days=3).passed
    assert not usual_volume(known.clear(), as_of=date(1998, 6, 1), **USUAL).passed


def test_orders_that_repeat_others_are_counted_but_those_of_guests() -> None:
    orders = few(
        ("ann", "2026-01-01", 5),
        ("ann", "2026-01-01", 5),
        ("ann", "2026-01-01", 5),
        ("ann", "2026-01-01", 6),
        (None, "2026-01-01", 5),
        (None, "2026-01-01", 5),
    )
    found = told_once(orders, most=0.4)
    assert (found.passed, found.metadata["repeated"], found.metadata["share"]) == (False, 2, 0.5)
    assert found.metadata["most_often"].row(0)[-1] == 3
    assert told_once(orders, most=0.5).passed
    assert told_once(orders.filter(pl.col("customer_id").is_null()), most=0).passed


def test_sample_repeats_few_orders_and_its_double_half(sample: pl.DataFrame) -> None:
    assert told_once(sample, most=0.02).metadata["repeated"] == 255
    assert told_once(pl.concat([sample, sample]), most=0.4).metadata["share"] > 0.5


def test_negative_amounts_are_counted() -> None:
    orders = few(("ann", "2026-01-01", 5), ("bob", "2026-01-01", -2), ("cid", "2026-01-01", 0))
    found = few_refunds(orders, most=0.3)
    assert not found.passed
    assert found.metadata["first"]["customer_id"].to_list() == ["bob"]
    assert few_refunds(orders, most=0.34).passed
    assert few_refunds(orders.clear(), most=0).passed


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"amount": pl.lit(float("nan"))}, "'amount' breaks finite in 2 rows, first in row 0"),
        ({"amount": pl.lit(3)}, "'amount' breaks dtype('Float64') (Int32)"),
        ({"ordered_at": pl.lit(None).cast(pl.Datetime("us"))}, "'ordered_at' breaks not_nullable"),
        ({"more": pl.lit(1)}, "it has a column 'more', which is none of the schema"),
    ],
)
def test_schema_of_orders_names_what_is_not_as_it_must_be(change: Any, told: str) -> None:
    orders = few(("ann", "2026-01-01", 5), (None, "2026-01-01", -2))
    assert applied(order_schema(), orders).passed
    found = applied(order_schema(), orders.with_columns(**change))
    assert not found.passed
    assert told in found.description
