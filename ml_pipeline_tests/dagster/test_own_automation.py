"""Sensors and schedules of any pipeline: its own store, calendar, names and sweep."""

import json
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

import ml_pipeline as mp
from ml_pipeline.dagster.location import location_of
from ml_pipeline.settings import settings
from ml_pipeline_tests.toys.dagster_site import DAILY, QUIET, temporary_instance

AT = datetime(2026, 2, 2, 6, tzinfo=UTC)
SWEEP: Mapping[str, Any] = {"params": {"rows": [2, 3]}}


class Size(mp.ParamGroup):
    """How much."""

    rows: int = 2


def pipeline(name: str, *, prefixed: bool = False, judged: bool = True) -> mp.Pipeline:
    made = mp.Pipeline(name, mp.ParamModel(size=Size), prefixed=prefixed)
    objective = mp.Objective(metric="height", direction="maximize") if judged else None

    @made.asset(objective=objective, key_prefix=name)
    def score(as_of: date, size: Size) -> mp.Result:
        return mp.Result({"rows": size.rows}, metrics={"height": size.rows})

    return made


@pytest.fixture(autouse=True)
def setting(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., None]]:
    def change(**variables: Any) -> None:
        for name, value in variables.items():
            text = value if isinstance(value, str) else json.dumps(value)
            monkeypatch.setenv(f"ML_PIPELINE_{name.upper()}", text)
        settings.cache_clear()

    change(home=str(tmp_path / "home"), inbox_settle_s=0)
    yield change
    settings.cache_clear()


@pytest.fixture
def instance(tmp_path: Path) -> Iterator[dg.DagsterInstance]:
    with temporary_instance(tmp_path / "instance") as instance:
        yield instance


@pytest.fixture
def location(tmp_path: Path) -> dg.Definitions:
    return mp.code_location(pipeline("flats"), DAILY, lambda: str(tmp_path / "own-store"))


def launch(defs: dg.Definitions, instance: dg.DagsterInstance, request: dg.RunRequest) -> str:
    """Run what a tick has asked for."""
    done = defs.resolve_implicit_global_asset_job_def().execute_in_process(
        run_config={**request.run_config, "loggers": QUIET},
        instance=instance,
        partition_key=request.partition_key,
        asset_selection=list(request.asset_selection or []),
        tags=dict(request.tags),
    )
    return done.run_id


def tick(
    defs: dg.Definitions, schedule: dg.ScheduleDefinition
) -> tuple[list[dg.RunRequest], str | None]:
    whole = dg.Definitions.merge(defs, dg.Definitions(schedules=[schedule]))
    with dg.build_schedule_context(
        scheduled_execution_time=AT, repository_def=whole.get_repository_def()
    ) as context:
        ticked = schedule.evaluate_tick(context)
    return list(ticked.run_requests or []), ticked.skip_message


def look(defs: dg.Definitions, sensor: dg.SensorDefinition, instance: dg.DagsterInstance) -> Any:
    with dg.build_sensor_context(instance=instance, definitions=defs) as context:
        return sensor.evaluate_tick(context)


def _dates(request: dg.RunRequest) -> tuple[str, str]:
    first = request.tags.get("dagster/asset_partition_range_start", request.partition_key)
    last = request.tags.get("dagster/asset_partition_range_end", request.partition_key)
    return str(first), str(last)


def test_window_schedule_looks_into_the_store_of_its_location(
    location: dg.Definitions, instance: dg.DagsterInstance, tmp_path: Path
) -> None:
    schedule = mp.window_schedule(location, cron="30 5 * * *", last=3)
    assert (schedule.name, schedule.cron_schedule) == ("daily_window", "30 5 * * *")
    (request,), _ = tick(location, schedule)
    assert _dates(request) == ("2026-01-29", "2026-01-31")
    launch(location, instance, request)
    assert (tmp_path / "own-store" / "score").is_dir()
    assert tick(location, schedule) == ([], "2026-01-29 to 2026-01-31 are published")


def test_schedules_are_what_code_says_and_settings_win(
    location: dg.Definitions, setting: Callable[..., None]
) -> None:
    sweep = mp.sweep_schedule(location, SWEEP, cron="0 1 * * 2", last=2, name="tuesdays")
    assert sweep.name == "tuesdays"
    assert (sweep.cron_schedule, "last 2 days" in str(sweep.description)) == ("0 1 * * 2", True)
    (request,), _ = tick(location, sweep)
    assert _dates(request) == ("2026-01-30", "2026-01-31")
    asked = request.run_config["resources"]["sweep"]["config"]
    assert asked == {"size": {"rows": [2, 3]}, "search": {}}
    setting(
        daily_days=2, daily_cron="1 1 * * *", weekly_sweep={"params": {"rows": "range(1,9)"}},
        weekly_days=1, weekly_cron="2 2 * * *", params={"size": {"rows": 7}},
    )  # fmt: skip
    window, sweep = mp.window_schedule(location), mp.sweep_schedule(location, SWEEP, last=2)
    assert (window.cron_schedule, sweep.cron_schedule) == ("1 1 * * *", "2 2 * * *")
    assert _dates(tick(location, window)[0][0]) == ("2026-01-30", "2026-01-31")
    (request,), _ = tick(location, sweep)
    assert _dates(request) == ("2026-01-31", "2026-01-31")
    assert request.run_config["resources"]["sweep"]["config"]["size"] == {"rows": "range(1,9)"}


