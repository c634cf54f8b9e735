"""Windows of very many orders are shared in parts by the dates of a run, with the same values."""

from collections.abc import Sequence
from datetime import date, timedelta
from pathlib import Path

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from ml_pipeline.defs.assets import PIPELINE
from ml_pipeline.errors import SourceError
from ml_pipeline.pipeline import datasets
from ml_pipeline.pipeline.order_parts import held_orders, order_parts, read_parts
from ml_pipeline.runs.decisions import Outcome
from ml_pipeline.runs.materializer import Materializer
from ml_pipeline.settings import settings
from ml_pipeline.store.artifacts import ArtifactStore
from ml_pipeline.store.shared import SHARED

DAYS = [date(1997, 11, 29), date(1997, 11, 30), date(1997, 12, 1)]


@pytest.fixture
def source(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("ML_PIPELINE_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("ML_PIPELINE_STORE", str(tmp_path / "store"))
    settings.cache_clear()
    known = datasets.orders_between("sample", date(1997, 1, 1), date(1997, 12, 31))
    some = known.filter(pl.col("customer_id").str.ends_with("3"))
    some.sample(fraction=1, shuffle=True, seed=0).write_parquet(tmp_path / "orders.parquet")
    return tmp_path / "orders.parquet"


def run(
    store: ArtifactStore, source: Path, dataset: str, days: Sequence[date] = DAYS
) -> list[list[Outcome]]:
    params = PIPELINE.params.parse({"source": str(source), "dataset": dataset, "history_days": 300})
    materializer = Materializer(PIPELINE, store)
    return [list(materializer.run(params, day, ["orders", "features"])) for day in days]


@pytest.mark.long
@pytest.mark.parametrize("dataset", ["orders", "customers"])
def test_orders_in_parts_give_the_very_features_of_orders_in_one_file(
    dataset: str, source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole, parted = (ArtifactStore(str(tmp_path / name)) for name in ("whole", "parted"))
    before = run(whole, source, dataset)
    monkeypatch.setattr("ml_pipeline.pipeline.order_parts.ROWS_IN_ONE", 1_000)
    monkeypatch.setattr("ml_pipeline.pipeline.spans.ROWS_AT_ONCE", 700)
    monkeypatch.setattr("ml_pipeline.pipeline.customer_features._PURCHASES_AT_ONCE", 900)
    after = run(parted, source, dataset)
    for (one, two), (other, same) in zip(before, after, strict=True):
        assert same.record.content.digest == two.record.content.digest
        assert same.record.run_id == two.record.run_id
        assert {report.finding.passed for report in same.checks} == {True}
        assert [report.finding.description for report in other.checks] == [
            report.finding.description for report in one.checks
        ]
        assert other.record.content.shared is not None
        assert other.record.content.shape == one.record.content.shape
        held = parted.load(other.slot, other.record)
        assert_frame_equal(held, whole.load(one.slot, one.record), check_exact=True)
    files = [entry["path"] for entry in parted.entries(SHARED)]
    wanted = [len(made[0].record.content.files) for made in after]
    assert len(files) < max(wanted) + 2 * len(DAYS) + 31 < sum(wanted)
    again = run(parted, source, dataset)
    assert all(outcome.reused for made in again for outcome in made)
    alone = run(ArtifactStore(str(tmp_path / "alone")), source, dataset, DAYS[-1:])
    assert alone[0][0].record.content == after[-1][0].record.content


def test_parts_are_whole_months_and_single_days_and_tell_their_days_apart() -> None:
    day = date(1998, 1, 20)
    days = {
        day + timedelta(days=place): datasets.Day(10 * place + 1, f"{place:032}")
        for place in range(80)
        if place != 15
    }
    parts = order_parts(days, date(1998, 1, 25), date(1998, 4, 2))
    assert [(part.first.day, part.last.day) for part in parts[6:10]] == [
        (31, 31),
        (1, 28),
        (1, 31),
        (1, 1),
    ]
    assert sum(part.rows for part in parts) == sum(
        one.rows for at, one in days.items() if date(1998, 1, 25) <= at <= date(1998, 4, 2)
    )
    late = {**days, date(1998, 2, 7): datasets.Day(7, "f" * 32)}
    changed = order_parts(late, date(1998, 1, 25), date(1998, 4, 2))
    differing = [(a, b) for a, b in zip(parts, changed, strict=True) if a.name != b.name]
    assert [(a.first, b.last) for a, b in differing] == [(date(1998, 2, 1), date(1998, 2, 28))]
    assert len({part.name for part in parts}) == len(parts)


def test_parts_are_the_same_of_any_layout_and_not_made_of_a_source_that_has_changed_since(
    source: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    days = datasets.days_of(str(source))
    parts = order_parts(days, date(1997, 2, 1), date(1997, 4, 3))
    held = list(read_parts(str(source), parts, {}))
    assert [one.height for one in held] == [part.rows for part in parts]
    in_order = datasets.orders_between(str(source), date.min, date.max)
    (source.parent / "sorted").mkdir()
    for place, some in enumerate(in_order.iter_slices(1_000)):
        some.write_parquet(source.parent / "sorted" / f"{place}.parquet")
    same = list(read_parts(str(source.parent / "sorted"), parts, {}))
    for one, other in zip(held, same, strict=True):
        assert_frame_equal(one, other, check_exact=True)
        # Their bytes are the same only if they are in as many pieces.
        assert one.n_chunks() == other.n_chunks() == 1
    window = str(source), days, parts[0].first, parts[-1].last, {}
    with held_orders(*window) as few:
        monkeypatch.setattr("ml_pipeline.pipeline.order_parts.ROWS_IN_ONE", 100)
        with held_orders(*window) as many:
            assert isinstance(many, pl.LazyFrame)
            assert_frame_equal(many.collect(), few.lazy().collect(), check_exact=True)
    pl.read_parquet(source).with_columns(pl.col("amount") + 1).write_parquet(source)
    with pytest.raises(SourceError, match=r"must hold still while they are\s+read"):
        list(read_parts(str(source), parts[:1], {}))
