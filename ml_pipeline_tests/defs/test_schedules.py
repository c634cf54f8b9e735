"""The schedules of the reference pipeline: which days they ask for, and with what."""

import json
import os
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import dagster as dg
import pytest

from ml_pipeline.definitions import defs, location
from ml_pipeline.defs.assets import PIPELINE
from ml_pipeline.defs.schedules import schedules
from ml_pipeline.errors import SettingsError
from ml_pipeline.launch.run_config import ORIGINS_TAG
from ml_pipeline.runs.materializer import Materializer
from ml_pipeline.settings import settings
from ml_pipeline.store.artifacts import ArtifactStore

LAST = date(1998, 6, 30)
DAILY, WEEKLY = "daily_window", "weekly_sweep"
AT = datetime(2026, 11, 22, 6, tzinfo=UTC)
PARAMS = {"training": {"estimator": "linear", "max_iter": 5}}


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    for name in [name for name in os.environ if name.startswith("ML_PIPELINE_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("ML_PIPELINE_HOME", str(tmp_path))
    settings.cache_clear()
    yield tmp_path
    settings.cache_clear()


@pytest.fixture
def setting(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    def change(**variables: object) -> None:
        for name, value in variables.items():
            text = value if isinstance(value, str) else json.dumps(value)
            monkeypatch.setenv(f"ML_PIPELINE_{name.upper()}", text)
        settings.cache_clear()

    return change


def schedule(name: str) -> dg.ScheduleDefinition:
    (found,) = (one for one in schedules(location()) if one.name == name)
    return found


def tick(name: str) -> tuple[list[dg.RunRequest], str | None]:
    with dg.build_schedule_context(
        scheduled_execution_time=AT, repository_def=defs.get_repository_def()
    ) as context:
        ticked = schedule(name).evaluate_tick(context)
    return list(ticked.run_requests or []), ticked.skip_message


def publish(days: int, before: int = 0) -> None:
    """Make some days, the last of them `before` days before the last of the calendar."""
    materializer = Materializer(PIPELINE, ArtifactStore(settings().store_root))
    params = PIPELINE.params.validate(PARAMS)
    for back in range(days):
        list(materializer.run(params, LAST - timedelta(days=before + back)))


def _dates(request: dg.RunRequest) -> tuple[str, str]:
    first = request.tags.get("dagster/asset_partition_range_start", request.partition_key)
    last = request.tags.get("dagster/asset_partition_range_end", request.partition_key)
    return str(first), str(last)


def test_daily_schedule_is_off_and_shows_its_parameters(setting: Callable[..., None]) -> None:
    setting(params=PARAMS, daily_days=3, daily_cron="30 5 * * *", timezone="Europe/Oslo")
    daily = schedule(DAILY)
    assert daily.default_status is dg.DefaultScheduleStatus.STOPPED
    assert (daily.cron_schedule, daily.execution_timezone) == ("30 5 * * *", "Europe/Oslo")
    assert daily.description == (
        "Runs those of the last 3 days that are not published as they would be now."
        ' Parameters: training.estimator="linear", training.max_iter=5.'
    )


def test_daily_schedule_asks_for_the_window_in_one_run_with_its_values(
    setting: Callable[..., None],
) -> None:
    setting(params=PARAMS)
    (request,), _ = tick(DAILY)
    assert _dates(request) == ("1998-06-24", "1998-06-30")
    assert request.run_config["resources"]["params"]["config"] == PARAMS
    assert json.loads(request.tags[ORIGINS_TAG]) == {
        "training.estimator": "settings",
        "training.max_iter": "settings",
    }
    assert request.tags["dagster/schedule_name"] == DAILY


def test_daily_schedule_asks_only_for_what_is_not_published(
    setting: Callable[..., None],
) -> None:
    setting(params=PARAMS, daily_days=5)
    publish(1, before=1)
    requests, _ = tick(DAILY)
    assert [_dates(r) for r in requests] == [
        ("1998-06-26", "1998-06-28"),
        ("1998-06-30", "1998-06-30"),
    ]
    assert len({request.run_key for request in requests}) == 2
    publish(5)
    assert tick(DAILY) == ([], "1998-06-26 to 1998-06-30 are published")


def test_daily_schedule_asks_again_for_a_day_that_failed_half_way(
    setting: Callable[..., None],
) -> None:
    setting(params=PARAMS, daily_days=1)
    publish(1)
    store = ArtifactStore(settings().store_root)
    slot = PIPELINE.stage("evaluation").slot(PIPELINE.params.validate(PARAMS), LAST)
    store.discard(slot, store.revisions(slot)[0].revision)
    (request,), _ = tick(DAILY)
    assert _dates(request) == ("1998-06-30", "1998-06-30")


def test_daily_schedule_splits_long_windows_and_stays_in_the_calendar(
    setting: Callable[..., None],
) -> None:
    setting(daily_days=100, dates_per_run=3, start_date="1998-06-25")
    assert [_dates(request) for request in tick(DAILY)[0]] == [
        ("1998-06-25", "1998-06-27"),
        ("1998-06-28", "1998-06-30"),
    ]


def test_weekly_schedule_says_what_it_sweeps_and_skips_where_that_is_nothing(
    setting: Callable[..., None],
) -> None:
    assert [one.name for one in schedules(location())] == [DAILY, WEEKLY, "retention"]
    assert schedule(WEEKLY).description == (
        "Sweeps over the last 28 days:"
        ' {"params": {"learning_rate": [0.05, 0.1, 0.2]}, "search": {}}.'
        " Parameters: the defaults."
    )
    setting(weekly_sweep="{}")
    assert tick(WEEKLY) == ([], "nothing is set to be swept")


def test_weekly_schedule_sweeps_over_its_window(setting: Callable[..., None]) -> None:
    setting(weekly_days=14)
    (request,), _ = tick(WEEKLY)
    assert request.asset_selection == [dg.AssetKey("sweep")]
    assert _dates(request) == ("1998-06-17", "1998-06-30")
    assert request.run_config["resources"]["sweep"]["config"] == {
        "training": {"learning_rate": [0.05, 0.1, 0.2]},
        "search": {},
    }


def test_weekly_schedule_covers_its_window_with_its_values_over_the_standing_ones(
    setting: Callable[..., None],
) -> None:
    setting(params=PARAMS, weekly_sweep={"params": {"max_iter": [9, 10]}}, weekly_days=14)
    (request,), _ = tick(WEEKLY)
    assert _dates(request) == ("1998-06-17", "1998-06-30")
    assert request.run_config["resources"]["sweep"]["config"] == {
        "training": {"estimator": "linear", "max_iter": [9, 10]},
        "search": {},
    }
    assert json.loads(request.tags[ORIGINS_TAG]) == {
        "training.estimator": "settings",
        "training.max_iter": "schedule weekly_sweep; overrides 5 of settings",
    }


@pytest.mark.parametrize(
    ("variables", "told"),
    [
        ({"params": {"training": {"max_iter": 0}}}, "params: training.max_iter must be integer"),
        ({"weekly_sweep": {"params": {"max_itr": 5}}}, "Did you mean 'max_iter'?"),
        ({"weekly_sweep": {"prams": {}}}, "'prams' does not exist. Did you mean 'params'?"),
    ],
)
def test_schedule_with_bad_parameters_stops_the_definitions(
    setting: Callable[..., None], variables: dict[str, object], told: str
) -> None:
    setting(**variables)
    with pytest.raises(SettingsError) as caught:
        schedules(location())
    assert told in str(caught.value)
    assert f"ML_PIPELINE_{next(iter(variables)).upper()}" in str(caught.value)


def test_times_of_schedules_that_are_none_are_reported_together(
    setting: Callable[..., None],
) -> None:
    setting(daily_cron="every day", weekly_cron="0 0 31 2 *")
    with pytest.raises(SettingsError) as caught:
        schedules(location())
    assert str(caught.value).splitlines()[:3] == [
        "Settings cannot be used:",
        "  daily_cron: it must be a cron expression such as 0 6 * * *, got 'every day'",
        "  weekly_cron: it must be a cron expression such as 0 6 * * *, got '0 0 31 2 *'",
    ]
