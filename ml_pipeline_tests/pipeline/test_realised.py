"""Predictions beside what came true, counted by hand."""

from datetime import date, datetime
from typing import Any

import polars as pl
import pytest

from ml_pipeline.pipeline.realised import realised, with_outcome

DAY, UNTIL = date(2026, 1, 5), date(2026, 1, 8)


def orders(*rows: tuple[str | None, datetime, float]) -> pl.DataFrame:
    return pl.DataFrame(
        list(rows),
        schema={"customer_id": pl.String, "ordered_at": pl.Datetime("us"), "amount": pl.Float64},
        orient="row",
    )


def scores(**customers: float) -> pl.DataFrame:
    return pl.DataFrame(
        {
            "customer_id": list(customers),
            "day": [DAY] * len(customers),
            "until": [UNTIL] * len(customers),
            "prediction": list(customers.values()),
        }
    )


ORDERS = orders(
    ("early", datetime(2026, 1, 5, 23, 59, 59, 999999), 1.0),
    ("first", datetime(2026, 1, 6), 2.0),
    ("last", datetime(2026, 1, 8, 23, 59, 59, 999999), 4.0),
    ("last", datetime(2026, 1, 8, 12), 8.0),
    (None, datetime(2026, 1, 7), 16.0),
    ("refund", datetime(2026, 1, 7), -5.0),
    ("late", datetime(2026, 1, 9), 64.0),
    ("stranger", datetime(2026, 1, 7), 128.0),
)


def test_customers_who_ordered_within_the_days_bought_and_all_others_did_not() -> None:
    found = with_outcome(
        scores(early=0.1, first=0.2, last=0.3, refund=0.4, late=0.5, never=0.6), ORDERS, "customers"
    )
    bought = dict(zip(found["customer_id"], found["actual"], strict=True))
    assert bought == {"early": 0, "first": 1, "last": 1, "refund": 1, "late": 0, "never": 0}
    none = with_outcome(scores(never=0.5), orders(), "customers")
    assert none["actual"].to_list() == [0.0]


def test_revenue_is_that_of_the_days_with_guests_and_refunds() -> None:
    one = pl.DataFrame({"day": [DAY], "until": [UNTIL], "prediction": [100.0]})
    assert with_outcome(one, ORDERS, "orders")["actual"].to_list() == [2 + 4 + 8 + 16 - 5 + 128]
    assert with_outcome(one, orders(), "orders")["actual"].to_list() == [0.0]


@pytest.mark.parametrize(
    ("guesses", "actual", "expected"),
    [
        # |100-80|/80 = 0.25 and |50-100|/100 = 0.5; 70 of 180.
        ([100.0, 50.0], [80.0, 100.0], {"mape": 0.375, "wape": 70 / 180}),
        # A day without revenue has no relative error, but is an error in sum.
        ([100.0, 30.0], [80.0, 0.0], {"mape": 0.25, "wape": 50 / 80}),
        ([1.0, 2.0], [0.0, 0.0], {"mape": None, "wape": None}),
    ],
)
def test_errors_of_revenue_are_those_counted_by_hand(
    guesses: list[float], actual: list[float], expected: dict[str, Any]
) -> None:
    table = pl.DataFrame({"day": [DAY, UNTIL], "prediction": guesses, "actual": actual})
    assert realised(table, "orders") == pytest.approx(expected)


def test_ranks_of_customers_are_judged_day_by_day() -> None:
    # On the first day 3 of 4 pairs are in order, on the second all; in one pot it would be 0.5.
    first = [(0.2, 0.0), (0.4, 1.0), (0.6, 0.0), (0.8, 1.0)]
    second = [(0.05, 0.0), (0.1, 1.0)]
    nobody = [(0.9, 0.0), (0.95, 0.0)]
    rows = [
        (date(2026, 1, day), *row)
        for day, some in enumerate((first, second, nobody), start=1)
        for row in some
    ]
    table = pl.DataFrame(rows, schema=["day", "prediction", "actual"], orient="row")
    found = realised(table, "customers")
    # Precision where each buyer is found: 1 of 1 and 2 of 3, the mean of them; and 1.
    assert found == pytest.approx({"auc": (0.75 + 1) / 2, "average_precision": (5 / 6 + 1) / 2})
    assert realised(table.filter(pl.col("day") == date(2026, 1, 3)), "customers") == {
        "auc": None,
        "average_precision": None,
    }
