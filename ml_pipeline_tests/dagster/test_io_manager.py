from pathlib import Path
from typing import Any

import dagster as dg
import polars as pl
import pytest
from sklearn.linear_model import Ridge

from ml_pipeline.dagster.description import describe
from ml_pipeline.runs.catalog import Entry
from ml_pipeline.store.record import TAKEN
from ml_pipeline_tests.toys.bench import flip
from ml_pipeline_tests.toys.dagster_site import (
    DAILY,
    DAY,
    Site,
    events,
    failure,
)
from ml_pipeline_tests.toys.pipeline import fresh

OTHER = "2026-01-06"
KEPT = "toy_io"


@dg.asset(partitions_def=DAILY, io_manager_key=KEPT)
def report(context: dg.AssetExecutionContext, score: Any, table: Any) -> dict[str, Any]:
    """Takes one date, or a mapping where there are several."""
    if len(context.partition_keys) == 1:
        return {"r2": score["r2"], "rows": table.height}
    return {
        day: {"r2": score[day]["r2"], "rows": table[day].height} for day in context.partition_keys
    }


def test_names_that_no_metric_can_have_are_all_that_stand_beside_metrics(site: Site) -> None:
    made = site.bench.run()["score"]
    params = {name for group in made.record.params.values() for name in group}
    shown = describe(made, site.bench.store, {"fit.learning_rate": "a test"})
    plain = {name for name in shown if "." not in name and "/" not in name}
    row = Entry(made.slot.path, made.record).row(made.slot.model)
    beside = plain | set(row) - params - set(made.record.metrics)
    # What was added since gives way to a metric of its name.
    beside -= {"not_default", "pictures"}
    assert beside <= TAKEN | set(made.record.metrics)


# Reading stages


def test_plain_asset_reads_stages_of_its_date(site: Site) -> None:
    site.others = [report]
    result = site.run()
    assert result.success, failure(result)
    assert result.output_for_node("report") == {"r2": fresh()["score"]["r2"], "rows": 6}


def test_plain_asset_reads_stages_that_another_run_made(site: Site) -> None:
    site.others = [report]
    site.run(selection=["table", "features", "model", "score"], config={"data": {"rows": 8}})
    site.bench.started()
    result = site.run(selection=["report"], config={"data": {"rows": 8}})
    assert result.success, failure(result)
    assert site.bench.started() == []
    assert result.output_for_node("report")["rows"] == 8


def test_plain_asset_reads_stages_of_many_dates(site: Site) -> None:
    site.others = [report]
    result = site.run(DAY, until="2026-01-07")
    assert result.success, failure(result)
    made = result.output_for_node("report")
    assert list(made) == ["2026-01-05", "2026-01-06", "2026-01-07"]
    assert {day: value["rows"] for day, value in made.items()} == dict.fromkeys(made, 6)
    assert len({value["r2"] for value in made.values()}) == 3


def test_plain_asset_without_what_it_reads_says_how_to_make_it(site: Site) -> None:
    site.others = [report]
    told = failure(site.run(selection=["report"]))
    assert "'score' must be published for as_of=2026-01-05" in told
    assert "--select score" in told


def test_plain_asset_takes_frames_eager_or_lazy_as_annotated(site: Site) -> None:
    seen: dict[str, type] = {}

    @dg.asset(partitions_def=DAILY)
    def eager(table: pl.DataFrame) -> None:
        seen["eager"] = type(table)

    @dg.asset(partitions_def=DAILY)
    def lazy(table: pl.LazyFrame, features: pl.LazyFrame) -> None:
        seen["lazy"] = type(table)
        assert table.collect().to_dict(as_series=False) == fresh()["table"]
        assert features.select("z").collect().height == 6

    @dg.asset(partitions_def=DAILY)
    def fitted(model: Ridge) -> None:
        seen["model"] = type(model)

    site.others = [eager, lazy, fitted]
    assert site.run().success
    assert seen == {"eager": pl.DataFrame, "lazy": pl.LazyFrame, "model": Ridge}


def test_plain_asset_without_partitions_reads_one_date_through_a_mapping(site: Site) -> None:
    @dg.asset(
        ins={
            "table": dg.AssetIn(
                partition_mapping=dg.SpecificPartitionsPartitionMapping([DAY, OTHER])
            )
        }
    )
    def overall(table: dict[str, pl.DataFrame]) -> dict[str, int]:
        return {day: frame.height for day, frame in table.items()}

    site.others = [overall]
    site.run(DAY, until=OTHER)
    result = site.run(None, selection=["overall"])
    assert result.success, failure(result)
    assert result.output_for_node("overall") == {DAY: 6, OTHER: 6}
    made = events(result)["overall", None]
    assert "as_of" not in made.metadata["path"].value


def test_plain_asset_is_not_served_damaged_bytes(site: Site) -> None:
    site.others = [report]
    made = site.bench.run()
    flip(site.bench.data(made["table"]))
    result = site.run(selection=["report"])
    assert not result.success
    assert "must have the digest" in failure(result)


