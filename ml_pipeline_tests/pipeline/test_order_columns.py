"""Customers, guests, amounts, and columns under other names."""

from datetime import date, datetime
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from ml_pipeline.errors import NotEnoughDataError, SourceError
from ml_pipeline.pipeline.datasets import days_of, orders_between
from ml_pipeline.pipeline.features import build_features

DAY = datetime(2009, 1, 5)


def customers(path: Path, values: list[Any], dtype: Any = None) -> list[str | None]:
    frame = pl.DataFrame({"customer_id": pl.Series(values, dtype=dtype, strict=False)})
    frame.with_columns(
        ordered_at=DAY, amount=pl.int_range(pl.len()).cast(pl.Float64)
    ).write_parquet(path)
    found = orders_between(str(path), date.min, date.max).sort("amount")
    return found["customer_id"].to_list()


def test_customers_are_the_same_as_whole_numbers_floats_and_text(tmp_path: Path) -> None:
    path = tmp_path / "o.parquet"
    assert customers(path, [17, 0, -3, None]) == ["17", "0", "-3", None]
    assert customers(path, [17.0, 0.0, -3.0, None]) == ["17", "0", "-3", None]
    assert customers(path, [17, 0, -3], pl.Decimal(10, 2)) == ["17", "0", "-3"]
    assert customers(path, ["17", "17.0", " 17 ", "17.00", "0.0"]) == ["17"] * 4 + ["0"]
    assert customers(path, ["007", "17.5", "1.7.0", "a.0"]) == ["007", "17.5", "1.7.0", "a.0"]
    assert customers(path, [17.5]) == ["17.5"]


def test_customers_that_are_nothing_are_guests(tmp_path: Path) -> None:
    words = [None, "", "  ", "null", "NULL", "None", "<NA>", "NA", "n/a", "\\N"]
    assert customers(tmp_path / "o.parquet", words) == [None] * len(words)
    assert customers(tmp_path / "o.parquet", [None, None], pl.Null) == [None, None]


@pytest.mark.parametrize(
    "value", [float("nan"), float("inf"), 2.0**53, "nan", "NaN", " NAN ", "1.2345e+16"]
)
def test_customers_that_are_no_number_or_have_lost_digits_are_refused(
    value: Any, tmp_path: Path
) -> None:
    with pytest.raises(SourceError, match=r"NaN is no customer.*give guests a text of their own"):
        customers(tmp_path / "o.parquet", [value])


def test_customers_in_single_precision_are_refused_sooner(tmp_path: Path) -> None:
    assert customers(tmp_path / "o.parquet", [2.0**24 - 1], pl.Float32) == ["16777215"]
    with pytest.raises(SourceError, match="NaN is no customer"):
        customers(tmp_path / "o.parquet", [2.0**24], pl.Float32)


@pytest.mark.parametrize("dtype", [pl.Binary, pl.Boolean])
def test_customers_of_a_type_that_names_nobody_are_refused(dtype: Any, tmp_path: Path) -> None:
    value = b"a" if dtype == pl.Binary else True
    with pytest.raises(SourceError, match="'customer_id' is of type"):
        customers(tmp_path / "o.parquet", [value], dtype)


def test_guests_count_for_revenue_and_are_left_out_of_customers(
    shop_orders: pl.DataFrame, tmp_path: Path
) -> None:
    guests = pl.when(pl.int_range(pl.len()) % 3 == 0).then(None).otherwise(pl.col("customer_id"))
    mixed = shop_orders.with_columns(customer_id=guests)
    known = mixed.drop_nulls()
    path = tmp_path / "o.csv"
    mixed.write_csv(path)
    read = orders_between(str(path), date.min, date.max)
    assert (read.height, read["customer_id"].null_count()) == (
        mixed.height,
        mixed.height - known.height,
    )
    as_of = date(2009, 9, 30)
    shape = {"as_of": as_of, "lookback_days": 28, "horizon_days": 1}
    revenue = build_features(read, dataset="orders", **shape)  # type: ignore[arg-type]
    assert revenue.equals(build_features(shop_orders, dataset="orders", **shape))  # type: ignore[arg-type]
    people = build_features(read, dataset="customers", **shape)  # type: ignore[arg-type]
    assert people.equals(build_features(known, dataset="customers", **shape))  # type: ignore[arg-type]
    with pytest.raises(NotEnoughDataError, match="all by as_of=2009-09-30 are of guests"):
        build_features(
            read.with_columns(customer_id=pl.lit(None, dtype=pl.String)),
            dataset="customers",
            **shape,  # type: ignore[arg-type]
        )