@pytest.mark.parametrize(
    ("make", "error", "said"),
    [
        (lambda here: mp.window_schedule(here, cron="daily"), mp.PipelineError, "got 'daily'"),
        (
            lambda here: mp.sweep_schedule(here, {"prams": {}}),
            mp.ParamsError,
            "Did you mean 'params'?",
        ),
        (
            lambda here: mp.sweep_schedule(here, {"params": {"rwos": [1, 2]}}),
            mp.ParamsError,
            "Did you mean 'rows'?",
        ),
        (
            lambda _: mp.sweep_schedule(
                mp.code_location(pipeline("bare", judged=False), DAILY), SWEEP
            ),
            mp.PipelineError,
            "must declare an objective to be swept, but 'bare' declares none",
        ),
        (
            lambda here: mp.requests_sensor(dg.Definitions.merge(here, apart())),
            mp.PipelineError,
            "but those given have flats, boats. Merge them afterwards.",
        ),
        (lambda _: mp.window_schedule(dg.Definitions()), mp.PipelineError, "have no pipeline"),
    ],
)
def test_automation_that_could_never_run_is_refused_when_defined(
    location: dg.Definitions,
    make: Callable[[dg.Definitions], Any],
    error: type[Exception],
    said: str,
) -> None:
    with pytest.raises(error) as caught:
        make(location)
    assert said in str(caught.value)


def apart() -> dg.Definitions:
    return mp.code_location(pipeline("boats", prefixed=True), DAILY)


def test_requests_are_run_or_come_back_with_what_can_be_done_here(
    location: dg.Definitions, instance: dg.DagsterInstance, tmp_path: Path
) -> None:
    def refuses(values: Mapping[str, Any]) -> Iterator[str]:
        if values.get("size.rows") == 13:
            yield "size.rows must not be 13 here"

    sensor = mp.requests_sensor(location, refuses)
    inbox = tmp_path / "home" / "inbox"
    inbox.mkdir(parents=True)
    (inbox / "good.yaml").write_text("as_of: 2026-01-05\nparams: {rows: 3}\n")
    (inbox / "late.yaml").write_text("as_of: 2027-01-05\nparams: {rows: 13}\n")
    (request,) = look(location, sensor, instance).run_requests
    run = launch(location, instance, request)
    look(location, sensor, instance)
    assert json.loads((inbox / "accepted" / "good.yaml.json").read_text())["dagster_run_id"] == run
    told = (inbox / "rejected" / "late.yaml.problems.txt").read_text()
    assert (
        "- as_of must be a day from 2026-01-01 to 2026-01-31, but got 2027-01-05; the partitions of"
        " pipeline 'flats' are the calendar\n- size.rows must not be 13 here\n" in told
    )
    assert "as_of: 2026-01-31\nparams:\n  size:\n    rows: 2\n" in told


def test_new_data_of_any_kind_is_run(
    location: dg.Definitions, instance: dg.DagsterInstance
) -> None:
    days = {
        date(2026, 1, 4): "",
        date(2026, 1, 5): "2026-01-05T08:00",
        date(2020, 1, 1): "too early",
    }
    sensor = mp.new_data_sensor(location, lambda params: ("there", dict(days)))
    assert sensor.description == (
        "Runs the dates whose data are new or have changed. Parameters: the defaults."
    )
    with dg.build_sensor_context(instance=instance, definitions=location) as context:
        first = sensor.evaluate_tick(context)
    assert first.skip_message == "first look at there: 2 days are there, none is run"
    days[date(2026, 1, 5)] = "2026-01-05T09:00"
    with dg.build_sensor_context(
        instance=instance, definitions=location, cursor=first.cursor
    ) as context:
        (request,) = sensor.evaluate_tick(context).run_requests or []
    assert request.partition_key == "2026-01-05"


def test_two_pipelines_of_a_location_have_doors_of_their_own(
    location: dg.Definitions, instance: dg.DagsterInstance, tmp_path: Path
) -> None:
    boats = apart()
    doors = [
        dg.Definitions(
            sensors=[mp.requests_sensor(each), mp.new_data_sensor(each, lambda _: ("x", {}))],
            schedules=[mp.window_schedule(each), mp.sweep_schedule(each, SWEEP)],
        )
        for each in (location, boats)
    ]
    defs = dg.Definitions.merge(location, boats, *doors)
    names = {one.name for one in [*(defs.sensors or []), *(defs.schedules or [])]}
    own = {"requests", "new_data", "daily_window", "weekly_sweep"}
    assert names == own | {f"boats_{name}" for name in own}
    inbox = tmp_path / "home" / "inbox"
    (inbox / "boats").mkdir(parents=True)
    (inbox / "boats" / "one.yaml").write_text("as_of: 2026-01-05\n")
    assert look(defs, defs.resolve_sensor_def("requests"), instance).run_requests == []
    (request,) = look(defs, defs.resolve_sensor_def("boats_requests"), instance).run_requests
    assert request.asset_selection == [dg.AssetKey(["boats", "score"])]
    launch(defs, instance, request)
    look(defs, defs.resolve_sensor_def("boats_requests"), instance)
    assert (inbox / "boats" / "accepted" / "one.yaml").is_file()


def test_store_that_cannot_be_opened_is_blamed_on_what_names_it(
    tmp_path: Path, setting: Callable[..., None]
) -> None:
    (tmp_path / "file").touch()
    place = str(tmp_path / "file" / "store")
    in_code = mp.code_location(pipeline("flats"), DAILY, lambda: place)
    with pytest.raises(mp.StoreError, match="or set store_root of the code location"):
        _ = location_of(in_code).store
    setting(store=place)
    with pytest.raises(mp.StoreError, match="or set ML_PIPELINE_STORE"):
        _ = location_of(mp.code_location(pipeline("flats"), DAILY)).store
