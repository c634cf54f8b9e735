"""Partitions of every kind: what stages get, where results land, ranges, reuse, and refusals."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

import ml_pipeline as mp
from ml_pipeline.dagster.code_location import code_location
from ml_pipeline.dagster.location import location_of
from ml_pipeline.errors import PipelineError
from ml_pipeline.launch.names import names_of
from ml_pipeline.params.as_of import as_of_from_key
from ml_pipeline.params.model import ParamModel
from ml_pipeline.runs.stages import Pipeline
from ml_pipeline.store.artifacts import ArtifactStore
from ml_pipeline_tests.toys.dagster_site import QUIET, temporary_instance
from ml_pipeline_tests.toys.partitioned import (
    AT_ONCE,
    BY_DAY,
    BY_KEY,
    BY_REGION,
    BY_START,
    DAYS,
    OSLO,
    REGIONS,
    Fit,
)

SHOPS = dg.DynamicPartitionsDefinition(name="shops")


@dataclass(frozen=True)
class Case:
    """Partitions, and what comes of one key and of a range.

    Attributes:
        seen: what the first stage got of the last key of the range.
        label: the level of its path.
    """

    pipeline: Pipeline
    partitions: dg.PartitionsDefinition[Any] | None
    keys: tuple[str, ...]
    seen: tuple[str, ...]
    label: str = ""


CASES = {
    "daily": Case(
        BY_DAY, DAYS, ("2026-01-05", "2026-01-06"), ("2026-01-06", "date"), "as_of=2026-01-06"
    ),
    "daily of another spelling": Case(
        BY_DAY,
        dg.DailyPartitionsDefinition("20260101", end_date="20260201", fmt="%Y%m%d"),
        ("20260105", "20260106", "20260107"),
        ("2026-01-07", "date"),
        "as_of=20260107",
    ),
    "daily that starts at six": Case(
        BY_START,
        dg.DailyPartitionsDefinition(
            "2026-01-01", end_date="2026-02-01", hour_offset=6, timezone=OSLO
        ),
        ("2026-01-05", "2026-01-06"),
        ("2026-01-06T06:00:00+01:00", "datetime"),
        "as_of=2026-01-06",
    ),
    "weekly": Case(
        BY_DAY,
        dg.WeeklyPartitionsDefinition("2026-01-01", end_date="2026-03-01"),
        ("2026-01-04", "2026-01-11"),
        ("2026-01-11", "date"),
        "as_of=2026-01-11",
    ),
    "monthly of another spelling": Case(
        BY_DAY,
        dg.MonthlyPartitionsDefinition("2025/11", end_date="2026/03", fmt="%Y/%m"),
        ("2025/12", "2026/01"),
        ("2026-01-01", "date"),
        "as_of=2026%2F01",
    ),
    "hourly": Case(
        BY_START,
        dg.HourlyPartitionsDefinition(
            "2026-10-25-00:00", end_date="2026-10-26-00:00", timezone=OSLO
        ),
        ("2026-10-25-01:00", "2026-10-25-02:00", "2026-10-25-02:00+0100"),
        ("2026-10-25T02:00:00+01:00", "datetime"),
        "as_of=2026-10-25-02%3A00%2B0100",
    ),
    "static": Case(
        BY_KEY,
        dg.StaticPartitionsDefinition(["oslo", "Oslo", "a/b", "..", "a b|c", "x" * 300]),
        ("Oslo", "a/b", "..", "a b|c"),
        ("a b|c", "str"),
        "as_of=a%20b%7Cc",
    ),
    "static dates": Case(
        BY_DAY,
        dg.StaticPartitionsDefinition(["2026-01-09", "2026-01-05"]),
        ("2026-01-09", "2026-01-05"),
        ("2026-01-05", "date"),
        "as_of=2026-01-05",
    ),
    "two dimensions": Case(
        BY_REGION,
        dg.MultiPartitionsDefinition({"region": REGIONS, "day": DAYS}),
        ("2026-01-05|oslo", "2026-01-05|bergen", "2026-01-06|oslo", "2026-01-06|bergen"),
        ("2026-01-06", "bergen", "2026-01-06T00:00:00+00:00"),
        "as_of=2026-01-06%7Cbergen",
    ),
    "dynamic": Case(
        BY_KEY, SHOPS, ("shop 1", "line\nbreak"), ("line\nbreak", "str"), "as_of=line%0Abreak"
    ),
    "none": Case(AT_ONCE, None, (), ("all",), "run="),
}


@pytest.fixture(scope="module")
def instance(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dg.DagsterInstance]:
    with temporary_instance(tmp_path_factory.mktemp("partitions") / "instance") as made:
        made.add_dynamic_partitions("shops", ["shop 1", "line\nbreak", "shop 3"])
        yield made


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_partitions_of_every_kind_are_made_alone_and_in_a_range_and_reused(
    case: Case, tmp_path: Path, instance: dg.DagsterInstance
) -> None:
    defs = code_location(case.pipeline, case.partitions, lambda: str(tmp_path), tmp_path)
    job = defs.resolve_implicit_global_asset_job_def()

    def made(**asked: Any) -> dict[tuple[str, str | None], bool]:
        result = job.execute_in_process(
            instance=instance,
            asset_selection=[dg.AssetKey("seen"), dg.AssetKey("score")],
            run_config={"loggers": QUIET},
            **asked,
        )
        events = [e.materialization for e in result.get_asset_materialization_events()]
        return {
            (event.asset_key.to_user_string(), event.partition): bool(
                event.metadata["reused"].value
            )
            for event in events
        }

    assets, keys = ("seen", "score"), case.keys or (None,)
    assert made(partition_key=keys[0]) == {(asset, keys[0]): False for asset in assets}
    ends = {"start": keys[0], "end": keys[-1]}
    tags = {f"dagster/asset_partition_range_{end}": str(key) for end, key in ends.items()}
    whole = made(tags=tags) if case.keys else made()
    assert whole == {(asset, key): key == keys[0] for key in keys for asset in assets}
    location = location_of(defs)
    as_of = None if keys[-1] is None else as_of_from_key(keys[-1])
    store = ArtifactStore(str(tmp_path))
    slot = location.pipeline.stage("seen").slot(location.pipeline.params.defaults, as_of)
    (record,) = store.revisions(slot)
    assert store.load(slot, record) == list(case.seen)
    assert record.as_of == as_of
    assert record.identity["as_of"] == keys[-1]
    assert slot.path.split("/")[1].startswith(case.label)
    assert len({p.name for p in (tmp_path / "seen").glob("**/run=*")}) == len(keys)


def fresh(**stages: Any) -> Pipeline:
    pipeline = Pipeline("shops", ParamModel(fit=Fit))
    for name, function in stages.items():
        function.__name__ = name
        pipeline.asset(code_version="1")(function)
    return pipeline


def by_day(as_of: date) -> int:
    return as_of.day


def by_start(as_of: datetime) -> int:
    return as_of.hour


def by_region(region: str) -> str:
    return region


def by_either(as_of: date | None = None) -> bool:
    return as_of is None


TWO = dg.MultiPartitionsDefinition({"region": REGIONS, "day": DAYS})
REFUSED: dict[str, tuple[Any, dg.PartitionsDefinition[Any] | None, str]] = {
    "a key of several hours": (
        by_day,
        dg.HourlyPartitionsDefinition("2026-01-01", fmt="%Y-%m-%d"),
        "HourlyPartitionsDefinition has fmt='%Y-%m-%d': '2026-01-01' is the key of several windows",
    ),
    "a key without a year": (
        by_day,
        dg.DailyPartitionsDefinition(datetime(2026, 1, 1), fmt="%m-%d"),
        "'01-01' would stand for what starts 1900-01-01 00:00 and 2026-01-01 00:00",
    ),
    "a week that cannot be read": (
        by_day,
        dg.WeeklyPartitionsDefinition(datetime(2026, 1, 1), fmt="%G-W%V"),
        "cannot be read back",
    ),
    "a static key that is nothing": (
        by_start,
        dg.StaticPartitionsDefinition(["a", " "]),
        "this StaticPartitionsDefinition has ' ' has nothing in it that can be seen",
    ),
    "text as a date": (
        by_day,
        REGIONS,
        "'as_of' of 'stage' is a date, but keys like 'oslo' stand for no day: take a str",
    ),
    "dynamic keys as a date": (by_day, SHOPS, "'as_of' of 'stage' is a date, but keys like"),
    "text as a start": (
        by_start,
        dg.StaticPartitionsDefinition(["2026-01-05"]),
        "'as_of' of 'stage' is a datetime, but keys like '2026-01-05' have no time windows",
    ),
    "no dimension of that name": (
        by_region,
        dg.MultiPartitionsDefinition({"regoin": REGIONS, "day": DAYS}),
        "with a parameter group. Did you mean 'regoin'?",
    ),
    "no dimensions": (by_region, DAYS, "a dimension of the partitions (there is none)"),
    "a dimension that an asset has the name of": (
        by_either,
        dg.MultiPartitionsDefinition({"stage": REGIONS, "day": DAYS}),
        "the dimension 'stage' must have a name of its own",
    ),
    "a date of no partitions": (
        by_day,
        None,
        "'as_of' of 'stage' is a date, but there are no partitions: annotate it with None, too",
    ),
}


@pytest.mark.parametrize(("stage", "partitions", "said"), REFUSED.values(), ids=REFUSED)
def test_partitions_that_do_not_serve_are_refused_when_defined(
    stage: Any, partitions: dg.PartitionsDefinition[Any] | None, said: str, tmp_path: Path
) -> None:
    with pytest.raises(PipelineError) as refused:
        code_location(fresh(stage=stage), partitions, lambda: str(tmp_path), tmp_path)
    assert said in str(refused.value)
    assert "shops" in str(refused.value)


def test_partitions_that_are_none_give_none_to_who_takes_it(
    tmp_path: Path, instance: dg.DagsterInstance
) -> None:
    defs = code_location(fresh(stage=by_either), None, lambda: str(tmp_path), tmp_path)
    job = defs.resolve_implicit_global_asset_job_def()
    assert job.execute_in_process(instance=instance, run_config={"loggers": QUIET}).success
    (record,) = ArtifactStore(str(tmp_path)).directories("stage")
    assert record.startswith("stage/run=")


def test_annotation_that_no_key_serves_is_refused_at_the_stage() -> None:
    def stage(as_of: int) -> int:
        return as_of

    with pytest.raises(PipelineError, match="'as_of' of 'stage' must be annotated with date"):
        Pipeline("shops", ParamModel(fit=Fit)).asset(stage)


def test_stage_of_two_dimensions_reads_and_feeds_assets_that_are_none_for_the_same_key(
    tmp_path: Path, instance: dg.DagsterInstance
) -> None:
    pipeline = mp.Pipeline("between", mp.ParamModel(fit=Fit))

    @dg.asset(partitions_def=TWO)
    def raw(context: dg.AssetExecutionContext) -> str:
        return f"raw of {context.partition_key}"

    @pipeline.asset(code_version="1", ins={"raw": raw})
    def stage(context: dg.AssetExecutionContext, raw: str, day: date) -> list[str]:
        window = context.partition_time_window
        return [raw, str(context.partition_key), f"{window.start:%Y-%m-%d}", str(day)]

    @dg.asset(partitions_def=TWO, io_manager_key=names_of(pipeline).io_manager)
    def below(stage: list[str]) -> list[str]:
        return [f"below {stage[0]}"]

    location = code_location(pipeline, TWO, lambda: str(tmp_path / "store"), tmp_path)
    defs = dg.Definitions.merge(location, dg.Definitions(assets=[raw, below]))
    job = defs.resolve_implicit_global_asset_job_def()
    key = "2026-01-05|oslo"
    for name in ("raw", "stage", "below"):
        job.execute_in_process(
            instance=instance,
            asset_selection=[dg.AssetKey(name)],
            partition_key=key,
            run_config={"loggers": QUIET},
        )
    store = ArtifactStore(str(tmp_path / "store"))
    values = []
    for name in ("stage", "below"):
        (directory,) = store.directories(name)
        record = store.read_record(directory)
        assert record is not None
        assert record.as_of == key
        values.append(json.loads((tmp_path / "store" / directory / "data.json").read_text()))
    assert values == [
        [f"raw of {key}", key, "2026-01-05", "2026-01-05"],
        [f"below raw of {key}"],
    ]