def test_digests_tell_a_guest_from_a_customer(tmp_path: Path) -> None:
    digests = []
    for name, customer in (("a", ""), ("b", "x"), ("c", "NULL")):
        path = tmp_path / f"{name}.csv"
        path.write_text(f"customer_id,ordered_at,amount\n{customer},2009-01-05,1\n")
        digests.append(days_of(str(path))[date(2009, 1, 5)].digest)
    assert digests[0] == digests[2] != digests[1]


SHOP = (
    "Customer ID,InvoiceDate,Quantity,Price\n"
    "17.0,2009-01-05 08:26:00,3, 2.5\n"
    ",2009-01-06 1:00,2,-1\n"
)
NAMES = {"customer_id": "customer id", "ordered_at": "InvoiceDate", "amount": "Quantity * Price"}


def test_columns_under_other_names_are_read_and_amounts_multiplied(tmp_path: Path) -> None:
    path = tmp_path / "o.csv"
    path.write_text(SHOP)
    expected = [
        ("17", datetime(2009, 1, 5, 8, 26), 7.5),
        (None, datetime(2009, 1, 6, 1), -2.0),
    ]
    assert orders_between(str(path), date.min, date.max, NAMES).rows() == expected
    typed = pl.read_csv(path, try_parse_dates=False).with_columns(
        pl.col("Price").str.strip_chars().cast(pl.Float64)
    )
    typed.write_parquet(tmp_path / "o.parquet")
    other = {**NAMES, "amount": "Price*Quantity"}
    assert orders_between(str(tmp_path / "o.parquet"), date.min, date.max, other).rows() == expected
    digests = days_of(str(path), NAMES)
    assert digests == days_of(str(tmp_path / "o.parquet"), other)
    assert digests != days_of(str(path), {**NAMES, "amount": "Price"})


def test_columns_named_in_folders_may_have_other_names_too(tmp_path: Path) -> None:
    path = tmp_path / "day=2009-01-05" / "o.csv"
    path.parent.mkdir()
    path.write_text("customer_id,amount\na,1\n")
    found = orders_between(str(tmp_path), date.min, date.max, {"ordered_at": "day"})
    assert found.rows() == [("a", DAY, 1.0)]


def test_columns_that_are_mapped_wrongly_get_the_nearest_names(tmp_path: Path) -> None:
    path = tmp_path / "o.csv"
    path.write_text(SHOP)
    names = {"customer_id": "Costumer ID", "ordered_at": "InvoiceDat", "amount": "Quantity * Prize"}
    with pytest.raises(SourceError) as raised:
        orders_between(str(path), date.min, date.max, names)
    for found in ("Customer ID", "InvoiceDate", "Price"):
        assert f"Did you mean '{found}'?" in str(raised.value)
    with pytest.raises(SourceError, match=r"'amuont' is none of them\. Did you mean 'amount'"):
        orders_between(str(path), date.min, date.max, {"amuont": "Price"})


def test_product_with_a_factor_that_is_no_number_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "o.csv"
    path.write_text(SHOP.replace("3, 2.5", "three,2.5"))
    with pytest.raises(SourceError, match="'amount' is not a finite number, in 1 rows"):
        orders_between(str(path), date.min, date.max, NAMES)
