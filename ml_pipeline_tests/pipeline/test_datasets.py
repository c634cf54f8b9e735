import hashlib
import os
import re
import struct
import sys
from collections.abc import Callable
from datetime import date, datetime, timedelta
from pathlib import Path

import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from ml_pipeline.errors import SourceError
from ml_pipeline.pipeline.datasets import Day, change_stamp, days_of, orders_between

ALWAYS = (date.min, date.max)
COLUMNS = pl.Schema(
    [("customer_id", pl.String()), ("ordered_at", pl.Datetime("us")), ("amount", pl.Float64())]
)

any_orders = st.lists(
    st.tuples(
        st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1, max_size=4).filter(
            lambda customer: customer.strip().upper() != "NAN"
        ),
        st.datetimes(datetime(2009, 1, 1), datetime(2009, 1, 5)),
        st.floats(-1e6, 1e6).map(lambda amount: round(amount, 2)),
    ),
    min_size=1,
    max_size=12,
)


def frame(rows: list[tuple[str, datetime, float]]) -> pl.DataFrame:
    return pl.DataFrame(rows, schema=COLUMNS, orient="row")


def two_orders() -> pl.DataFrame:
    return frame([("7", datetime(2009, 1, 5), 1.5), ("8", datetime(2009, 1, 6), -2.0)])


def write(path: Path, text: str) -> str:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return str(path)


def refusal(location: str | Path) -> str:
    with pytest.raises(SourceError) as raised:
        days_of(str(location))
    with pytest.raises(SourceError, match=re.escape(str(raised.value))):
        orders_between(str(location), *ALWAYS)
    return str(raised.value)


def test_orders_of_sample_are_complete_typed_and_sorted(sample_orders: pl.DataFrame) -> None:
    assert sample_orders.schema == COLUMNS
    assert sample_orders.height == 69_659
    assert sample_orders["customer_id"].n_unique() == 23_570
    assert sample_orders["ordered_at"].min() == datetime(1997, 1, 1)
    assert sample_orders["ordered_at"].max() == datetime(1998, 6, 30)
    assert round(sample_orders["amount"].sum(), 2) == 2500315.63
    assert_frame_equal(
        sample_orders, sample_orders.sort("ordered_at", "customer_id", "amount"), check_exact=True
    )


def test_orders_between_two_days_include_both(tmp_path: Path) -> None:
    instants = [
        datetime(2009, 1, 4, 23, 59, 59, 999_999),
        datetime(2009, 1, 5),
        datetime(2009, 1, 6, 23, 59, 59, 999_999),
        datetime(2009, 1, 7),
    ]
    frame([("a", instant, 1.0) for instant in instants]).write_parquet(tmp_path / "o.parquet")
    found = orders_between(str(tmp_path / "o.parquet"), date(2009, 1, 5), date(2009, 1, 6))
    assert found["ordered_at"].to_list() == instants[1:3]


