"""Existing assets kept by their own config, over partitions: which of them each one reads."""

import warnings
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from ml_pipeline.dagster.lineage import found_by, materialized
from ml_pipeline_tests.toys.dagster_site import DAILY, DAY, failure
from ml_pipeline_tests.toys.kept import CALLS, Shelf

pytestmark = pytest.mark.filterwarnings(
    "ignore:.* is currently in (beta|preview)", "ignore:.*is in preview"
)

KEY = "by_params"
KEPT: Any = {"io_manager_key": KEY}
BY_DAY: Any = {"io_manager_key": KEY, "partitions_def": DAILY}
BEFORE, NEXT = "2026-01-04", "2026-01-06"
FIRST = "2026-01-01"


class Times(dg.Config):
    times: int = 1


@dg.asset(**BY_DAY)
def day(context: dg.AssetExecutionContext, config: Times) -> int:
    CALLS.append(f"day {context.partition_key}")
    return config.times * int(context.partition_key[-2:])


@pytest.fixture
def shelf(tmp_path: Path) -> Iterator[Shelf]:
    with dg.DagsterInstance.ephemeral() as instance:
        yield Shelf(tmp_path / "store", instance)


def test_asset_without_partitions_reads_those_of_a_mapping_by_key(shelf: Shelf) -> None:
    @dg.asset(
        ins={
            "day": dg.AssetIn(
                partition_mapping=dg.SpecificPartitionsPartitionMapping([BEFORE, DAY])
            )
        },
        **KEPT,
    )
    def total(day: Mapping[str, int]) -> int:
        CALLS.append("total")
        assert sorted(day) == [BEFORE, DAY]
        return sum(day.values())

    defs = shelf.definitions([day, total])
    for one in (BEFORE, DAY):
        shelf.run(defs, day=one, select=["day"])
    first, second = (shelf.run(defs, day=None, select=["total"]) for _ in range(2))
    assert first.result.output_for_node("total") == 9
    assert (first.calls, second.calls) == (["total"], [])
    assert set(shelf.record(first.of("total", None)).inputs) == {
        f"day of {BEFORE}",
        f"day of {DAY}",
    }
    shelf.run(defs, {"day": {"times": 3}}, select=["day"])
    mixed = shelf.run(defs, day=None, select=["total"])
    assert mixed.result.output_for_node("total") == 19
    assert mixed.of("total", None)["run_id"] != first.of("total", None)["run_id"]


def test_all_partitions_are_read_and_those_that_are_missing_told(shelf: Shelf) -> None:
    every = dg.StaticPartitionsDefinition(["oslo", "rome"])

    @dg.asset(partitions_def=every, **KEPT)
    def city(context: dg.AssetExecutionContext) -> str:
        return context.partition_key.upper()

    @dg.asset(**KEPT)
    def cities(city: dict[str, str]) -> list[str]:
        return sorted(city.values())

    @dg.asset(ins={"city": dg.AssetIn(metadata={"allow_missing_partitions": True})}, **KEPT)
    def some(city: dict[str, str]) -> list[str]:
        return sorted(city.values())

    defs = shelf.definitions([city, cities, some])
    made = shelf.run(defs, day="oslo", select=["city"])
    assert "/as_of=oslo/" in made.of("city", "oslo")["path"]
    missing = shelf.run(defs, day=None, select=["cities"], fails=True)
    assert failure(missing.result).startswith("'city' of rome must have been materialized")
    few = shelf.run(defs, day=None, select=["some"])
    assert few.result.output_for_node("some") == ["OSLO"]
    shelf.run(defs, day="rome", select=["city"])
    both = shelf.run(defs, day=None, select=["cities", "some"])
    assert [both.result.output_for_node(name) for name in ("cities", "some")] == [
        ["OSLO", "ROME"],
        ["OSLO", "ROME"],
    ]


def test_partition_mapping_and_dependence_on_the_day_before_are_followed(shelf: Shelf) -> None:
    before = dg.TimeWindowPartitionMapping(start_offset=-1, end_offset=-1)

    @dg.asset(
        ins={
            "day": dg.AssetIn(partition_mapping=dg.TimeWindowPartitionMapping(start_offset=-1)),
            "running": dg.AssetIn(partition_mapping=before),
        },
        **BY_DAY,
    )
    def running(config: Times, day: Any, running: Any = None) -> int:
        CALLS.append("running")
        newest = day[max(day)] if isinstance(day, dict) else day
        return config.times * newest + (running or 0)

    defs = shelf.definitions([day, running])
    for one in (FIRST, "2026-01-02"):
        shelf.run(defs, day=one)
    second = shelf.run(defs, day="2026-01-02", select=["running"])
    assert (second.calls, second.result.output_for_node("running")) == ([], 3)
    record = shelf.record(second.of("running", "2026-01-02"))
    assert set(record.inputs) == {"day", f"day of {FIRST}", f"running of {FIRST}"}
    other = shelf.run(defs, {"running": {"times": 10}}, day="2026-01-02", select=["running"])
    assert other.result.output_for_node("running") == 21
    assert other.of("running", "2026-01-02")["other inputs.run of running of 2026-01-01"] == (
        record.inputs[f"running of {FIRST}"].run_id
    )


