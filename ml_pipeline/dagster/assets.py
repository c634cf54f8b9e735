"""From a pipeline to Dagster assets.

One Dagster step makes all selected stages, date by date. That way a date that fails takes only
itself down, every event appears while the run goes on, and a run costs one step, not one for each
stage.
"""

from collections.abc import Callable, Iterator, Mapping
from datetime import date
from pathlib import Path
from typing import Any, Final

import dagster as dg

from ml_pipeline.dagster.errors import unwrapped
from ml_pipeline.dagster.io_manager import ParamIOManager, describe
from ml_pipeline.dagster.metadata import picture, table
from ml_pipeline.dagster.resources import IO_MANAGER, io_manager_resource, params_resource
from ml_pipeline.errors import told
from ml_pipeline.launch.run_config import PARAMS
from ml_pipeline.params.model import ParamSet
from ml_pipeline.runs.date_result import ArtifactResult, DateResult, artifact_result
from ml_pipeline.runs.decisions import Outcome
from ml_pipeline.runs.range_report import RangeReport
from ml_pipeline.runs.stages import Pipeline
from ml_pipeline.store.artifacts import ArtifactStore

FAILURES: Final = "failures"
"""Metadata of a failed step: reason by date."""

# Dagster adds a materialization of its own for every date of a run, with one data version for all
# of them, unless an output carries this mark. Here each date has a version of its own.
_NO_EVENT_OF_DAGSTERS_OWN: Final = {"__source_asset_observation__": True}


def pipeline_job(
    pipeline: Pipeline,
    partitions: dg.PartitionsDefinition[str] | None,
    store_root: Callable[[], str],
    code: Path,
) -> dg.JobDefinition:
    """Return the job that makes the assets of a pipeline and nothing else, for this process.

    Args:
        pipeline: the stages.
        partitions: daily partitions whose keys are ISO dates, or None for a pipeline without.
        store_root: returns the directory or URI of the artifacts; called once in each run.
        code: a directory in the checkout whose commit is recorded.
    """
    definitions = dg.Definitions(
        assets=[pipeline_assets(pipeline, partitions, group_name=pipeline.name)],
        resources={
            PARAMS: params_resource(pipeline.params),
            IO_MANAGER: io_manager_resource(pipeline, store_root, code),
        },
        executor=dg.in_process_executor,
    )
    return definitions.resolve_implicit_global_asset_job_def()


def pipeline_assets(
    pipeline: Pipeline,
    partitions: dg.PartitionsDefinition[str] | None,
    dates_per_run: int = 32,
    group_name: str | None = None,
) -> dg.AssetsDefinition:
    """Return the assets of a pipeline.

    Args:
        pipeline: the stages.
        partitions: daily partitions whose keys are ISO dates, or None for a pipeline without.
        dates_per_run: most dates that a backfill puts into one run.
        group_name: Dagster's group for the assets.
    """
    specs = [
        dg.AssetSpec(
            stage.name,
            deps=list(stage.upstream),
            description=stage.description,
            code_version=stage.code,
            kinds=set(stage.kinds),
            metadata={"parameter_groups": ", ".join(stage.scope)},
            skippable=True,
        )
        for stage in pipeline.stages.values()
    ]

    @dg.multi_asset(
        name=pipeline.name,
        specs=specs,
        can_subset=True,
        partitions_def=partitions,
        group_name=group_name,
        required_resource_keys={PARAMS, IO_MANAGER},
        backfill_policy=dg.BackfillPolicy.multi_run(dates_per_run) if partitions else None,
    )
    def make(context: dg.AssetExecutionContext) -> Iterator[Any]:
        dates = (
            [date.fromisoformat(key) for key in context.partition_keys] if partitions else [None]
        )
        with unwrapped():
            yield from _make(context, dates)

    return make


def _make(context: dg.AssetExecutionContext, dates: list[date] | list[None]) -> Iterator[Any]:
    params: ParamSet = context.resources.params
    manager: ParamIOManager = context.resources.io_manager
    selected = {key.to_user_string() for key in context.selected_asset_keys}
    selection = [stage.name for stage in manager.pipeline.selected(selected)]
    failures: dict[str, Exception] = {}
    results: list[DateResult] = []
    for as_of in dates:
        made: list[ArtifactResult] = []
        try:
            for outcome in manager.materializer.run(params, as_of, selection):
                made.append(
                    artifact_result(manager.store, outcome.slot, outcome.record, outcome.reused)
                )
                newest_event = context.instance.event_log_storage.get_maximum_record_id()
                yield materialization(outcome, manager.store, params.origins, newest_event)
        except Exception as error:
            failures[str(as_of)] = error
            if len(dates) > 1:
                context.log.exception(f"{as_of}: {told(error)}")
        if as_of is not None:
            failure = failures.get(str(as_of))
            run_id = manager.pipeline.run_slot(params, as_of).run_id
            reason = told(failure) if failure else None
            results.append(DateResult(as_of, run_id, context.run.run_id, made, reason))
    if len(results) > 1:
        report = RangeReport(results)
        context.log.info("\n".join([report.sentence, *report.reasons]))
        yield dg.AssetObservation(selection[-1], metadata=together(report))
    if failures:
        raise _failure(failures, len(dates))
    for asset in selection:
        yield dg.Output(None, output_name=asset, metadata=_NO_EVENT_OF_DAGSTERS_OWN)


def materialization(
    outcome: Outcome,
    store: ArtifactStore,
    origins: Mapping[str, str],
    newest_event: int | None,
) -> dg.AssetMaterialization:
    """Return the event that tells Dagster of an artifact, its parameters and its versions.

    Args:
        outcome: the artifact.
        store: where it is.
        origins: where the run's values came from, by dotted name.
        newest_event: storage id of the newest event: inputs are from before it.
    """
    record = outcome.record
    provenance = {}
    for name, read in record.inputs.items():
        provenance[f"dagster/input_data_version/{name}"] = read.digest
        # Of a date, Dagster asks whether its inputs have had other events since this one.
        provenance[f"dagster/input_event_pointer/{name}"] = str(newest_event or "NULL")
    return dg.AssetMaterialization(
        record.asset,
        partition=record.as_of.isoformat() if record.as_of is not None else None,
        metadata=describe(outcome, store, origins),
        tags={
            "dagster/data_version": record.content.digest,
            "dagster/data_version_is_user_provided": "true",
            "dagster/code_version": record.code,
            **provenance,
        },
    )


def together(report: RangeReport) -> dict[str, Any]:
    """Return what became of many dates as metadata."""
    metadata: dict[str, Any] = {
        "summary": report.sentence,
        "dates_done": len(report.done),
        "dates_reused": report.reused,
        "dates_failed": len(report.results) - len(report.done),
    }
    if report.failures:
        metadata["failures"] = dg.MetadataValue.md("\n".join(f"- {r}" for r in report.reasons))
    columns, rows = report.table()
    if rows:
        metadata["metrics_over_dates"] = table(columns, rows)
    if (drawn := report.picture()) is not None:
        metadata["picture"] = picture(drawn)
    return metadata


def _failure(failures: dict[str, Exception], dates: int) -> dg.Failure:
    first = next(iter(failures.values()))
    if dates == 1:
        description = told(first)
    else:
        listed = "".join(f"\n  {as_of}: {told(error)}" for as_of, error in failures.items())
        description = f"{len(failures)} of {dates} dates failed, the others are done:{listed}"
    failure = dg.Failure(
        description,
        metadata={FAILURES: {as_of: told(error) for as_of, error in failures.items()}},
        allow_retries=False,
    )
    failure.__cause__ = first
    return failure