def test_plain_asset_reads_the_current_revision(site: Site) -> None:
    site.others = [report]
    site.bench.run()
    site.bench.edit(score="2")
    site.bench.tell("noise-score")
    site.bench.run()
    site.bench.edit()
    result = site.run(selection=["report"])
    assert result.output_for_node("report")["r2"] == fresh()["score"]["r2"]
    (read,) = [
        event
        for event in result.all_events
        if event.event_type_value == "LOADED_INPUT" and "score" in str(event.event_specific_data)
    ]
    assert read


# Reading without dates of one's own


@dg.asset_check(asset="score")
def sane(score: dict[str, Any]) -> dg.AssetCheckResult:
    return dg.AssetCheckResult(passed=score == fresh()["score"])


@dg.asset
def undated(score: Any) -> None: ...


@dg.multi_asset(specs=[dg.AssetSpec("one", deps=["score"]), dg.AssetSpec("two", deps=["score"])])
def several(score: Any) -> tuple[None, None]: ...


def test_check_without_dates_gets_the_value_of_its_runs_date(site: Site) -> None:
    site.run(OTHER)
    result = site.run(checks=[sane])
    assert result.success, failure(result)
    (evaluated,) = result.get_asset_check_evaluations()
    assert evaluated.passed


@pytest.mark.parametrize("until", [OTHER, "2026-01-07"])
def test_check_without_dates_in_a_run_of_many_is_refused(site: Site, until: str) -> None:
    told = failure(site.run(DAY, until=until, checks=[sane]))
    assert told.startswith("'score_sane' must declare partitions_def, because what it reads,")


@pytest.mark.parametrize("reader", [undated, several])
def test_asset_without_dates_in_a_run_of_dates_is_refused(
    site: Site, reader: dg.AssetsDefinition
) -> None:
    site.others = [reader]
    told = failure(site.run())
    assert "must declare partitions_def" in told
    assert "AllPartitionMapping" in told


def test_asset_without_dates_in_a_run_without_reads_all_of_them(site: Site) -> None:
    site.partitions = dg.DailyPartitionsDefinition(DAY, end_date="2026-01-07")
    seen: dict[str, Any] = {}

    @dg.asset
    def overall(score: Any) -> None:
        seen.update(score)

    site.others = [overall]
    site.run(DAY, until=OTHER, selection=["table", "features", "model", "score"])
    assert site.run(None, selection=["overall"]).success
    assert sorted(seen) == [DAY, OTHER]


# Keeping what is not a stage


def test_plain_asset_is_kept_by_its_parameters_and_described(site: Site) -> None:
    site.others = [report]
    result = site.run(config={"fit": {"learning_rate": 0.5}, "data": {"region": "so/uth"}})
    made = events(result)["report", DAY]
    shown = {name: value.value for name, value in made.metadata.items()}
    path = Path(shown["path"])
    assert path.is_file()
    assert f"report/region=so%2Futh/as_of={DAY}/run={shown['run_id']}/rev=" in str(path)
    assert shown["fit.learning_rate"] == 0.5
    assert shown["shape.window"] == 2
    record = site.bench.store.read_record(str(path.parent.relative_to(site.bench.root)))
    assert record is not None
    assert (
        record.run_id
        == site.bench.pipeline.run_slot(
            site.bench.pipeline.params.parse({"learning_rate": 0.5, "region": "so/uth"}),
            record.as_of,
        ).run_id
    )
    assert record.provenance.dagster_run_id == result.run_id


def test_plain_asset_with_other_parameters_is_another_artifact(site: Site) -> None:
    site.others = [report]
    paths = {
        events(site.run(config=config))["report", DAY].metadata["path"].value
        for config in ({}, {"fit": {"learning_rate": 0.5}}, {"fit": {"workers": 3}})
    }
    assert len({Path(path).parent.parent for path in paths}) == 2
    assert len(paths) == 3, "each run computes it, since nothing tells when it changes"


def test_plain_asset_with_a_config_of_its_own_is_another_artifact_for_each(site: Site) -> None:
    """What a run has made is what it reads, whatever others have made of other config."""

    class Times(dg.Config):
        times: int = 1

    @dg.asset(partitions_def=DAILY, io_manager_key=KEPT)
    def own(config: Times) -> int:
        return config.times

    @dg.asset(partitions_def=DAILY)
    def reader(own: int) -> int:
        return own

    site.others = [own, reader]
    made = {}
    for times in (2, 3, 2):
        result = site.run(selection=["own", "reader"], ops={"own": {"config": {"times": times}}})
        assert result.output_for_node("reader") == times
        metadata = events(result)["own", DAY].metadata
        assert metadata["own.times"].value == times
        made.setdefault(times, set()).add(metadata["run_id"].value)
    assert [len(ids) for ids in made.values()] == [1, 1]
    assert made[2] != made[3]
    assert site.run(selection=["reader"]).output_for_node("reader") == 2
    other = site.run(selection=["reader"], config={"data": {"rows": 9}})
    assert failure(other).startswith("'own' must be published for as_of=2026-01-05")


