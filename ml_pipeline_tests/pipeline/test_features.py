from collections import defaultdict
from datetime import date, datetime, timedelta
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from ml_pipeline.errors import NotEnoughDataError
from ml_pipeline.pipeline.datasets import orders_between
from ml_pipeline.pipeline.examples import NOT_FEATURES, feature_columns
from ml_pipeline.pipeline.features import build_features

FIRST = date(2009, 1, 5)
WIDTHS: dict[str, dict[str, Any]] = {
    "orders": {"dataset": "orders", "lookback_days": 14, "horizon_days": 2},
    "customers": {"dataset": "customers", "lookback_days": 10, "horizon_days": 9},
}
both = pytest.mark.parametrize("dataset", WIDTHS)
fixtures = settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])


def at(offset: int) -> datetime:
    return datetime(2009, 1, 5, 10) + timedelta(days=offset)


def orders_of(*rows: tuple[str, int, float]) -> pl.DataFrame:
    """Make orders of (customer, days after FIRST, amount)."""
    return pl.DataFrame(
        [(customer, at(offset), amount) for customer, offset, amount in rows],
        schema={"customer_id": pl.String, "ordered_at": pl.Datetime("us"), "amount": pl.Float64},
        orient="row",
    )


def daily(revenue: list[float]) -> pl.DataFrame:
    """Make one order for each day that has revenue."""
    return orders_of(
        *((f"c{offset}", offset, amount) for offset, amount in enumerate(revenue) if amount)
    )


def revenue_examples(
    revenue: list[float], *, lookback: int = 7, horizon: int = 1
) -> list[dict[str, Any]]:
    return build_features(
        daily(revenue),
        dataset="orders",
        as_of=FIRST + timedelta(days=len(revenue) - 1),
        lookback_days=lookback,
        horizon_days=horizon,
    ).to_dicts()


extra_orders = st.lists(
    st.tuples(
        st.sampled_from(["c000", "c001", "c002", "new", "other"]),
        st.integers(1, 40),
        st.floats(-1e4, 1e4),
    ),
    min_size=1,
    max_size=8,
)


@both
@fixtures
@given(later=extra_orders)
def test_features_after_any_change_beyond_as_of_are_the_same(
    dataset: str, later: list[tuple[str, int, float]], shop_orders: pl.DataFrame
) -> None:
    as_of = date(2009, 6, 30)
    end = datetime(2009, 6, 30, 23, 59, 59, 999_999)
    known = shop_orders.filter(pl.col("ordered_at") <= end)
    offset = (as_of - FIRST).days
    changed = pl.concat([known, orders_of(*((c, offset + days, a) for c, days, a in later))])
    expected = build_features(known, as_of=as_of, **WIDTHS[dataset])
    for orders in (changed, shop_orders, changed.reverse()):
        found = build_features(orders, as_of=as_of, **WIDTHS[dataset])
        assert_frame_equal(found, expected, check_exact=True)


@both
@fixtures
@given(cut=st.integers(40, 200), change=extra_orders)
def test_features_of_an_example_after_any_change_beyond_its_day_are_the_same(
    dataset: str, cut: int, change: list[tuple[str, int, float]], shop_orders: pl.DataFrame
) -> None:
    width = WIDTHS[dataset]
    day = FIRST + timedelta(days=cut)
    as_of = date(2009, 9, 30)
    kept = shop_orders.filter(pl.col("ordered_at").dt.date() <= day)
    other = pl.concat([kept, orders_of(*((c, cut + days, a) for c, days, a in change))])
    before = build_features(shop_orders, as_of=as_of, **width).filter(pl.col("day") <= day)
    after = build_features(other, as_of=as_of, **width).filter(pl.col("day") <= day)
    assume(before.height > 0)
    assert_frame_equal(before.drop("target"), after.drop("target"), check_exact=True)
    closed = pl.col("day") + timedelta(days=width["horizon_days"]) <= day
    assert_frame_equal(before.filter(closed), after.filter(closed), check_exact=True)