def test_orders_of_sample_without_its_package_say_what_to_install(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(sys, "path", [])
    with pytest.raises(SourceError, match=r"pip install 'ml_pipeline\[sample\]'.*set `source`"):
        change_stamp("sample")


def variants() -> dict[str, pl.DataFrame]:
    orders = two_orders()
    instant, amount = pl.col("ordered_at"), pl.col("amount")
    return {
        "date": orders.with_columns(instant.cast(pl.Date), pl.col("customer_id").cast(pl.Int32)),
        "nanoseconds": orders.with_columns(instant.cast(pl.Datetime("ns"))),
        "milliseconds": orders.with_columns(instant.cast(pl.Datetime("ms"))),
        "zoned": orders.with_columns(
            instant.dt.replace_time_zone("UTC").dt.convert_time_zone("America/New_York")
        ),
        "iso text": orders.with_columns(instant.dt.to_string("%Y-%m-%d"), amount.cast(pl.String)),
        "yyyymmdd": orders.with_columns(instant.dt.to_string("%Y%m%d").cast(pl.Int64)),
        "categories": orders.with_columns(pl.col("customer_id").cast(pl.Categorical)),
        "decimal": orders.with_columns(amount.cast(pl.Decimal(12, 2))),
        "single precision": orders.with_columns(amount.cast(pl.Float32)),
        "other columns": orders.with_columns(note=pl.lit("x")).select(
            "note", pl.col("amount").alias("Amount"), "ordered_at", "customer_id"
        ),
        "unsorted": orders.reverse(),
    }


@pytest.mark.parametrize("name", variants())
def test_orders_of_any_type_read_the_same_and_keep_their_digests(name: str, tmp_path: Path) -> None:
    plain, other = tmp_path / "plain.parquet", tmp_path / "other.parquet"
    two_orders().write_parquet(plain)
    variants()[name].write_parquet(other)
    assert_frame_equal(orders_between(str(other), *ALWAYS), two_orders(), check_exact=True)
    days = (date(2009, 1, 6), date(2009, 1, 6))
    assert orders_between(str(other), *days)["customer_id"].to_list() == ["8"]
    assert days_of(str(other)) == days_of(str(plain))


@pytest.mark.parametrize(
    "text",
    [
        "2009-01-05T22:30:00",
        "2009-01-05 22:30:00",
        "2009-01-05T22:30",
        "2009-01-05T22:30:00.000000",
        "2009-01-05T22:30:00Z",
        "2009-01-06T00:30:00+02:00",
        "2009-01-05 20:30:00-0200",
    ],
)
def test_orders_with_iso_text_are_read_as_utc(text: str, tmp_path: Path) -> None:
    path = write(tmp_path / "o.csv", f"customer_id,ordered_at,amount\n007,{text},1\n")
    assert orders_between(path, *ALWAYS).row(0) == ("007", datetime(2009, 1, 5, 22, 30), 1.0)


def test_orders_of_csv_with_byte_order_mark_and_windows_lines_are_read(tmp_path: Path) -> None:
    path = write(tmp_path / "o.csv", '\ufeffCUSTOMER_ID,Ordered_At,amount\r\n"a, b",20090105,2\r\n')
    assert orders_between(path, *ALWAYS).row(0) == ("a, b", datetime(2009, 1, 5), 2.0)


def test_orders_of_empty_files_with_columns_are_no_orders(tmp_path: Path) -> None:
    write(tmp_path / "csv" / "o.csv", "customer_id,ordered_at,amount\n")
    two_orders().clear().write_parquet(tmp_path / "o.parquet")
    for location in (tmp_path / "csv", tmp_path / "o.parquet"):
        assert orders_between(str(location), *ALWAYS).schema == COLUMNS
        assert days_of(str(location)) == {}


@pytest.mark.parametrize("suffix", ["parquet", "csv"])
def test_orders_of_hive_folders_take_missing_columns_from_the_path(
    suffix: str, tmp_path: Path
) -> None:
    for day, part in two_orders().group_by(pl.col("ordered_at").dt.to_string("%Y-%m-%d")):
        path = tmp_path / "orders" / "shop=north" / f"ordered_at={day[0]}" / f"part-0.{suffix}"
        path.parent.mkdir(parents=True)
        rows = part.drop("ordered_at")
        rows.write_csv(path) if suffix == "csv" else rows.write_parquet(path)
    write(tmp_path / "orders" / "_SUCCESS", "")
    write(tmp_path / "orders" / "_temporary" / f"half.{suffix}", "not data")
    assert_frame_equal(
        orders_between(str(tmp_path / "orders"), *ALWAYS), two_orders(), check_exact=True
    )


def test_orders_of_a_folder_may_differ_in_types_and_columns(tmp_path: Path) -> None:
    orders = two_orders()
    orders[:1].write_parquet(tmp_path / "a.parquet")
    orders[1:].with_columns(
        pl.col("customer_id").cast(pl.Int64), pl.col("ordered_at").cast(pl.Date), note=pl.lit(1)
    ).reverse().write_parquet(tmp_path / "b.parquet")
    assert_frame_equal(orders_between(str(tmp_path), *ALWAYS), orders, check_exact=True)


@settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(rows=any_orders, data=st.data())
def test_day_digests_ignore_row_order_layout_and_format(
    rows: list[tuple[str, datetime, float]], data: st.DataObject, tmp_path: Path
) -> None:
    cut = data.draw(st.integers(0, len(rows)))
    shuffled = frame(data.draw(st.permutations(rows)))
    for name in ("one", "parts", "csv"):
        (tmp_path / name).mkdir(exist_ok=True)
    frame(rows).write_parquet(tmp_path / "one" / "o.parquet")
    shuffled[:cut].write_parquet(tmp_path / "parts" / "a.parquet")
    shuffled[cut:].write_parquet(tmp_path / "parts" / "b.parquet", row_group_size=2)
    shuffled.write_csv(tmp_path / "csv" / "o.csv", datetime_format="%Y-%m-%dT%H:%M:%S%.f")
    expected = days_of(str(tmp_path / "one"))
    assert list(expected) == sorted({at.date() for _, at, _ in rows})
    assert days_of(str(tmp_path / "parts")) == expected
    assert days_of(str(tmp_path / "csv")) == expected


@settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(rows=any_orders, late=any_orders)
def test_day_digests_after_late_orders_change_for_their_days_only(
    rows: list[tuple[str, datetime, float]],
    late: list[tuple[str, datetime, float]],
    tmp_path: Path,
) -> None:
    frame(rows).write_parquet(tmp_path / "before.parquet")
    frame(rows + late).write_parquet(tmp_path / "after.parquet")
    before = days_of(str(tmp_path / "before.parquet"))
    after = days_of(str(tmp_path / "after.parquet"))
    digests = {day: one.digest for day, one in before.items()}
    changed = {day for day, one in after.items() if digests.get(day) != one.digest}
    assert changed == {at.date() for _, at, _ in late}


def test_day_digests_of_known_orders_stay_what_they_were(tmp_path: Path) -> None:
    two_orders().write_parquet(tmp_path / "o.parquet")
    midnight = 1_231_113_600 * 1_000_000
    layout = struct.pack("<Q", 1) + b"7" + struct.pack("<Iqd", 1, midnight, 1.5)
    assert hashlib.sha256(layout).hexdigest()[:32] == "3e3017300bfd564e076947752605fa5c"
    assert days_of(str(tmp_path / "o.parquet")) == {
        date(2009, 1, 5): Day(1, "3e3017300bfd564e076947752605fa5c"),
        date(2009, 1, 6): Day(1, "00502e44d27625ee6fbc144654ede214"),
    }


def test_day_digests_tell_apart_where_one_customer_ends_and_the_next_begins(tmp_path: Path) -> None:
    at = datetime(2009, 1, 5)
    frame([("ab", at, 1.0), ("c", at, 1.0)]).write_parquet(tmp_path / "1.parquet")
    frame([("a", at, 1.0), ("bc", at, 1.0)]).write_parquet(tmp_path / "2.parquet")
    assert days_of(str(tmp_path / "1.parquet")) != days_of(str(tmp_path / "2.parquet"))


def test_day_digests_take_both_zeros_for_the_same_amount(tmp_path: Path) -> None:
    for name, amount in (("1", 0.0), ("2", -0.0)):
        frame([("a", datetime(2009, 1, 5), amount)]).write_parquet(tmp_path / f"{name}.parquet")
    assert days_of(str(tmp_path / "1.parquet")) == days_of(str(tmp_path / "2.parquet"))


def test_day_digests_in_several_spans_are_those_of_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, sample_orders: pl.DataFrame
) -> None:
    sample_orders.head(20_000).write_parquet(tmp_path / "o.parquet")
    whole = days_of(str(tmp_path / "o.parquet"))
    monkeypatch.setattr("ml_pipeline.pipeline.spans.ROWS_AT_ONCE", 3_000)
    assert days_of(str(tmp_path / "o.parquet")) == whole


