"""Schedules of a pipeline: its last days are kept complete, and a sweep goes over more of them.

Their parameters are settings, checked when definitions load. Both are off until somebody turns
them on.
"""

import json
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any, Final, TypeAlias, TypeVar

import dagster as dg

from ml_pipeline.dagster.arguments import resources_to_decide
from ml_pipeline.dagster.assets import selection_of
from ml_pipeline.dagster.automation import run_request
from ml_pipeline.dagster.calendar import Calendar
from ml_pipeline.dagster.errors import unwrapped
from ml_pipeline.dagster.hosts import WithInstance
from ml_pipeline.dagster.location import location_of
from ml_pipeline.errors import ArtifactMissing, ParamsError, PipelineError, ServingRefused
from ml_pipeline.launch.names import names_of
from ml_pipeline.launch.request_document import Rules, read_request
from ml_pipeline.launch.run_request import RequestedRun, requested_run
from ml_pipeline.launch.standing import described, standing, unusable
from ml_pipeline.params.as_of import AsOf
from ml_pipeline.params.layers import SEARCH
from ml_pipeline.params.model import ParamSet
from ml_pipeline.runs.materializer import Materializer
from ml_pipeline.settings import settings
from ml_pipeline.settings import unusable as settings_unusable
from ml_pipeline.text import quoted

_MUST: Final = "must be a cron expression such as 0 6 * * *, got"

T = TypeVar("T")
Answer: TypeAlias = list[dg.RunRequest] | dg.SkipReason


@unwrapped()
def window_schedule(
    location: dg.Definitions, cron: str = "0 6 * * *", last: int = 7, name: str = ""
) -> dg.ScheduleDefinition:
    """Return the schedule that asks for what is missing of the last days.

    That is what has not been made, has failed, or would come out otherwise now. It asks with the
    installation's standing parameters. Settings of the installation win over what is given here.

    Args:
        location: what `code_location` returned for the pipeline.
        cron: when; the setting `daily_cron` wins.
        last: how many last days it keeps complete; the setting `daily_days` wins.
        name: its name; if omitted, `daily_window`, after the pipeline's where that is `prefixed`.

    Raises:
        PipelineError: if there is not one pipeline in the definitions, or no such time.
        SettingsError: if its parameters or time cannot be used, or the pipeline is not partitioned
            by time.
    """
    made_of = location_of(location)
    made_of.calendar.refuse_timeless()
    pipeline = made_of.pipeline
    most = _set("daily_days", last)

    resources = resources_to_decide(pipeline)

    def keep_complete(context: dg.ScheduleEvaluationContext) -> Answer:
        params = standing(pipeline.params)
        host = None
        if pipeline.reads_others or resources:
            host = WithInstance(context.instance, context.resources if resources else None)
        materializer = Materializer(pipeline, made_of.store, host=host)
        calendar = made_of.calendar_in(context)
        window = calendar.recent(most)
        missing, waiting = _missing(materializer, params, window)
        if not missing and waiting:
            return dg.SkipReason(waiting)
        if not missing:
            return dg.SkipReason(f"{window[0]} to {window[-1]} are published")
        return [
            run_request(requested_run(pipeline, params, dates), _run_key(context, dates))
            for dates in calendar.in_runs(missing, made_of.dates_per_run)
        ]

    return _schedule(
        name or names_of(pipeline).window,
        _time("daily_cron", cron),
        keep_complete,
        selection_of(pipeline),
        resources,
        f"Runs those of the last {most} days that are not published as they would"
        f" be now. {described(standing(pipeline.params))}",
    )