@both
@fixtures
@given(offset=st.integers(30, 290))
def test_targets_are_null_exactly_where_their_days_are_not_over(
    dataset: str, offset: int, shop_orders: pl.DataFrame
) -> None:
    as_of = FIRST + timedelta(days=offset)
    width = WIDTHS[dataset]
    examples = build_features(shop_orders, as_of=as_of, **width)
    over = pl.col("day") + timedelta(days=width["horizon_days"]) <= as_of
    assert examples.select((pl.col("target").is_not_null() == over).all()).item()
    assert examples["day"].max() == as_of
    assert examples.drop("target").null_count().sum_horizontal().item() == 0
    numbers = examples.select(pl.col(feature_columns(examples)).cast(pl.Float64).is_finite().all())
    assert all(numbers.row(0))


@both
def test_features_of_the_same_orders_in_csv_and_parquet_are_the_same(
    dataset: str, tmp_path: Path, shop_orders: pl.DataFrame
) -> None:
    shop_orders.write_csv(tmp_path / "o.csv")
    (tmp_path / "parts").mkdir()
    shop_orders[::2].write_parquet(tmp_path / "parts" / "1.parquet")
    shop_orders[1::2].write_parquet(tmp_path / "parts" / "2.parquet")
    as_of = date(2009, 9, 30)
    tables = [
        build_features(
            orders_between(str(tmp_path / name), date(2009, 2, 1), as_of),
            as_of=as_of,
            **WIDTHS[dataset],
        )
        for name in ("o.csv", "parts")
    ]
    assert_frame_equal(*tables, check_exact=True)
    assert tables[0].height > 50


@both
def test_features_without_orders_by_as_of_are_refused(
    dataset: str, shop_orders: pl.DataFrame
) -> None:
    with pytest.raises(NotEnoughDataError) as raised:
        build_features(shop_orders, as_of=date(2008, 12, 31), **WIDTHS[dataset])
    assert str(raised.value) == (
        "There must be orders on or before as_of=2008-12-31, but of those read the first is of"
        " 2009-01-05. Choose another as_of, a larger history_days, or another source."
    )
    with pytest.raises(NotEnoughDataError, match="none at all"):
        build_features(shop_orders.clear(), as_of=date(2009, 9, 30), **WIDTHS[dataset])


def test_features_with_too_short_a_history_are_refused_with_the_days_there_are(
    shop_orders: pl.DataFrame,
) -> None:
    with pytest.raises(NotEnoughDataError) as raised:
        build_features(
            shop_orders,
            dataset="orders",
            as_of=date(2009, 1, 18),
            lookback_days=14,
            horizon_days=1,
        )
    assert str(raised.value) == (
        "There must be more than lookback_days=14 days of orders up to as_of=2009-01-18, but there"
        " are 14, from 2009-01-05 on. Choose a later as_of, a smaller lookback_days, a larger"
        " history_days, or another source."
    )


def test_revenue_of_days_without_orders_is_zero() -> None:
    revenue = [5.0, 0.0, 3.0, 0.0, 0.0, 2.0, 0.0, 0.0, 1.0, 0.0]
    examples = revenue_examples(revenue)
    assert [row["day"] for row in examples] == [FIRST + timedelta(days=k) for k in (7, 8, 9)]
    assert [row["revenue"] for row in examples] == [0.0, 1.0, 0.0]
    assert [row["target"] for row in examples] == [1.0, 0.0, None]


def test_revenue_of_one_day_counts_all_its_orders_gifts_and_refunds() -> None:
    orders = pl.concat(
        [daily([10.0] * 8), orders_of(("c7", 7, 10.0), ("x", 7, 0.0), ("y", 7, -12.5))]
    )
    examples = build_features(
        orders, dataset="orders", as_of=FIRST + timedelta(days=7), lookback_days=7, horizon_days=1
    )
    assert examples["revenue"].to_list() == [7.5]


def test_revenue_features_are_ratios_to_the_recent_level() -> None:
    revenue = [7.0, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 14.0]
    (example,) = revenue_examples(revenue)
    level = sum(revenue[1:]) / 7
    assert example["scale"] == pytest.approx(level)
    assert example["revenue_0_days_ago"] == pytest.approx(14 / level)
    assert example["revenue_6_days_ago"] == pytest.approx(1 / level)
    assert example["revenue_mean_3"] == pytest.approx(25 / 3 / level)
    assert example["same_weekdays_back_1"] == pytest.approx(1 / level)
    assert example["weekday"] == (example["day"] + timedelta(days=1)).isoweekday() == 2


