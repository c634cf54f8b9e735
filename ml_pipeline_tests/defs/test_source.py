"""What a run believes of its source: digests that are remembered, and changes while it reads."""

import json
import os
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import dagster as dg
import polars as pl
import pytest
from obstore.store import from_url

from ml_pipeline import definitions
from ml_pipeline.defs import source
from ml_pipeline.defs.assets import PIPELINE
from ml_pipeline.errors import ParamsError, SourceError
from ml_pipeline.params.group import ParamGroup
from ml_pipeline.params.model import ParamModel
from ml_pipeline.pipeline import datasets
from ml_pipeline.pipeline.sources import change_stamp
from ml_pipeline.places import Place
from ml_pipeline.runs.decisions import Outcome
from ml_pipeline.runs.materializer import Materializer
from ml_pipeline.runs.stages import Pipeline
from ml_pipeline.settings import settings
from ml_pipeline.store.artifacts import ArtifactStore
from ml_pipeline.store.files import digest_of_file
from ml_pipeline_tests.toys.s3_server import serving_s3

DAY = date(1998, 5, 31)


def orders(amount: int) -> bytes:
    return f"customer_id,ordered_at,amount\na,{DAY},{amount}\n".encode()


@dataclass
class Shop:
    """Orders on a web server, which can be changed."""

    url: str
    held: bytes


@pytest.fixture
def shop() -> Iterator[Shop]:
    class Handler(BaseHTTPRequestHandler):
        def do_HEAD(self) -> None:
            self.answer()

        def do_GET(self) -> None:
            self.wfile.write(self.answer())

        def answer(self) -> bytes:
            first, last = 0, len(shop.held) - 1
            if wanted := self.headers.get("Range", "").removeprefix("bytes="):
                first, last = (int(place) for place in wanted.split("-"))
            part = shop.held[first : last + 1]
            self.send_response(206 if wanted else 200)
            self.send_header("Content-Length", str(len(part)))
            self.send_header("Accept-Ranges", "bytes")
            end = first + len(part) - 1
            self.send_header("Content-Range", f"bytes {first}-{end}/{len(shop.held)}")
            self.end_headers()
            return part

        def log_message(self, *_: Any) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        shop = Shop(f"http://127.0.0.1:{server.server_port}/orders.csv", orders(30))
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield shop
        server.shutdown()


@pytest.fixture
def materializer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Materializer]:
    monkeypatch.setenv("ML_PIPELINE_HOME", str(tmp_path / "home"))
    settings.cache_clear()
    yield Materializer(PIPELINE, ArtifactStore(str(tmp_path / "store")))
    settings.cache_clear()


def made(materializer: Materializer, location: str) -> tuple[Outcome, list[float]]:
    params = PIPELINE.params.parse({"source": location})
    (outcome,) = materializer.run(params, DAY, ["orders"])
    return outcome, materializer.store.load(outcome.slot, outcome.record)["amount"].to_list()


def test_source_without_a_stamp_that_changed_since_its_digest_is_published_under_the_new_one(
    shop: Shop, materializer: Materializer
) -> None:
    before = source.day_digests(Place(location=shop.url))
    shop.held = orders(40)
    assert source.day_digests(Place(location=shop.url)) == before
    first, amounts = made(materializer, shop.url)
    assert amounts == [40]
    shop.held = orders(30)
    source._remembered.clear()
    second, amounts = made(materializer, shop.url)
    assert (second.reused, amounts) == (False, [30])
    assert second.record.revision != first.record.revision


def test_source_without_a_stamp_is_not_read_again_to_be_reused(
    shop: Shop, materializer: Materializer
) -> None:
    first, _ = made(materializer, shop.url)
    shop.held = b"no orders at all"
    again, amounts = made(materializer, shop.url)
    assert (again.reused, amounts) == (True, [30])
    assert again.record == first.record


@pytest.fixture(scope="module")
def s3() -> Iterator[dict[str, str]]:
    with serving_s3() as environment:
        yield environment


