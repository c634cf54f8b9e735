"""From a pipeline to Dagster assets.

One Dagster step makes all selected stages, date by date. That way a date that fails takes only
itself down, every event appears while the run goes on, and a run costs one step, not one for each
stage.

Of many dates, each is told of when all of it is done: what a backfill has left over is then the
same dates of every asset, which Dagster puts into one run again. If each asset had dates of its
own, it would make a run for each. What a date published before it failed is reused.
"""

from collections.abc import Collection, Iterable, Iterator, Sequence
from functools import partial
from typing import Any, Final

import dagster as dg

from ml_pipeline.dagster.arguments import resources_of, resources_to_decide
from ml_pipeline.dagster.checks import asked_alone, check_specs, evaluations, in_short
from ml_pipeline.dagster.errors import unwrapped
from ml_pipeline.dagster.hosts import InStep
from ml_pipeline.dagster.io_manager import ParamIOManager
from ml_pipeline.dagster.metadata import picture, table
from ml_pipeline.dagster.pages import form_link
from ml_pipeline.dagster.private import NO_EVENT, tag_run
from ml_pipeline.dagster.private_envelopes import stored_in_short
from ml_pipeline.dagster.private_events import stored_at_once
from ml_pipeline.dagster.private_steps import needing_only_what_is_selected
from ml_pipeline.dagster.stages import asset_key, pool_of, refuse_other_partitions, told_of
from ml_pipeline.errors import MlPipelineError, told
from ml_pipeline.launch.names import names_of
from ml_pipeline.launch.run_request import run_tags
from ml_pipeline.params.as_of import AsOf, as_of_from_key, noun_of
from ml_pipeline.runs.date_result import ArtifactResult, DateResult, artifact_result
from ml_pipeline.runs.decisions import Outcome
from ml_pipeline.runs.materializer import Materializer
from ml_pipeline.runs.range_report import RangeReport
from ml_pipeline.runs.stage import Stage
from ml_pipeline.runs.stages import Pipeline
from ml_pipeline.runs.story import Story
from ml_pipeline.text import counted, for_markdown
from ml_pipeline.tracking.switched_on import tracker_of
from ml_pipeline.tracking.tracker import StageFailure

FAILURES: Final = "failures"
"""Metadata of a failed step: reason by date."""


def pipeline_assets(
    pipeline: Pipeline,
    partitions: dg.PartitionsDefinition[str] | None,
    dates_per_run: int = 32,
    group_name: str | None = None,
) -> dg.AssetsDefinition:
    """Return the assets of a pipeline.

    Args:
        pipeline: the stages.
        partitions: of all assets, or None for a pipeline without.
        dates_per_run: most dates that a backfill puts into one run.
        group_name: Dagster's group for the assets that name none.

    Raises:
        PipelineError: if what stages read has other partitions.
    """
    refuse_other_partitions(pipeline, partitions)
    io_manager = names_of(pipeline).io_manager
    link = form_link(pipeline.name)
    form = {"form": dg.MetadataValue.url(link)} if link is not None else {}
    specs = [
        dg.AssetSpec(
            asset_key(stage),
            deps=[
                *(asset_key(pipeline.stage(n)) for n in (*stage.upstream, *stage.looked_back_at)),
                *told_of(stage).others,
            ],
            description=stage.description,
            group_name=stage.group or group_name,
            owners=stage.owners,
            tags=stage.tags,
            code_version=stage.code,
            kinds=set(stage.kinds),
            metadata={
                **told_of(stage).metadata,
                "parameter_groups": ", ".join(stage.scope),
                **form,
            },
            automation_condition=told_of(stage).automation_condition,
            freshness_policy=told_of(stage).freshness_policy,
            skippable=True,
        ).with_io_manager_key(io_manager)
        for stage in pipeline.stages.values()
    ]

    def needed(keys: Collection[dg.AssetKey]) -> set[str]:
        always = {io_manager, *resources_to_decide(pipeline)}
        return always.union(*map(resources_of, _among(pipeline, keys)))

    def pool(keys: Collection[dg.AssetKey]) -> str | None:
        return pool_of(_among(pipeline, keys))

    everything = [asset_key(stage) for stage in pipeline.stages.values()]
    checks = check_specs(pipeline, partitions)

    @dg.multi_asset(
        name=pipeline.name,
        specs=specs,
        check_specs=checks,
        can_subset=True,
        partitions_def=partitions,
        required_resource_keys=needed(everything),
        pool=pool(everything),
        backfill_policy=dg.BackfillPolicy.multi_run(dates_per_run) if partitions else None,
    )
    def make(context: dg.AssetExecutionContext) -> Iterator[Any]:
        if partitions and not (context.has_partition_key or context.has_partition_key_range):
            raise dg.DagsterInvariantViolationError(
                f"Checks of '{pipeline.name}' must be asked for a partition, but this run has none."
                " Materialize their asset for one: what is published is reused and judged."
            )
        dates = [as_of_from_key(key) for key in context.partition_keys] if partitions else [None]
        manager: ParamIOManager = getattr(context.resources, io_manager)
        shorten = partial(in_short, is_brief=len(dates) > 1)
        with (
            unwrapped(),
            stored_in_short(context.instance, shorten),
            InStep(context, partitions) as host,
        ):
            yield from _make(context, manager, manager.materializer.hosted(host), dates)
        # Dagster tells what comes after of checks by their outputs, whatever was found.
        for spec in checks:
            if spec.key in context.selected_asset_check_keys:
                yield dg.Output(None, spec.get_python_identifier())

    return needing_only_what_is_selected(make, needed, pool)


