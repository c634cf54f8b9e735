"""The store on an S3-compatible server."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import date
from pathlib import Path

import polars as pl
import pytest

from ml_pipeline.errors import ArtifactDamaged, PromotionConflict, QueryError, StoreUnreachable
from ml_pipeline.params.group import ParamGroup
from ml_pipeline.params.model import ParamModel
from ml_pipeline.runs.catalog import Entry, find
from ml_pipeline.runs.export import export
from ml_pipeline.runs.materializer import Materializer
from ml_pipeline.runs.promotion import Terms, promote
from ml_pipeline.runs.stages import Pipeline
from ml_pipeline.store.artifacts import ArtifactStore
from ml_pipeline.store.exports import Exports
from ml_pipeline.store.housekeeping import verify
from ml_pipeline.store.ledger import Promotion, history
from ml_pipeline_tests.toys.s3_server import serving_s3
from ml_pipeline_tests.toys.shelf import SLOT, publish

DAY = date(2026, 1, 5)


class RegionParams(ParamGroup):
    region: str = "north"


PIPELINE = Pipeline("regional", ParamModel(regions=RegionParams))


@PIPELINE.asset
def table(as_of: date, regions: RegionParams) -> pl.DataFrame:
    return pl.DataFrame({"day": [as_of.day] * 5, "region": [regions.region] * 5})


@PIPELINE.asset
def total(table: pl.LazyFrame) -> dict[str, int]:
    return {"sum": table.select(pl.col("day").sum()).collect().item()}


@pytest.fixture(scope="module")
def bucket() -> Iterator[dict[str, str]]:
    with serving_s3() as environment:
        yield environment


@pytest.fixture
def store(bucket: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ArtifactStore:
    for name, value in bucket.items():
        monkeypatch.setenv(name, value)
    return ArtifactStore(f"s3://bucket/{tmp_path.name} é")


def test_s3_store_second_run_reuses_what_the_first_published(store: ArtifactStore) -> None:
    materializer = Materializer(PIPELINE, store)
    params = PIPELINE.params.parse({"region": "a/b"})
    first = list(materializer.run(params, DAY))
    second = list(materializer.run(params, DAY))
    assert [outcome.reused for outcome in first] == [False, False]
    assert [outcome.reused for outcome in second] == [True, True]
    assert store.load(second[1].slot, second[1].record) == {"sum": 25}
    assert [checked.problem for checked in verify(store, list(PIPELINE.stages))] == [None, None]


def test_s3_store_changed_object_is_refused_and_computed_again(store: ArtifactStore) -> None:
    materializer = Materializer(PIPELINE, store)
    params = PIPELINE.params.parse({})
    made = list(materializer.run(params, DAY))[1]
    path = f"{made.slot.revision(made.record.revision)}/{made.record.content.file}"
    store.overwrite(path, b"x" * made.record.content.bytes)
    with pytest.raises(ArtifactDamaged, match="must have the digest"):
        store.load(made.slot, made.record)
    store.overwrite(path, b"short")
    again = list(materializer.run(params, DAY))[1]
    assert not again.reused
    assert "must have" in again.reason
    assert store.load(again.slot, again.record) == {"sum": 25}


def test_s3_store_of_promotions_at_the_same_time_one_wins(store: ArtifactStore) -> None:
    materializer = Materializer(PIPELINE, store)
    made = [
        list(materializer.run(PIPELINE.params.parse({"region": region}), DAY))[1]
        for region in "abcd"
    ]
    entries = [Entry(one.slot.revision(one.record.revision), one.record) for one in made]

    def attempt(entry: Entry) -> Promotion | None:
        try:
            return promote(store, entry, "production", Terms(after=0)).now
        except PromotionConflict:
            return None

    with ThreadPoolExecutor(4) as many:
        (won,) = filter(None, many.map(attempt, entries))
    assert history(store) == [won]
    assert find(store, PIPELINE, "@production").path == won.path


def test_s3_store_unreachable_server_is_one_clear_error(
    store: ArtifactStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:1")
    elsewhere = ArtifactStore("s3://bucket/elsewhere")
    with pytest.raises(StoreUnreachable, match="ML_PIPELINE_STORE"):
        elsewhere.read("anything")


def test_s3_store_keeps_folders_and_mappings_of_frames(
    store: ArtifactStore, tmp_path: Path
) -> None:
    (tmp_path / "made" / "sub").mkdir(parents=True)
    (tmp_path / "made" / "sub" / "b#é%.bin").write_bytes(b"\x00" * 10)
    value = {"day": DAY, "frame": pl.DataFrame({"a": [1, 2]}), "folder": tmp_path / "made"}
    record = publish(store, "r1", value).record
    again = store.load(SLOT, record)
    assert (again["day"], again["frame"]["a"].to_list()) == (DAY, [1, 2])
    assert (again["folder"] / "sub" / "b#é%.bin").read_bytes() == b"\x00" * 10
    assert publish(store, "r1", again).deterministic
    assert [one.problem for one in verify(store, ["table"])] == [None]


def test_s3_store_is_exported_to_the_bucket_and_nothing_of_others_overwritten(
    store: ArtifactStore, tmp_path: Path
) -> None:
    list(Materializer(PIPELINE, store).run(PIPELINE.params.parse({}), DAY))
    target = Exports(f"s3://bucket/{tmp_path.name}/export")
    for _ in range(2):
        assert export(store, PIPELINE, target).artifacts == 2
    content = target.read("records.parquet")
    assert content is not None
    assert set(pl.read_parquet(content)["asset"]) == {"table", "total"}
    other = Exports(f"s3://bucket/{tmp_path.name}/export/other.parquet")
    other.overwrite("other.parquet", b"mine")
    for place in (target, other):
        with pytest.raises(QueryError):
            export(store, PIPELINE, place)