@pytest.mark.parametrize("horizon", [1, 2, 6, 7, 8, 15])
def test_naive_forecast_sums_the_latest_known_days_with_the_same_weekdays(horizon: int) -> None:
    revenue = [float((offset * 37) % 101 + 1) for offset in range(60)]
    for example in revenue_examples(revenue, horizon=horizon):
        known = (example["day"] - FIRST).days
        expected = 0.0
        for ahead in range(1, horizon + 1):
            stand_in = known + ahead
            while stand_in > known:
                stand_in -= 7
            expected += revenue[stand_in]
        assert example["naive"] == pytest.approx(expected)
        if example["target"] is not None:
            assert example["target"] == pytest.approx(sum(revenue[known + 1 : known + 1 + horizon]))


def test_revenue_level_after_weeks_without_revenue_is_the_one_before() -> None:
    examples = revenue_examples([8.0] * 4 + [0.0] * 20 + [4.0], lookback=7)
    assert all(row["scale"] > 0 for row in examples)
    assert examples[-2]["scale"] == pytest.approx(32 / 24)
    gifts = orders_of(*(("a", offset, 0.0) for offset in range(10)))
    table = build_features(
        gifts, dataset="orders", as_of=at(9).date(), lookback_days=7, horizon_days=1
    )
    assert table["scale"].to_list() == [1.0] * 3


def test_horizon_beyond_the_history_leaves_no_target() -> None:
    assert [row["target"] for row in revenue_examples([1.0] * 20, horizon=365)] == [None] * 13


def plain_summary(orders: pl.DataFrame, until: date) -> dict[str, tuple[int, int, int, float]]:
    """Compute frequency, recency, age and monetary value without any library."""
    spent: dict[str, dict[date, float]] = defaultdict(lambda: defaultdict(float))
    for customer, ordered_at, amount in orders.iter_rows():
        if ordered_at.date() <= until:
            spent[customer][ordered_at.date()] += amount
    summary = {}
    for customer, days in spent.items():
        first, last = min(days), max(days)
        repeats = [amount for day, amount in days.items() if day != first]
        summary[customer] = (
            len(repeats),
            (last - first).days,
            (until - first).days,
            sum(repeats) / len(repeats) if repeats else 0.0,
        )
    return summary


def test_customers_at_as_of_have_the_customary_summary(sample_orders: pl.DataFrame) -> None:
    as_of = date(1998, 5, 31)
    examples = build_features(
        sample_orders, dataset="customers", as_of=as_of, lookback_days=28, horizon_days=30
    )
    latest = examples.filter(pl.col("day") == as_of)
    columns = ["frequency", "recency_days", "age_days", "monetary_value"]
    found = {row[0]: row[1:] for row in latest.select("customer_id", *columns).iter_rows()}
    expected = plain_summary(sample_orders, as_of)
    assert found.keys() == expected.keys()
    for customer, values in expected.items():
        assert found[customer] == pytest.approx(values, rel=1e-9, abs=1e-9)


def test_customers_of_every_snapshot_have_what_plain_counting_finds(
    shop_orders: pl.DataFrame,
) -> None:
    as_of, lookback, horizon = date(2009, 8, 31), 10, 9
    examples = build_features(
        shop_orders, dataset="customers", as_of=as_of, lookback_days=lookback, horizon_days=horizon
    )
    identities = examples.select("day", "customer_id").rows()
    assert identities == sorted(set(identities))
    days_of: dict[str, dict[date, float]] = defaultdict(lambda: defaultdict(float))
    for customer, ordered_at, amount in shop_orders.iter_rows():
        if ordered_at.date() <= as_of:
            days_of[customer][ordered_at.date()] += amount
    assert examples["day"].n_unique() > 3
    for row in examples.iter_rows(named=True):
        day, days = row["day"], days_of[row["customer_id"]]
        past = {when: amount for when, amount in days.items() if when <= day}
        for name, width in (("recent", 10), ("longer", 30), ("longest", 60)):
            within = [a for when, a in past.items() if when > day - timedelta(days=width)]
            assert row[f"{name}_purchases"] == len(within)
            if name != "longest":
                assert row[f"{name}_spend"] == pytest.approx(sum(within))
        assert row["days_since_last"] == (day - max(past)).days
        assert row["spend"] == pytest.approx(sum(past.values()))
        assert row["last_amount"] == pytest.approx(past[max(past)])
        if day + timedelta(days=horizon) <= as_of:
            again = any(day < when <= day + timedelta(days=horizon) for when in days)
            assert row["target"] == again
        else:
            assert row["target"] is None