def selection_of(pipeline: Pipeline) -> dg.AssetSelection:
    """Return the assets of a pipeline, to give jobs, sensors and schedules."""
    return dg.AssetSelection.assets(*map(asset_key, pipeline.selected()))


def _make(
    context: dg.AssetExecutionContext,
    manager: ParamIOManager,
    materializer: Materializer,
    dates: Sequence[AsOf | None],
) -> Iterator[Any]:
    stages = manager.pipeline.selected()
    keys = {stage.name: asset_key(stage) for stage in stages}
    keys = {name: key for name, key in keys.items() if key in context.selected_asset_keys}
    failures: dict[str, Exception] = {}
    if not keys:
        chosen = context.selected_asset_check_keys
        for as_of in dates:
            try:
                yield from asked_alone(
                    manager.pipeline, materializer, manager.params, as_of, chosen, context.instance
                )
            except MlPipelineError as error:
                failures[str(as_of)] = error
        if failures:
            raise _failure(failures, dates)
        return
    results: list[DateResult] = []

    def checked(outcomes: Iterable[Outcome]) -> Iterator[dg.AssetCheckEvaluation]:
        with stored_at_once(context.instance):
            for outcome in outcomes:
                yield from evaluations(
                    manager.pipeline, outcome.checks, outcome.record, context.instance
                )

    def events(outcomes: Iterable[Outcome]) -> Iterator[Any]:
        with stored_at_once(context.instance):
            for outcome in outcomes:
                yield manager.event(outcome, context, len(dates) > 1)
                yield from checked([outcome])

    tracker = tracker_of(manager.pipeline, manager.store.environment)
    tag_run(context.instance, context.run, run_tags(manager.pipeline, manager.params, dates))
    story = Story(context.log.info, manager.params, dates, list(keys))
    for as_of in dates:
        made: list[ArtifactResult] = []
        outcomes: list[Outcome] = []
        try:
            for outcome in materializer.run(manager.params, as_of, keys):
                tracker.made(manager.store, outcome)
                story.made(outcome)
                made.append(
                    artifact_result(manager.store, outcome.slot, outcome.record, outcome.reused)
                )
                outcomes.append(outcome)
                if len(dates) == 1:
                    yield from events(outcomes)
                    outcomes = []
            yield from events(outcomes)
        except Exception as caught:
            failures[str(as_of)] = why = _in_words(caught, context.instance)
            stage = manager.pipeline.stage(_at_work(keys, made))
            of = StageFailure(stage, manager.params, as_of, why, context.run.run_id)
            tracker.failed(manager.store, of)
            yield from checked(outcomes)
            if len(dates) > 1:
                context.log.exception(f"{as_of}: {told(why)}")
        failure = failures.get(str(as_of))
        run_id = manager.pipeline.run_slot(manager.params, as_of).run_id
        reason = told(failure) if failure else None
        results.append(DateResult(as_of, run_id, context.run.run_id, made, reason))
        story.over(results)
    tracker.settle()
    report = RangeReport(results)
    story.ended(report)
    if len(dates) > 1:
        yield dg.AssetObservation(list(keys.values())[-1], metadata=together(report))
    if failures:
        raise _failure(failures, dates)
    for key in keys.values():
        yield dg.MaterializeResult(asset_key=key, metadata=NO_EVENT)


def _in_words(error: Exception, instance: dg.DagsterInstance) -> Exception:
    """Return what says what has happened: an error itself, unless a database speaks in it."""
    from ml_pipeline.dagster.instance import database_failure, database_faults

    if not isinstance(error, database_faults()):
        return error
    said = database_failure(instance.root_directory, error)
    said.__cause__ = error
    return said


def _at_work(names: Iterable[str], made: Sequence[ArtifactResult]) -> str:
    """Return the stage that was being made when something failed: the first that is not there."""
    done = {one.asset for one in made}
    in_order = list(names)
    return next((name for name in in_order if name not in done), in_order[-1])


def _among(pipeline: Pipeline, keys: Collection[dg.AssetKey]) -> list[Stage]:
    return [stage for stage in pipeline.stages.values() if asset_key(stage) in keys]


def together(report: RangeReport) -> dict[str, Any]:
    """Return what became of many dates as metadata."""
    metadata: dict[str, Any] = {
        "summary": report.sentence,
        "dates_done": len(report.done),
        "dates_reused": report.reused,
        "dates_failed": len(report.results) - len(report.done),
    }
    if report.failures:
        metadata["failures"] = dg.MetadataValue.md(
            "\n".join(f"- {for_markdown(reason)}" for reason in report.reasons)
        )
    columns, rows = report.table()
    if rows:
        metadata["metrics_over_dates"] = table(columns, rows)
    if (drawn := report.picture()) is not None:
        metadata["picture"] = picture(drawn)
    return metadata


def _failure(failures: dict[str, Exception], dates: Sequence[AsOf | None]) -> dg.Failure:
    first = next(iter(failures.values()))
    if len(dates) == 1:
        description = told(first)
    else:
        listed = "".join(f"\n  {as_of}: {told(error)}" for as_of, error in failures.items())
        of = f"of {counted(len(dates), noun_of(dates))}"
        description = f"{len(failures)} {of} failed, the others are done:{listed}"
    failure = dg.Failure(
        description,
        metadata={FAILURES: {as_of: told(error) for as_of, error in failures.items()}},
        allow_retries=False,
    )
    failure.__cause__ = first
    return failure
