"""Sources that are not sorted by time are read once, and give what they give read at once."""

from collections.abc import Callable
from datetime import date
from pathlib import Path

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from ml_pipeline.errors import SourceError
from ml_pipeline.pipeline import datasets
from ml_pipeline.pipeline.order_files import order_files
from ml_pipeline.pipeline.order_parts import order_parts, read_parts
from ml_pipeline.pipeline.scattered import by_spans
from ml_pipeline.pipeline.sources import find_source
from ml_pipeline.pipeline.spans import spans


def as_text(orders: pl.DataFrame) -> pl.DataFrame:
    return orders.with_columns(pl.col("ordered_at").cast(pl.String))


def shuffled(orders: pl.DataFrame) -> pl.DataFrame:
    return orders.sample(fraction=1, shuffle=True, seed=0)


@pytest.fixture
def orders(monkeypatch: pytest.MonkeyPatch) -> pl.DataFrame:
    known = datasets.orders_between("sample", date(1997, 1, 1), date(1997, 7, 31))
    some = known.filter(pl.col("customer_id").str.ends_with("3"))
    guests = pl.when(pl.col("amount") > 10).then("customer_id").alias("customer_id")
    monkeypatch.setattr("ml_pipeline.pipeline.scattered._ROWS_A_GROUP", 50)
    return some.with_columns(guests).sort("ordered_at", "customer_id", "amount")


def of_text(orders: pl.DataFrame, folder: Path) -> None:
    shuffled(as_text(orders)).write_csv(folder / "all.csv")


def of_instants(orders: pl.DataFrame, folder: Path) -> None:
    for place, some in enumerate(shuffled(orders).iter_slices(900)):
        some.write_parquet(folder / f"{place}.parquet")


def of_several_types(orders: pl.DataFrame, folder: Path) -> None:
    first, second, third = (orders.gather_every(3, place) for place in range(3))
    zone = pl.col("ordered_at").dt.cast_time_unit("ms").dt.replace_time_zone("UTC")
    shuffled(first).with_columns(zone).write_parquet(folder / "zone.parquet")
    as_text(second).write_parquet(folder / "text.parquet")
    third.write_parquet(folder / "sorted.parquet")


@pytest.mark.parametrize("write", [of_text, of_instants, of_several_types])
def test_scattered_orders_give_the_days_and_parts_of_sorted_ones(
    write: Callable[[pl.DataFrame, Path], None],
    orders: pl.DataFrame,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    write(orders, tmp_path)
    place = str(tmp_path)
    days = datasets.days_of(place)
    assert sum(day.rows for day in days.values()) == orders.height
    monkeypatch.setattr("ml_pipeline.pipeline.spans.ROWS_AT_ONCE", orders.height // 7)
    assert datasets.days_of(place) == days
    parts = order_parts(days, date(1997, 1, 20), date(1997, 7, 10))
    found = pl.concat(read_parts(place, parts, {}))
    assert_frame_equal(
        found,
        datasets.orders_between(place, date(1997, 1, 20), date(1997, 7, 10)),
        check_exact=True,
    )


def test_only_scattered_orders_are_written_aside_by_spans(
    orders: pl.DataFrame, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    of_several_types(orders, tmp_path)
    files = order_files(find_source(str(tmp_path)), {})
    days = datasets.days_of(str(tmp_path))
    monkeypatch.setattr("ml_pipeline.pipeline.spans.ROWS_AT_ONCE", orders.height // 7)
    wanted = list(spans({day: one.rows for day, one in days.items()}))
    with by_spans(files, wanted) as held:
        read = [file.raw.select(pl.len()).collect().item() for some in held for file in some]
        names = {file.name for some in held for file in some}
        aside = names - {file.name for file in files}
        assert names & {file.name for file in files} == {str(tmp_path / "sorted.parquet")}
        kept = orders.gather_every(3, 2).height
        assert sum(read) == orders.height - kept + kept * len(wanted)
    assert not any(Path(file).exists() for file in aside)
    with by_spans(files, wanted[:3]) as few:
        assert few == [files] * 3


def test_scattered_orders_that_cannot_be_used_are_refused_where_they_are(
    orders: pl.DataFrame, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    of_text(orders, tmp_path)
    days = datasets.days_of(str(tmp_path))
    monkeypatch.setattr("ml_pipeline.pipeline.spans.ROWS_AT_ONCE", orders.height // 7)
    lines = (tmp_path / "all.csv").read_text().splitlines()
    for column, wrong in ((1, "yesterday"), (2, "much")):
        fields = lines[40].split(",")
        fields[column] = wrong
        text = "\n".join([*lines[:40], ",".join(fields), *lines[41:]])
        (tmp_path / "all.csv").write_text(text + "\n")
        parts = order_parts(days, min(days), max(days))
        for read in (
            lambda: datasets.days_of(str(tmp_path)),
            lambda parts=parts: list(read_parts(str(tmp_path), parts, {})),
        ):
            with pytest.raises(SourceError, match=rf"all\.csv .* in data row 40, .*'{wrong}'"):
                read()
