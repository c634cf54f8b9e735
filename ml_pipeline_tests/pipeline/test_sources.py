"""What a location stands for: folders of tables and files that would be passed over are refused."""

import os
from datetime import date, datetime
from pathlib import Path

import polars as pl
import pytest

from ml_pipeline.errors import SourceError
from ml_pipeline.pipeline.datasets import orders_between
from ml_pipeline.pipeline.sources import change_stamp, find_source, refuse_missing

MARKS = {
    "Delta": "_delta_log/00000000000000000000.json",
    "Hudi": ".hoodie/hoodie.properties",
    "Iceberg": "metadata/v1.metadata.json",
}


def orders(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    pl.DataFrame(
        {"customer_id": ["a"], "ordered_at": [datetime(2009, 1, 5)], "amount": [1.0]}
    ).write_parquet(path)


def refusal(location: Path | str) -> str:
    with pytest.raises(SourceError) as raised:
        orders_between(str(location), date.min, date.max)
    return str(raised.value)


@pytest.mark.parametrize("kind", MARKS)
def test_folder_of_a_table_is_refused_however_it_is_reached(kind: str, tmp_path: Path) -> None:
    table = tmp_path / "lake" / "orders"
    orders(table / "data" / "day=1" / "part-0.parquet")
    orders(table / "data" / "day=1" / "part-1.parquet")
    mark = table / MARKS[kind]
    mark.parent.mkdir()
    mark.write_text("{}")
    (tmp_path / "link").symlink_to(table / "data")
    inside = ["data", "data/day=1", "data/day=1/part-0.parquet"]
    places = [tmp_path / "lake", table, *(table / place for place in inside)]
    for place in [*places, f"file://{table}", tmp_path / "link"]:
        assert f"{kind} table" in refusal(place)
        with pytest.raises(SourceError):
            change_stamp(str(place))


def test_partition_of_a_hudi_table_copied_elsewhere_is_refused(tmp_path: Path) -> None:
    orders(tmp_path / "part-0.parquet")
    (tmp_path / ".hoodie_partition_metadata").write_text("commitTime=1")
    assert "Hudi table" in refusal(tmp_path)
    assert "Hudi table" in refusal(tmp_path / "part-0.parquet")


def test_folder_named_metadata_is_no_table(tmp_path: Path) -> None:
    orders(tmp_path / "metadata" / "o.parquet")
    (tmp_path / "metadata" / "readme.json").write_text("{}")
    assert len(find_source(str(tmp_path)).files) == 1


@pytest.mark.parametrize(
    "name", ["b.parquet.gz", "b.csv.zip", "b.tsv", "b.xlsx", "b.jsonl", "b.avro"]
)
def test_folder_with_data_that_would_be_passed_over_is_refused(name: str, tmp_path: Path) -> None:
    orders(tmp_path / "a.parquet")
    (tmp_path / "README.md").write_text("notes")
    assert len(find_source(str(tmp_path)).files) == 1
    (tmp_path / name).write_bytes(b"x")
    assert f"holds {tmp_path}/{name} as well, whose orders would not be read" in refusal(tmp_path)


def test_folder_with_a_link_to_another_folder_is_refused(tmp_path: Path) -> None:
    orders(tmp_path / "orders" / "a.parquet")
    orders(tmp_path / "late" / "b.parquet")
    (tmp_path / "orders" / "late").symlink_to(tmp_path / "late")
    assert f"{tmp_path}/orders/late is a link to another folder" in refusal(tmp_path / "orders")


@pytest.mark.parametrize("link", ["symlink_to", "hardlink_to"])
def test_folder_with_one_file_under_two_names_is_refused(link: str, tmp_path: Path) -> None:
    orders(tmp_path / "2009.parquet")
    getattr(tmp_path / "latest.parquet", link)(tmp_path / "2009.parquet")
    said = refusal(tmp_path)
    assert f"{tmp_path}/2009.parquet and {tmp_path}/latest.parquet are the same" in said
    assert orders_between(str(tmp_path / "latest.parquet"), date.min, date.max).height == 1


def test_pipe_in_place_of_a_file_is_refused_without_waiting_for_it(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "orders.csv")
    for location in (tmp_path, tmp_path / "orders.csv"):
        assert "orders.csv is a pipe or a device" in refusal(location)
        with pytest.raises(SourceError, match="pipe"):
            change_stamp(str(location))


def test_column_that_is_given_for_two_is_refused(tmp_path: Path) -> None:
    orders(tmp_path / "o.parquet")
    with pytest.raises(SourceError, match="'amount' is given for both customer_id and amount"):
        orders_between(str(tmp_path / "o.parquet"), date.min, date.max, {"customer_id": " amount "})


def test_missing_source_is_refused_without_reading_anything(tmp_path: Path) -> None:
    (tmp_path / "orders.csv").write_text("no orders at all")
    refuse_missing(str(tmp_path / "orders.csv"))
    refuse_missing("s3://bucket/anything")
    refuse_missing("sample")
    with pytest.raises(SourceError, match=r"nothing at .*/order\.csv\. Did you mean 'orders\.csv'"):
        refuse_missing(str(tmp_path / "order.csv"))


@pytest.mark.parametrize(
    "name", ["a#b.csv", "a?b.csv", "a%20b.csv", "a b.csv", "[a].csv", "a*.csv"]
)
def test_paths_mean_themselves_character_by_character(name: str, tmp_path: Path) -> None:
    (tmp_path / name).write_text("customer_id,ordered_at,amount\na,2009-01-05,1\n")
    (tmp_path / "a").write_text("")
    assert orders_between(str(tmp_path / name), date.min, date.max).height == 1
    assert orders_between((tmp_path / name).as_uri(), date.min, date.max).height == 1