@unwrapped()
def sweep_schedule(
    location: dg.Definitions,
    sweep: Mapping[str, Any],
    cron: str = "0 8 * * 1",
    last: int = 28,
    name: str = "",
) -> dg.ScheduleDefinition:
    """Return the schedule that sweeps over the last days.

    What the sweep leaves open are the installation's standing parameters. Settings of the
    installation win over what is given here.

    Args:
        location: what `code_location` returned for the pipeline.
        sweep: `params`, which may have several values each, and `search`, as in a request file; the
            setting `weekly_sweep` wins, and an empty one skips every tick.
        cron: when; the setting `weekly_cron` wins.
        last: how many last days it covers; the setting `weekly_days` wins.
        name: its name; if omitted, `weekly_sweep`, after the pipeline's where that is `prefixed`.

    Raises:
        PipelineError: if there is not one pipeline in the definitions, it declares no objective, or
            there is no such time.
        ParamsError: if the sweep that is given cannot be asked for, naming every problem.
        SettingsError: the same of one that is set, or if the pipeline is not partitioned by time.
    """
    made_of = location_of(location)
    made_of.calendar.refuse_timeless()
    pipeline, at_first = made_of.pipeline, made_of.calendar
    called, most = name or names_of(pipeline).sweep_schedule, _set("weekly_days", last)
    wanted = _set("weekly_sweep", sweep)
    if not pipeline.is_judged:
        raise PipelineError(
            f"A pipeline must declare an objective to be swept, but '{pipeline.name}' declares"
            " none: give one stage `@pipeline.asset(objective=...)`."
        )

    def asked(calendar: Calendar) -> RequestedRun:
        window = calendar.recent(most)
        dates = {"from": str(window[0]), "to": str(window[-1])}
        rules = Rules(pipeline, calendar, standing=settings().params)
        try:
            return read_request({SEARCH: {}, **wanted, **dates}, f"schedule {called}", rules)
        except ParamsError as error:
            if not _is_set("weekly_sweep"):
                raise
            raise unusable("weekly_sweep", error) from None

    def sweep_window(context: dg.ScheduleEvaluationContext) -> Answer:
        if not wanted:
            return dg.SkipReason("nothing is set to be swept")
        run = asked(made_of.calendar_in(context))
        return [run_request(run, _run_key(context, run.dates))]

    # A deployment that only reads has its ticks refused, in words, but loads all the same.
    only_reads = settings().environments.refusal(None) is not None
    if wanted and not at_first.is_dynamic and not only_reads:
        asked(at_first)
    return _schedule(
        called,
        _time("weekly_cron", cron),
        sweep_window,
        dg.AssetSelection.assets(names_of(pipeline).sweep),
        (),
        f"Sweeps over the last {most} days:"
        f" {json.dumps(wanted)}. {described(standing(pipeline.params))}",
    )


def _schedule(
    name: str,
    cron: str,
    evaluate: Callable[[dg.ScheduleEvaluationContext], Answer],
    target: dg.AssetSelection,
    resources: Collection[str],
    description: str,
) -> dg.ScheduleDefinition:
    return dg.schedule(
        name=name,
        cron_schedule=cron,
        target=target,
        execution_timezone=settings().timezone,
        description=description,
        required_resource_keys=set(resources),
    )(unwrapped()(evaluate))


def _is_set(name: str) -> bool:
    """Whether an installation sets something itself."""
    return name in settings().model_fields_set


def _set(name: str, own: T) -> T:
    """Return a setting where it is set, or else what the pipeline's author wants."""
    found: T = getattr(settings(), name)
    return found if _is_set(name) else own


def _time(setting: str, cron: str) -> str:
    """Return when a schedule ticks.

    Raises:
        SettingsError: naming every setting that is no time.
        PipelineError: if what the pipeline's author wants is none.
    """
    problems = [
        f"{name}: it {_MUST} {quoted(found)}"
        for name in ("daily_cron", "weekly_cron")
        if _is_set(name) and not _is_cron(found := getattr(settings(), name))
    ]
    if problems:
        raise settings_unusable(problems)
    refuse_no_cron(cron)
    return _set(setting, cron)


def refuse_no_cron(cron: str) -> None:
    """Refuse what a pipeline's author wants where it is no time.

    Raises:
        PipelineError: if it is none.
    """
    if not _is_cron(cron):
        raise PipelineError(f"cron {_MUST} {quoted(cron)}.")


def _is_cron(text: str) -> bool:
    try:
        dg.ScheduleDefinition("tried", cron_schedule=text, job_name="tried")
    except dg.DagsterInvalidDefinitionError:
        return False
    return True


def _missing(
    materializer: Materializer, params: ParamSet, window: Sequence[AsOf]
) -> tuple[list[AsOf], str]:
    """Return the days to ask for, and why others have to wait for what somebody else makes."""
    missing, waiting = [], ""
    for day in window:
        try:
            plan = list(materializer.plan(params, day))
        except (ArtifactMissing, ServingRefused) as error:
            waiting = str(error)
            continue
        if any(decided.action != "reuse" for decided in plan):
            missing.append(day)
    return missing, waiting


def _run_key(context: dg.ScheduleEvaluationContext, dates: Sequence[AsOf | None]) -> str:
    return f"{context.scheduled_execution_time.isoformat()} {dates[0]}"
