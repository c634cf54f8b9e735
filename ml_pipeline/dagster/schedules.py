"""Schedules of a pipeline: its last days are kept complete, and a sweep goes over more of them.

Their parameters are settings, checked when definitions load. Both are off until somebody turns
them on.
"""

import json
from collections.abc import Callable, Sequence
from datetime import date
from typing import Final, TypeAlias

import dagster as dg

from ml_pipeline.dagster.assets import selection_of
from ml_pipeline.dagster.automation import run_request
from ml_pipeline.dagster.calendar import Calendar, last_days
from ml_pipeline.dagster.errors import unwrapped
from ml_pipeline.errors import ParamsError
from ml_pipeline.launch.names import names_of
from ml_pipeline.launch.request_document import Rules, read_request
from ml_pipeline.launch.run_request import RequestedRun, in_ranges, requested_run
from ml_pipeline.launch.standing import described, standing, unusable
from ml_pipeline.params.layers import SEARCH
from ml_pipeline.params.model import ParamSet
from ml_pipeline.runs.materializer import Materializer
from ml_pipeline.runs.stages import Pipeline
from ml_pipeline.settings import settings
from ml_pipeline.settings import unusable as settings_unusable
from ml_pipeline.store.artifacts import ArtifactStore
from ml_pipeline.text import quoted

DAILY: Final = "daily_window"
WEEKLY: Final = "weekly_sweep"

Answer: TypeAlias = list[dg.RunRequest] | dg.SkipReason


@unwrapped()
def daily_schedule(pipeline: Pipeline, calendar: Calendar) -> dg.ScheduleDefinition:
    """Return the schedule that asks for what is missing of the last days.

    That is what has not been made, has failed, or would come out otherwise now.

    Args:
        pipeline: the stages.
        calendar: returns the days that runs may be as of.

    Raises:
        SettingsError: if its parameters or time cannot be used.
    """

    def keep_complete(context: dg.ScheduleEvaluationContext) -> Answer:
        configured, params = settings(), standing(pipeline.params)
        materializer = Materializer(pipeline, ArtifactStore(configured.store_root))
        window = last_days(calendar(configured), configured.daily_days)
        missing = [day for day in window if not _is_published(materializer, params, day)]
        if not missing:
            return dg.SkipReason(f"{window[0]} to {window[-1]} are published")
        return [
            run_request(requested_run(pipeline, params, dates), _run_key(context, dates))
            for dates in in_ranges(missing, configured.dates_per_run)
        ]

    _refuse_other_than_crons()
    return _schedule(
        DAILY,
        settings().daily_cron,
        keep_complete,
        selection_of(pipeline),
        f"Runs those of the last {settings().daily_days} days that are not published as they would"
        f" be now. {described(standing(pipeline.params))}",
    )


@unwrapped()
def weekly_schedule(
    pipeline: Pipeline, calendar: Calendar, rules: Callable[[], Rules]
) -> dg.ScheduleDefinition | None:
    """Return the schedule that sweeps over the last days, where something is set to be swept.

    Args:
        pipeline: the stages.
        calendar: returns the days that runs may be as of.
        rules: returns what this installation itself may ask for.

    Raises:
        SettingsError: if its parameters or time cannot be used, naming every problem.
    """

    def asked() -> RequestedRun:
        configured = settings()
        window = last_days(calendar(configured), configured.weekly_days)
        dates = {"from": str(window[0]), "to": str(window[-1])}
        document = {SEARCH: {}, **configured.weekly_sweep, **dates}
        try:
            return read_request(document, f"schedule {WEEKLY}", rules())
        except ParamsError as error:
            raise unusable(WEEKLY, error) from None

    def sweep_window(context: dg.ScheduleEvaluationContext) -> Answer:
        run = asked()
        return [run_request(run, _run_key(context, run.dates))]

    _refuse_other_than_crons()
    configured = settings()
    if not configured.weekly_sweep:
        return None
    asked()
    return _schedule(
        WEEKLY,
        configured.weekly_cron,
        sweep_window,
        dg.AssetSelection.assets(names_of(pipeline).sweep),
        f"Sweeps over the last {configured.weekly_days} days:"
        f" {json.dumps(configured.weekly_sweep)}. {described(standing(pipeline.params))}",
    )


def _schedule(
    name: str,
    cron: str,
    evaluate: Callable[[dg.ScheduleEvaluationContext], Answer],
    target: dg.AssetSelection,
    description: str,
) -> dg.ScheduleDefinition:
    return dg.schedule(
        name=name,
        cron_schedule=cron,
        target=target,
        execution_timezone=settings().timezone,
        description=description,
    )(unwrapped()(evaluate))


def _refuse_other_than_crons() -> None:
    problems = []
    for name in ("daily_cron", "weekly_cron"):
        cron = getattr(settings(), name)
        try:
            dg.ScheduleDefinition(name, cron_schedule=cron, job_name=name)
        except dg.DagsterInvalidDefinitionError:
            problems.append(
                f"{name}: it must be a cron expression such as 0 6 * * *, got {quoted(cron)}"
            )
    if problems:
        raise settings_unusable(problems)


def _is_published(materializer: Materializer, params: ParamSet, day: date) -> bool:
    return all(decided.action == "reuse" for decided in materializer.plan(params, day))


def _run_key(context: dg.ScheduleEvaluationContext, dates: Sequence[date]) -> str:
    return f"{context.scheduled_execution_time.isoformat()} {dates[0]}"
