"""Objects of a store, told by their keys as they are."""

from collections.abc import Iterator
from datetime import date
from typing import Any

import pytest
from obstore.store import from_url

from ml_pipeline.errors import SourceError
from ml_pipeline.pipeline.datasets import orders_between
from ml_pipeline_tests.toys.s3_server import serving_s3


@pytest.fixture(scope="module")
def s3() -> Iterator[dict[str, str]]:
    with serving_s3() as environment:
        yield environment


@pytest.fixture
def bucket(s3: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    for name, value in s3.items():
        monkeypatch.setenv(name, value)
    store = from_url("s3://bucket")
    yield store
    for entries in store.list():
        store.delete([entry["path"] for entry in entries])


def order(amount: int) -> bytes:
    return f"customer_id,ordered_at,amount\na,2009-01-05,{amount}\n".encode()


def amounts(uri: str) -> list[float]:
    return orders_between(uri, date.min, date.max)["amount"].to_list()


@pytest.mark.parametrize(
    "key", ["run#2/o.csv", "q?x=1/o.csv", "a%20b/o.csv", "a b/o.csv", "[x]/o.csv", "ü/o.csv"]
)
def test_objects_are_found_by_their_whole_key(key: str, bucket: Any) -> None:
    for place, other in enumerate(("run", "q", "a b/o.csv", "a%20b/o.csv", "x/o.csv")):
        bucket.put(other, order(place))
    bucket.put(key, order(40))
    assert amounts(f"s3://bucket/{key}") == [40]
    assert amounts(f"s3://bucket/{key.rpartition('/')[0]}") == [40]
    assert amounts(f"s3://bucket/{key.rpartition('/')[0]}/*.csv") == [40]


def test_objects_of_a_folder_are_all_read_and_hidden_ones_are_none(bucket: Any) -> None:
    bucket.put("shop/day=1/a.csv", order(1))
    bucket.put("shop/b.csv", order(2))
    bucket.put("shop/_temporary/c.csv", order(3))
    bucket.put("shop2/d.csv", order(4))
    assert amounts("s3://bucket/shop/") == [1, 2]
    assert amounts("s3://bucket/shop/*.csv") == [2]
    assert amounts("s3://bucket/shop/**.csv") == [1, 2]
    assert amounts("s3://bucket/shop/day=*/*.csv") == [1]


def test_objects_in_folders_take_missing_columns_from_their_keys(bucket: Any) -> None:
    bucket.put("hive/ordered_at=2009-01-05/a.csv", b"customer_id,amount\na,1\n")
    bucket.put("hive/ordered_at=2009-01-06/a.csv", b"customer_id,amount\na,2\n")
    assert amounts("s3://bucket/hive") == [1, 2]
    assert orders_between("s3://bucket/hive", date(2009, 1, 6), date(2009, 1, 6)).height == 1


@pytest.mark.parametrize(
    "mark",
    ["_delta_log/0.json", ".hoodie/hoodie.properties", "metadata/v1.metadata.json"],
)
def test_objects_of_a_table_are_refused_however_they_are_reached(mark: str, bucket: Any) -> None:
    bucket.put("lake/orders/data/a.csv", order(1))
    bucket.put(f"lake/orders/{mark}", b"{}")
    for place in ("lake", "lake/orders", "lake/orders/data/a.csv", "lake/orders/data/*.csv"):
        with pytest.raises(SourceError, match="table"):
            amounts(f"s3://bucket/{place}")


def test_objects_that_are_not_there_or_odd_are_refused(bucket: Any) -> None:
    bucket.put("odd/a.csv", b'customer_id,ordered_at,amount,n\na,2009-01-05,1,"2" x"\n')
    with pytest.raises(SourceError, match=r"s3://bucket/odd/a\.csv is not: line 2 has a quote"):
        amounts("s3://bucket/odd")
    for place in ("gone", "gone.csv", "odd/*.parquet"):
        with pytest.raises(SourceError, match=f"s3://bucket/{place.partition('/')[0]}"):
            amounts(f"s3://bucket/{place}")