def test_plain_asset_is_read_back_in_the_same_run_and_later(site: Site) -> None:
    @dg.asset(partitions_def=DAILY, io_manager_key=KEPT)
    def own() -> pl.DataFrame:
        return pl.DataFrame({"a": [1, 2, 3]})

    @dg.asset(partitions_def=DAILY)
    def reader(own: pl.DataFrame) -> list[int]:
        return own["a"].to_list()

    @dg.asset(partitions_def=DAILY)
    def lazy_reader(own: pl.LazyFrame) -> dict[str, int]:
        return {"sum": own.collect()["a"].sum()}

    site.others = [own, reader, lazy_reader]
    result = site.run(selection=["own", "reader"])
    assert result.output_for_node("reader") == [1, 2, 3]
    assert site.run(selection=["lazy_reader"]).output_for_node("lazy_reader") == {"sum": 6}
    assert failure(site.run(selection=["reader"], config={"data": {"rows": 9}})).startswith(
        "'own' must be published for as_of=2026-01-05, region=north, rows=9,"
    )


def test_plain_asset_made_again_is_read_as_made_last(site: Site) -> None:
    values = iter([1, 2])

    @dg.asset(partitions_def=DAILY, io_manager_key=KEPT)
    def own() -> dict[str, int]:
        return {"value": next(values)}

    @dg.asset(partitions_def=DAILY)
    def reader(own: dict[str, int]) -> dict[str, int]:
        return own

    site.others = [own, reader]
    site.run(selection=["own"])
    site.run(selection=["own"])
    assert site.run(selection=["reader"]).output_for_node("reader") == {"value": 2}


def test_plain_asset_for_many_dates_returns_a_mapping(site: Site) -> None:
    @dg.asset(partitions_def=DAILY, io_manager_key=KEPT)
    def own(context: dg.AssetExecutionContext) -> dict[str, pl.DataFrame]:
        return {day: pl.DataFrame({"day": [day]}) for day in context.partition_keys}

    @dg.asset(partitions_def=DAILY)
    def reader(own: dict[str, pl.DataFrame]) -> None:
        assert {day: frame["day"].to_list() for day, frame in own.items()} == {
            DAY: [DAY],
            OTHER: [OTHER],
        }

    site.others = [own, reader]
    result = site.run(DAY, until=OTHER, selection=["own", "reader"])
    assert result.success, failure(result)
    made = {key: event for key, event in events(result).items() if key[0] == "own"}
    assert set(made) == {("own", DAY), ("own", OTHER)}
    for (_, day), event in made.items():
        assert f"as_of={day}" in event.metadata["path"].value
        assert event.metadata["dagster/row_count"].value == 1


def test_plain_asset_for_many_dates_without_a_mapping_is_refused(site: Site) -> None:
    @dg.asset(partitions_def=DAILY, io_manager_key=KEPT)
    def own() -> dict[str, int]:
        return {"value": 1}

    site.others = [own]
    told = failure(site.run(DAY, until=OTHER, selection=["own"]))
    assert told.startswith("'own' runs for 2 dates at once, so it must return a mapping")


def test_plain_asset_of_a_type_that_nothing_keeps_is_refused(site: Site) -> None:
    @dg.asset(partitions_def=DAILY, io_manager_key=KEPT)
    def own() -> object:
        return object()

    site.others = [own]
    told = failure(site.run(selection=["own"]))
    assert told.startswith("'own' must return a frame (Polars, pandas, Arrow), a NumPy array,")


def test_plain_asset_that_returns_nothing_keeps_nothing(site: Site) -> None:
    @dg.asset(partitions_def=DAILY, io_manager_key=KEPT)
    def own(table: pl.DataFrame) -> None:
        assert table.height == 6

    site.others = [own]
    assert site.run().success
    assert not (site.bench.root / "own").exists()


def test_plain_asset_with_a_key_of_several_parts_has_directories_for_them(site: Site) -> None:
    @dg.asset(partitions_def=DAILY, key=["marts", "own"], io_manager_key=KEPT)
    def own() -> bytes:
        return b"kept"

    @dg.asset(partitions_def=DAILY, ins={"own": dg.AssetIn(key=["marts", "own"])})
    def reader(own: bytes) -> bytes:
        return own

    site.others = [own, reader]
    result = site.run()
    assert result.success, failure(result)
    assert result.output_for_node("reader") == b"kept"
    assert (site.bench.root / "marts" / "own").is_dir()


def test_plain_asset_in_a_store_in_memory(site: Site) -> None:
    from ml_pipeline.dagster.code_location import code_location

    @dg.asset(partitions_def=DAILY)
    def reader(table: pl.LazyFrame, model: Ridge) -> pl.LazyFrame:
        assert model.coef_.shape == (1,)
        return table.select("x")

    root = f"memory://{site.bench.folder.name}"
    location = code_location(site.bench.pipeline, DAILY, lambda: root, Path(__file__).parent)
    defs = dg.Definitions.merge(location, dg.Definitions(assets=[reader]))
    result = defs.resolve_implicit_global_asset_job_def().execute_in_process(
        instance=site.instance, partition_key=DAY
    )
    made = events(result)
    assert made["table", DAY].metadata["path"].value.startswith(f"{root}/table/")
    assert ("reader", DAY) in made