def test_customers_with_orders_of_one_day_bought_once() -> None:
    orders = orders_of(("a", 0, 5.0), ("a", 0, 7.0), ("a", 9, 0.0), ("a", 9, 4.0), ("b", 1, -3.0))
    examples = build_features(
        orders, dataset="customers", as_of=at(12).date(), lookback_days=7, horizon_days=30
    )
    values = examples.select("frequency", "recency_days", "age_days", "monetary_value", "spend")
    assert values.rows() == [(1, 9, 12, 4.0, 16.0), (0, 0, 11, 0.0, -3.0)]
    assert examples["recent_purchases"].to_list() == [1, 0]


def test_customers_with_many_orders_a_day_spend_the_same_bits_whatever_others_do() -> None:
    some = [(f"c{who}", 0, amount) for who in range(30) for amount in (84.08, 38.73, 24.05 + who)]
    others = [(f"d{who}", 0, 1.0) for who in range(6_000) for _ in range(2)]

    def spent(*rows: tuple[str, int, float]) -> pl.DataFrame:
        examples = build_features(
            orders_of(*rows, ("a", 12, 1.0)),
            dataset="customers",
            as_of=at(12).date(),
            lookback_days=7,
            horizon_days=30,
        )
        return examples.filter(pl.col("customer_id").str.starts_with("c"))

    assert_frame_equal(spent(*some), spent(*some, *others), check_exact=True)
    exact = [float(sum(map(Fraction, (84.08, 38.73, 24.05 + who)))) for who in range(30)]
    alone = spent(*some).with_columns(who=pl.col("customer_id").str.slice(1).cast(pl.Int64))
    assert alone.sort("who")["spend"].to_list() == pytest.approx(exact, rel=1e-15)


def test_customers_whose_repeat_was_free_bought_again() -> None:
    orders = orders_of(("a", 0, 5.0), ("a", 20, 0.0), ("b", 0, 1.0))
    examples = build_features(
        orders, dataset="customers", as_of=at(24).date(), lookback_days=7, horizon_days=5
    )
    asked = examples.filter(pl.col("day") == at(19).date())
    assert asked.select("customer_id", "target").rows() == [("a", 1), ("b", 0)]
    assert examples.filter(pl.col("day") == at(24).date())["monetary_value"].to_list() == [0.0, 0.0]


@pytest.mark.parametrize("horizon", [1, 9, 30])
def test_snapshots_are_few_and_their_targets_do_not_overlap(
    horizon: int, shop_orders: pl.DataFrame
) -> None:
    examples = build_features(
        shop_orders,
        dataset="customers",
        as_of=date(2009, 9, 30),
        lookback_days=28,
        horizon_days=horizon,
    )
    days = examples["day"].unique().sort().to_list()
    assert days[-1] == date(2009, 9, 30)
    assert days[-2] == date(2009, 9, 30) - timedelta(days=horizon)
    assert days[0] >= FIRST + timedelta(days=28)
    assert 3 < len(days) < 12
    assert all((later - day).days >= horizon for day, later in pairwise(days))


@both
def test_feature_columns_are_all_but_identity_and_outcome(
    dataset: str, shop_orders: pl.DataFrame
) -> None:
    examples = build_features(shop_orders, as_of=date(2009, 9, 30), **WIDTHS[dataset])
    assert set(examples.columns) - set(feature_columns(examples)) == NOT_FEATURES & set(
        examples.columns
    )
    assert not NOT_FEATURES & set(feature_columns(examples))
