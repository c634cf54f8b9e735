"""Schedules, sensors and requests of pipelines whose partitions are no days."""

import json
import os
from collections.abc import Iterator
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from ml_pipeline import (
    code_location,
    new_data_sensor,
    requests_sensor,
    sweep_schedule,
    window_schedule,
)
from ml_pipeline.dagster.location import location_of
from ml_pipeline.errors import SettingsError
from ml_pipeline.launch.request_document import Rules, read_request
from ml_pipeline.runs.materializer import Materializer
from ml_pipeline.settings import settings
from ml_pipeline_tests.toys.dagster_site import temporary_instance
from ml_pipeline_tests.toys.partitioned import (
    AT_ONCE,
    BY_DAY,
    BY_KEY,
    BY_REGION,
    BY_START,
    DAYS,
    OSLO,
    REGIONS,
)

HOURS = dg.HourlyPartitionsDefinition("2026-10-25-00:00", "2026-10-26-00:00", timezone=OSLO)
WEEKS = dg.WeeklyPartitionsDefinition("2026-01-01", end_date="2026-03-01")
SHOPS = dg.DynamicPartitionsDefinition(name="shops")
BY_SHOP = dg.MultiPartitionsDefinition({"day": DAYS, "region": SHOPS})
AT = datetime(2026, 11, 22, 6, tzinfo=UTC)
FIRST, LAST = (f"dagster/asset_partition_range_{end}" for end in ("start", "end"))


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    for name in [name for name in os.environ if name.startswith("ML_PIPELINE_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("ML_PIPELINE_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("ML_PIPELINE_INBOX_SETTLE_S", "0")
    settings.cache_clear()
    yield tmp_path
    settings.cache_clear()


@pytest.fixture(scope="module")
def instance(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dg.DagsterInstance]:
    with temporary_instance(tmp_path_factory.mktemp("doors") / "instance") as made:
        made.add_dynamic_partitions("shops", ["north", "south"])
        yield made


def located(pipeline: Any, partitions: Any, folder: Path) -> dg.Definitions:
    return code_location(pipeline, partitions, lambda: str(folder / "store"), folder)


def ticked(schedule: dg.ScheduleDefinition, defs: dg.Definitions, instance: Any) -> Any:
    whole = dg.Definitions.merge(defs, dg.Definitions(schedules=[schedule]))
    with dg.build_schedule_context(
        instance, scheduled_execution_time=AT, repository_def=whole.get_repository_def()
    ) as context:
        return schedule.evaluate_tick(context)


def ends(request: dg.RunRequest) -> tuple[str | None, str | None]:
    alone = request.partition_key
    return request.tags.get(FIRST, alone), request.tags.get(LAST, alone)


# Dagster warns of its own tags for each of two dimensions.
@pytest.mark.filterwarnings("ignore:Non-compliant tag keys:DeprecationWarning")
@pytest.mark.parametrize(
    ("pipeline", "partitions", "published", "asked"),
    [
        (BY_START, HOURS, "2026-10-25-02:00+0100",
         [("2026-10-25-00:00", "2026-10-25-02:00"), ("2026-10-25-03:00", "2026-10-25-23:00")]),
        (BY_DAY, WEEKS, date(2026, 2, 15), [("2026-02-22", "2026-02-22")]),
        (BY_REGION, BY_SHOP, "2026-01-31|north",
         [("2026-01-30|north", "2026-01-30|south"), ("2026-01-31|south", "2026-01-31|south")]),
    ],
)  # fmt: skip
def test_window_schedule_asks_for_what_is_missing_of_the_last_days(
    pipeline: Any,
    partitions: Any,
    published: Any,
    asked: list[tuple[str, str]],
    home: Path,
    instance: dg.DagsterInstance,
) -> None:
    defs = located(pipeline, partitions, home)
    made_of = location_of(defs)
    list(Materializer(made_of.pipeline, made_of.store).run(pipeline.params.defaults, published))
    requests = ticked(window_schedule(defs, last=2), defs, instance).run_requests
    assert [ends(request) for request in requests] == asked


def test_sweep_schedule_covers_the_last_days_of_each_shop(
    home: Path, instance: dg.DagsterInstance
) -> None:
    defs = located(BY_REGION, BY_SHOP, home)
    schedule = sweep_schedule(defs, {"params": {"rate": [1, 2]}}, last=2)
    (request,) = ticked(schedule, defs, instance).run_requests
    assert ends(request) == ("2026-01-30|north", "2026-01-31|south")
    assert [key.to_user_string() for key in request.asset_selection] == ["sweep"]


@pytest.mark.parametrize("build", [window_schedule, lambda of: sweep_schedule(of, {})])
def test_schedule_of_partitions_without_time_is_refused(build: Any, home: Path) -> None:
    with pytest.raises(SettingsError, match="'by_key' must be partitioned by time, so that what"):
        build(located(BY_KEY, REGIONS, home))


def test_new_data_runs_the_weeks_that_have_something_of_changed_days(
    home: Path, instance: dg.DagsterInstance
) -> None:
    defs = located(BY_DAY, WEEKS, home)
    data = {date(2026, 1, 7): "a", date(2026, 2, 23): "a", date(2026, 3, 2): "a"}
    sensor = new_data_sensor(defs, lambda _params: ("here", data))
    cursor = None

    def tick() -> Any:
        nonlocal cursor
        context = dg.build_sensor_context(instance, cursor, definitions=defs)
        found = sensor.evaluate_tick(context)
        cursor = found.cursor
        return found

    assert tick().skip_message == "first look at here: 2 days are there, none is run"
    data |= {date(2026, 1, 8): "b", date(2026, 1, 10): "b", date(2026, 2, 23): "b"}
    requests = tick().run_requests
    assert [ends(request) for request in requests] == [
        ("2026-01-04", "2026-01-04"),
        ("2026-02-22", "2026-02-22"),
    ]
    assert tick().skip_message == "no day of here is new or has changed"


def test_requests_are_for_keys_that_the_instance_has(
    home: Path, instance: dg.DagsterInstance
) -> None:
    defs = located(BY_KEY, SHOPS, home)
    inbox = settings().home / "inbox"
    inbox.mkdir(parents=True)
    (inbox / "good.json").write_text(json.dumps({"from": "north", "to": "south"}))
    (inbox / "bad.json").write_text(json.dumps({"as_of": "nroth"}))
    context = dg.build_sensor_context(instance, definitions=defs)
    (request,) = requests_sensor(defs).evaluate_tick(context).run_requests
    assert ends(request) == ("north", "south")
    (told,) = settings().home.glob("inbox/**/bad.json*.txt")
    text = told.read_text()
    assert "as_of must be one of north, south, the keys of the dynamic partitions 'shops'" in text
    assert "Did you mean 'north'?" in text
    assert "as_of: south\n" in text


def test_request_of_a_pipeline_without_partitions_names_none(home: Path) -> None:
    made_of = location_of(located(AT_ONCE, None, home))
    run = read_request({"params": {"rate": 2}}, "test", Rules(made_of.pipeline, made_of.calendar))
    assert (run.partition_key, list(run.dates)) == (None, [None])
    params = AT_ONCE.params.parse({"rate": 2})
    assert run.run_ids[None] == made_of.pipeline.run_slot(params, None).run_id
