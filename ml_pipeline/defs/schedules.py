"""Schedules: the last days are kept complete every day, and a sweep goes over more of them weekly.

Their parameters are settings, checked when definitions load. Both are off until somebody turns
them on.
"""

import json
from collections.abc import Callable, Iterable
from datetime import date, timedelta
from typing import Final

import dagster as dg

from ml_pipeline.dagster.automation import run_request
from ml_pipeline.dagster.errors import unwrapped
from ml_pipeline.defs.assets import PIPELINE
from ml_pipeline.defs.partitions import daily, last_day
from ml_pipeline.defs.requests import own_rules, standing, told, unusable
from ml_pipeline.errors import ParamsError
from ml_pipeline.launch.dates import days_between
from ml_pipeline.launch.request_document import read_request
from ml_pipeline.launch.run_request import RequestedRun, in_ranges, requested_run
from ml_pipeline.params.layers import SEARCH
from ml_pipeline.params.model import ParamSet
from ml_pipeline.runs.materializer import Materializer
from ml_pipeline.settings import Settings, settings
from ml_pipeline.settings import unusable as settings_unusable
from ml_pipeline.store.artifacts import ArtifactStore
from ml_pipeline.text import quoted

DAILY: Final = "daily_window"
WEEKLY: Final = "weekly_sweep"

Asked = list[dg.RunRequest] | dg.SkipReason


@unwrapped()
def schedules(configured: Settings) -> list[dg.ScheduleDefinition]:
    """Return the schedules; the weekly one only where something is set to be swept.

    Raises:
        SettingsError: if parameters or the times of one cannot be used, naming every problem.
    """
    _refuse_other_than_crons(configured)
    days = configured.daily_days
    found = [
        _schedule(
            DAILY,
            configured.daily_cron,
            keep_complete,
            PIPELINE.stages,
            f"Runs those of the last {days} days that are not published as they would be now."
            f" {told(standing())}",
        )
    ]
    if configured.weekly_sweep:
        days = configured.weekly_days
        assets = weekly_run(configured).assets
        found.append(
            _schedule(
                WEEKLY,
                configured.weekly_cron,
                sweep_window,
                assets,
                f"Sweeps over the last {days} days: {json.dumps(configured.weekly_sweep)}."
                f" {told(standing())}",
            )
        )
    return found


@unwrapped()
def keep_complete(context: dg.ScheduleEvaluationContext) -> Asked:
    """Ask for the days of the window that are missing, have failed, or would come out otherwise."""
    configured = settings()
    params = standing()
    materializer = Materializer(PIPELINE, ArtifactStore(configured.store_root))
    window = _window(configured, configured.daily_days)
    missing = [day for day in window if not _is_published(materializer, params, day)]
    if not missing:
        return dg.SkipReason(f"{window[0]} to {window[-1]} are published")
    return [
        run_request(requested_run(PIPELINE, params, dates), _run_key(context, dates[0]))
        for dates in in_ranges(missing, configured.dates_per_run)
    ]


@unwrapped()
def sweep_window(context: dg.ScheduleEvaluationContext) -> Asked:
    """Ask for the sweep over the window."""
    run = weekly_run(settings())
    return [run_request(run, _run_key(context, run.dates[0]))]


def weekly_run(configured: Settings) -> RequestedRun:
    """Return the run of the weekly sweep: standing parameters, and what the setting says on top.

    Raises:
        SettingsError: naming every problem with the setting.
    """
    window = _window(configured, configured.weekly_days)
    asked = {SEARCH: {}, **configured.weekly_sweep, "from": str(window[0]), "to": str(window[-1])}
    try:
        return read_request(asked, f"schedule {WEEKLY}", own_rules())
    except ParamsError as error:
        raise unusable(WEEKLY, error) from None


def _schedule(
    name: str,
    cron: str,
    evaluate: Callable[[dg.ScheduleEvaluationContext], Asked],
    assets: Iterable[str],
    description: str,
) -> dg.ScheduleDefinition:
    return dg.schedule(
        name=name,
        cron_schedule=cron,
        target=dg.AssetSelection.assets(*assets),
        execution_timezone=settings().timezone,
        description=description,
    )(evaluate)


def _refuse_other_than_crons(configured: Settings) -> None:
    problems = []
    for name in ("daily_cron", "weekly_cron"):
        cron = getattr(configured, name)
        try:
            dg.ScheduleDefinition(name, cron_schedule=cron, job_name=name)
        except dg.DagsterInvalidDefinitionError:
            problems.append(
                f"{name}: it must be a cron expression such as 0 6 * * *, got {quoted(cron)}"
            )
    if problems:
        raise settings_unusable(problems)


def _window(configured: Settings, days: int) -> list[date]:
    last = last_day(daily(configured))
    first = max(configured.start_date, last - timedelta(days=days - 1))
    return days_between(first, last)


def _is_published(materializer: Materializer, params: ParamSet, day: date) -> bool:
    return all(decided.action == "reuse" for decided in materializer.plan(params, day))


def _run_key(context: dg.ScheduleEvaluationContext, first: date) -> str:
    return f"{context.scheduled_execution_time.isoformat()} {first}"