def test_many_partitions_in_one_run_are_kept_as_in_runs_of_their_own(shelf: Shelf) -> None:
    policy = dg.BackfillPolicy.single_run()

    @dg.asset(backfill_policy=policy, **BY_DAY)
    def many(context: dg.AssetExecutionContext, config: Times) -> dict[str, int]:
        return {key: config.times * int(key[-2:]) for key in context.partition_keys}

    @dg.asset(backfill_policy=policy, **BY_DAY)
    def twice(context: dg.AssetExecutionContext, many: Any) -> Any:
        CALLS.append("twice")
        values = many if isinstance(many, dict) else {context.partition_key: many}
        doubled = {key: 2 * value for key, value in values.items()}
        return doubled if len(doubled) > 1 else doubled[context.partition_key]

    defs = shelf.definitions([many, twice])
    first = shelf.run(defs, day=BEFORE, until=NEXT)
    again = shelf.run(defs, day=BEFORE, until=NEXT)
    assert (first.calls, again.calls) == (["twice"], [])
    assert again.result.output_for_node("twice") == {BEFORE: 8, DAY: 10, NEXT: 12}
    assert {key for key in again.made if key[0] == "twice"} == {
        ("twice", one) for one in (BEFORE, DAY, NEXT)
    }
    alone = shelf.run(defs, select=["twice"])
    assert (alone.calls, alone.result.output_for_node("twice")) == ([], 10)
    for one in (first, again):
        assert one.of("twice")["run_id"] == alone.of("twice")["run_id"]
        assert one.of("twice")["path"] == alone.of("twice")["path"]
    fresh = shelf.run(defs, day=DAY, until="2026-01-07", select=["many"])
    assert len({fresh.of("many", d)["path"] for d in (DAY, NEXT, "2026-01-07")}) == 3
    assert shelf.run(defs, day=DAY, until="2026-01-07", select=["twice"]).calls == ["twice"]


@pytest.mark.parametrize("declares", [False, True])
def test_check_reads_the_date_that_its_run_has_made(shelf: Shelf, declares: bool) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        check = dg.asset_check(asset=day, partitions_def=DAILY if declares else None)

    @check
    def is_seven(context: dg.AssetCheckExecutionContext, day: int) -> dg.AssetCheckResult:
        return dg.AssetCheckResult(passed=day == 7)

    defs = shelf.definitions([day], asset_checks=[is_seven])
    for one, expected in ((DAY, False), ("2026-01-07", True), (NEXT, False)):
        done = shelf.run(defs, day=one).result
        assert [check.passed for check in done.get_asset_check_evaluations()] == [expected]


def test_run_reads_what_it_has_made_though_another_has_made_newer(shelf: Shelf) -> None:
    """What is executed again from failure goes on from what the failed run has made."""

    @dg.asset(**KEPT)
    def source(config: Times) -> int:
        return config.times

    @dg.asset(**KEPT)
    def reader(source: int) -> int:
        return source

    defs = shelf.definitions([source, reader])
    mine = shelf.run(defs, {"source": {"times": 5}}, day=None, select=["source"])
    second = shelf.run(defs, {"source": {"times": 6}}, day=None, select=["source"])
    newest = shelf.run(defs, day=None, select=["reader"])
    assert newest.result.output_for_node("reader") == 6
    again, later = (
        dg.DagsterRun("train", parent_run_id=ran.result.run_id, root_run_id=ran.result.run_id)
        for ran in (mine, newest)
    )
    for run, made_by in ((again, mine), (later, second), (dg.DagsterRun("train"), second)):
        event = materialized(shelf.instance, run, dg.AssetKey("source"), None)
        assert event is not None
        assert event.run_id == made_by.result.run_id
        found = found_by(event, shelf.store)
        assert found is not None
        assert found.record.params == {"source": {"times": 5 if made_by is mine else 6}}