def test_change_stamp_of_a_file_changes_when_it_is_rewritten(tmp_path: Path) -> None:
    path = tmp_path / "o.csv"
    write(path, "customer_id,ordered_at,amount\na,20090105,1\n")
    before = change_stamp(str(path))
    assert change_stamp(str(path)) == before
    write(tmp_path / "new", "customer_id,ordered_at,amount\na,20090105,2\n")
    (tmp_path / "new").replace(path)
    assert change_stamp(str(path)) != before


def test_change_stamp_changes_even_if_size_and_time_are_made_to_look_the_same(
    tmp_path: Path,
) -> None:
    path = tmp_path / "o.csv"
    write(path, "customer_id,ordered_at,amount\na,20090105,1\n")
    before, times = change_stamp(str(path)), path.stat()
    with path.open("r+") as file:
        file.write("customer_id,ordered_at,amount\na,20090105,2\n")
    os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))
    assert path.stat().st_mtime_ns == times.st_mtime_ns
    assert change_stamp(str(path)) != before


def test_change_stamp_of_a_folder_changes_when_a_file_comes_or_goes(tmp_path: Path) -> None:
    write(tmp_path / "a.csv", "customer_id,ordered_at,amount\n")
    before = change_stamp(str(tmp_path))
    write(tmp_path / "deep" / "b.csv", "customer_id,ordered_at,amount\n")
    assert change_stamp(str(tmp_path)) != before
    (tmp_path / "deep" / "b.csv").unlink()
    assert change_stamp(str(tmp_path)) == before