@pytest.fixture
def bucket(s3: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> Any:
    for name, value in s3.items():
        monkeypatch.setenv(name, value)
    return from_url("s3://bucket")


@pytest.mark.parametrize("place", ["one.csv", "*.csv", "o*.csv"])
def test_source_of_objects_is_stamped_by_their_tags(bucket: Any, place: str) -> None:
    uri = f"s3://bucket/shop/{place}"
    bucket.put("shop/one.csv", orders(30))
    before, digests = change_stamp(uri), source.day_digests(Place(location=uri))
    assert before is not None
    bucket.put("shop/one.csv", orders(30))
    assert change_stamp(uri) == before
    bucket.put("shop/one.csv", orders(40))
    assert change_stamp(uri) != before
    assert source.day_digests(Place(location=uri)) != digests


def test_source_of_objects_with_more_or_fewer_of_them_has_another_stamp(bucket: Any) -> None:
    bucket.put("more/one.csv", orders(1))
    before = change_stamp("s3://bucket/more/*.csv")
    bucket.put("more/two.csv", orders(2))
    assert change_stamp("s3://bucket/more/*.csv") not in (None, before)
    bucket.delete("more/two.csv")
    assert change_stamp("s3://bucket/more/*.csv") == before
    bucket.delete("more/one.csv")
    assert change_stamp("s3://bucket/more/*.csv") is None
    assert change_stamp("s3://bucket/more/one.csv") is None


def test_source_of_objects_is_read_once_while_it_holds_still(
    bucket: Any, materializer: Materializer
) -> None:
    bucket.put("still/orders.csv", orders(30))
    uri = "s3://bucket/still/orders.csv"
    first, amounts = made(materializer, uri)
    (remembered,) = (settings().home / "cache").iterdir()
    read_at = remembered.stat().st_mtime_ns
    source._remembered.clear()
    again, _ = made(materializer, uri)
    assert (again.reused, amounts, remembered.stat().st_mtime_ns) == (True, [30], read_at)
    bucket.put("still/orders.csv", orders(40))
    other, amounts = made(materializer, uri)
    assert (other.reused, amounts) == (False, [40])
    assert other.record.revision != first.record.revision


def test_days_of_a_large_source_are_taken_once_for_all_machines_until_it_changes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file, taken = tmp_path / "orders.csv", []
    days_of = datasets.days_of

    def counted(location: str, columns: Any) -> Any:
        taken.append(location)
        return days_of(location, columns)

    monkeypatch.setattr(datasets, "days_of", counted)
    monkeypatch.setattr(source, "_LARGE", 1)
    monkeypatch.setattr("ml_pipeline.pipeline.sources.SETTLED_S", 0.0)
    monkeypatch.setenv("ML_PIPELINE_STORE", str(tmp_path / "store"))
    store = ArtifactStore(str(tmp_path / "store"))

    def amounts_on(host: str) -> list[float]:
        monkeypatch.setenv("ML_PIPELINE_HOME", str(tmp_path / host))
        settings.cache_clear()
        source._remembered.clear()
        return made(Materializer(PIPELINE, store), str(file))[1]

    file.write_bytes(orders(30))
    assert (amounts_on("one"), amounts_on("two"), len(taken)) == ([30], [30], 1)
    (kept,) = (tmp_path / "store" / ".days").iterdir()
    # The same size and time, by another file or in place: never what was known before.
    before = file.stat()
    file.write_bytes(orders(40))
    os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert (amounts_on("three"), amounts_on("four"), len(taken)) == ([40], [40], 2)
    kept.write_bytes(kept.read_bytes().replace(b"[1, ", b"[2, "))
    assert (amounts_on("five"), len(taken)) == ([40], 3)
    kept.write_bytes(b"{")
    assert (amounts_on("six"), len(taken)) == ([40], 4)
    settings.cache_clear()


def test_days_of_a_source_that_was_written_a_moment_ago_are_not_kept(
    tmp_path: Path, materializer: Materializer
) -> None:
    (tmp_path / "orders.csv").write_bytes(orders(30))
    made(materializer, str(tmp_path / "orders.csv"))
    assert not (settings().home / "cache").exists()


class Numbers(ParamGroup):
    number: int = 0


def flipping(*told: str) -> tuple[Pipeline, list[str]]:
    """Return a pipeline whose source is asked in turn, and the answers that it has given."""
    pipeline = Pipeline("flipping", ParamModel(numbers=Numbers))
    given: list[str] = []

    def digest() -> str:
        given.append(told[min(len(given), len(told) - 1)])
        return given[-1]

    def table(numbers: Numbers) -> dict[str, int]:
        return {"read": len(given)}

    pipeline.asset(reads=digest, code_version="1")(table)
    return pipeline, given


def test_source_that_is_not_there_is_refused_in_run_config_before_there_is_a_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ML_PIPELINE_HOME", str(tmp_path / "home"))
    settings.cache_clear()
    (tmp_path / "order.csv").write_text("")
    job = definitions.defs.get_repository_def().get_job("__ASSET_JOB")
    data = {"source": str(tmp_path / "orders.csv")}
    with dg.DagsterInstance.local_temp(str(tmp_path)) as instance:
        with pytest.raises(ParamsError, match=r"nothing at .*\. Did you mean 'order\.csv'"):
            job.execute_in_process(
                run_config={"resources": {"params": {"config": {"data": data}}}},
                asset_selection=[dg.AssetKey("orders")],
                partition_key=str(DAY),
                instance=instance,
            )
        assert instance.get_runs_count() == 0
    settings.cache_clear()


def test_source_with_columns_of_its_own_has_one_id_and_revisions_by_what_they_say(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, materializer: Materializer
) -> None:
    file = tmp_path / "shop.csv"
    file.write_text(f"who,when,pieces,price,paid\na,{DAY},2,3,7\n")

    def run(amount: str) -> tuple[Outcome, list[float]]:
        columns = {"customer_id": "who", "ordered_at": "when", "amount": amount}
        place = {"shop": {"location": str(file), "columns": columns}}
        monkeypatch.setenv("ML_PIPELINE_SOURCES", json.dumps(place))
        settings.cache_clear()
        return made(materializer, "shop")

    product, paid = run("pieces * price"), run("paid")
    assert (product[1], paid[1]) == ([6.0], [7.0])
    assert product[0].record.run_id == paid[0].record.run_id
    assert product[0].record.revision != paid[0].record.revision
    again, _ = run("price*pieces")
    assert again.reused
    with pytest.raises(SourceError, match=r"There is no 'prize'\. Did you mean 'price'"):
        run("pieces * prize")


def test_source_that_changes_there_and_back_while_it_is_read_does_not_hang(tmp_path: Path) -> None:
    # The second decision is about the revision that the first one had claimed.
    pipeline, given = flipping("a", "b", "a", "a")
    store = ArtifactStore(str(tmp_path))
    (outcome,) = Materializer(pipeline, store).run(pipeline.params.defaults, None)
    assert not outcome.reused
    assert outcome.record.external == "a"
    assert given == ["a", "b", "a", "a"]
    assert list(store.entries(".claims")) == []


def test_source_that_changes_while_a_deferred_frame_is_written_is_read_again(
    tmp_path: Path,
) -> None:
    file, told = tmp_path / "held.parquet", []
    pl.DataFrame({"amount": [1]}).write_parquet(file)
    pipeline = Pipeline("deferred", ParamModel(numbers=Numbers))

    def digest() -> str:
        told.append(digest_of_file(file))
        return told[-1]

    def read(batch: pl.DataFrame) -> pl.DataFrame:
        if batch["amount"].to_list() == [1]:
            pl.DataFrame({"amount": [2]}).write_parquet(tmp_path / "new.parquet")
            (tmp_path / "new.parquet").replace(file)
        return batch

    def table(numbers: Numbers) -> pl.LazyFrame:
        return pl.scan_parquet(file).map_batches(read)

    pipeline.asset(reads=digest, code_version="1")(table)
    store = ArtifactStore(str(tmp_path / "store"))
    (outcome,) = Materializer(pipeline, store).run(pipeline.params.defaults, None)
    assert outcome.record.external == digest_of_file(file) != told[0]
    assert store.load(outcome.slot, outcome.record)["amount"].to_list() == [2]
    assert len(list(store.directories("table"))) == 1


def test_source_that_never_holds_still_is_refused(tmp_path: Path) -> None:
    pipeline, _ = flipping(*"abcdefghijkl")
    store = ArtifactStore(str(tmp_path))
    with pytest.raises(SourceError, match="must hold still while it is read, but changed 4 times"):
        list(Materializer(pipeline, store).run(pipeline.params.defaults, None))
    assert list(store.entries("table")) == []