@pytest.mark.parametrize("uri", ["http://127.0.0.1:1/orders.csv", "http://127.0.0.1:1/*.csv"])
def test_change_stamp_of_a_uri_that_tells_nothing_is_unknown(uri: str) -> None:
    assert change_stamp(uri) is None


def test_change_stamp_does_not_import_a_data_frame_library(run_python: Callable[..., str]) -> None:
    printed = run_python(
        "import sys\n"
        "from ml_pipeline.pipeline import evaluation, features, plots, training\n"
        "from ml_pipeline.pipeline.datasets import change_stamp\n"
        "change_stamp('sample')\n"
        "print({'polars', 'numpy', 'sklearn', 'lifetimes', 'pandas'} & set(sys.modules))"
    )
    assert printed.strip() == "set()"


def test_source_that_is_missing_is_refused_with_the_nearest_name(tmp_path: Path) -> None:
    write(tmp_path / "orders.csv", "")
    assert refusal(tmp_path / "order.csv") == (
        f"A source must exist, but there is nothing at {tmp_path}/order.csv. Did you mean"
        " 'orders.csv'? Set `source` to a Parquet (.parquet, .pq) or CSV (.csv) file, or a folder"
        " of them."
    )
    for location in ("order.csv", "orders.csv/below", "x" * 300 + ".csv"):
        with pytest.raises(SourceError):
            change_stamp(str(tmp_path / location))


def test_source_without_columns_is_refused_with_all_that_are_missing(tmp_path: Path) -> None:
    path = write(tmp_path / "o.csv", "customer,ordered,AMOUNT\na,20090105,1\n")
    assert refusal(path) == (
        "A source must have the columns customer_id, ordered_at, amount, but"
        f" {path} has customer, ordered, AMOUNT. There is no 'customer_id'. Did you mean"
        " 'customer'? There is no 'ordered_at'. Did you mean 'ordered'? Rename the columns of the"
        " file, or say what they are called in settings.toml: [sources.NAME] with location = ..."
        " and columns = {customer_id = ...}."
    )


def test_source_with_two_columns_alike_is_refused(tmp_path: Path) -> None:
    path = write(tmp_path / "o.csv", "customer_id,ordered_at,AMOUNT,Amount\n")
    assert "'amount' could be any of AMOUNT, Amount." in refusal(path)


def test_source_with_unusable_rows_is_refused_with_count_and_first(tmp_path: Path) -> None:
    path = write(
        tmp_path / "o.csv",
        "customer_id,ordered_at,amount\na,20090105,1\nNaN,2009-13-05,nan\na,soon,2\nb,20090105,\n",
    )
    assert refusal(path) == (
        "Every order of a source must have a usable customer_id, ordered_at, amount, but in"
        f" {path} 'customer_id' is not a text or whole number, or nothing for a guest (NaN is no"
        " customer), in 1 rows: first in data row 2, which has 'NaN'. Leave it empty where a guest"
        " has no customer, or give guests a text of their own. 'ordered_at' is not a date, an ISO"
        " 8601 date and time, or a number yyyymmdd, in the years 1 to 9999, in 2 rows: first in"
        " data row 2, which has '2009-13-05'."
        " 'amount' is not a finite number, in 2 rows: first in data row 2, which has 'nan'. Correct"
        " these rows, or leave them out."
    )


def test_source_with_unusable_rows_on_other_days_is_read(tmp_path: Path) -> None:
    path = write(tmp_path / "o.csv", "customer_id,ordered_at,amount\na,20090105,1\nb,20090106,x\n")
    assert orders_between(path, date(2009, 1, 5), date(2009, 1, 5)).height == 1


def test_source_with_unusable_rows_in_one_of_many_files_names_the_file(tmp_path: Path) -> None:
    for number in range(4):
        amount = None if number == 2 else 1.0
        two_orders().with_columns(amount=pl.lit(amount, dtype=pl.Float64)).write_parquet(
            tmp_path / f"{number}.parquet"
        )
    assert f"in {tmp_path}/2.parquet 'amount' is not a finite number, in 2 rows" in refusal(
        tmp_path
    )


def test_source_with_a_missing_day_is_refused_whatever_days_are_asked_for(tmp_path: Path) -> None:
    path = tmp_path / "o.parquet"
    pl.concat([two_orders(), two_orders().with_columns(ordered_at=None)]).write_parquet(path)
    for day in (date(2009, 1, 5), date(2020, 1, 1)):
        with pytest.raises(SourceError, match="in 2 rows: first in data row 3, which has None"):
            orders_between(str(path), day, day)


def test_source_beyond_the_calendar_or_in_epoch_seconds_is_refused(tmp_path: Path) -> None:
    for number in (10**18, 1_230_768_000):
        instant = pl.Series([number]).cast(pl.Datetime("us")) if number > 10**12 else [number]
        orders = pl.DataFrame({"customer_id": ["a"], "ordered_at": instant, "amount": [1.0]})
        orders.write_parquet(tmp_path / "o.parquet")
        assert "'ordered_at' is not a date" in refusal(tmp_path / "o.parquet")


def test_source_with_types_that_are_no_orders_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "o.parquet"
    pl.DataFrame({"customer_id": [[1]], "ordered_at": [True], "amount": [False]}).write_parquet(
        path
    )
    found = refusal(path)
    for part in ("'customer_id' is of type List(Int64)", "'ordered_at' is of type Boolean"):
        assert part in found
    assert "'amount' is of type Boolean" in found


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("o.parquet", b"PAR1 but not really PAR1"),
        ("o.parquet", b""),
        ("o.csv", b""),
        ("o.csv", b"customer_id,ordered_at,amount\n\xff\xfe,20090105,1\n"),
        ("o.csv", b"customer_id,ordered_at,amount\na,20090105,1,234\n"),
    ],
)
def test_source_that_is_damaged_is_refused_by_name(
    name: str, content: bytes, tmp_path: Path
) -> None:
    (tmp_path / "fine").mkdir()
    (tmp_path / "fine" / name).write_bytes(content)
    for location in (tmp_path / "fine", tmp_path / "fine" / name):
        assert f"A source must be readable, but {tmp_path}/fine/{name} is not: " in refusal(
            location
        )


def test_source_that_is_cut_off_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "o.parquet"
    two_orders().write_parquet(path)
    path.write_bytes(path.read_bytes()[:-20])
    assert "complete" in refusal(path)


def test_source_of_another_kind_is_refused(tmp_path: Path) -> None:
    assert "is neither by its name" in refusal(write(tmp_path / "o.xlsx", "x"))
    assert f"the folder {tmp_path} holds only others" in refusal(tmp_path)
    (tmp_path / "none").mkdir()
    assert "holds no files" in refusal(tmp_path / "none")


def test_source_folder_of_both_formats_is_refused(tmp_path: Path) -> None:
    write(tmp_path / "a.csv", "")
    two_orders().write_parquet(tmp_path / "b.parquet")
    assert "an order in both would count twice" in refusal(tmp_path)


def test_orders_of_a_large_file_are_found_by_its_statistics(tmp_path: Path) -> None:
    path = tmp_path / "o.parquet"
    days = pl.datetime_range(datetime(2000, 1, 1), datetime(2008, 12, 31), "1h", eager=True)
    orders = pl.DataFrame({"customer_id": ["a"] * len(days), "ordered_at": days, "amount": 1.0})
    orders.write_parquet(path, row_group_size=1_000)
    # Damage the data of the first row groups: reading them would fail, skipping them does not.
    content = bytearray(path.read_bytes())
    content[8:2_000] = bytes(1_992)
    path.write_bytes(content)
    day = date(2008, 6, 1)
    assert orders_between(str(path), day, day + timedelta(days=1)).height == 48
    with pytest.raises(SourceError, match="is not: "):
        orders_between(str(path), *ALWAYS)
