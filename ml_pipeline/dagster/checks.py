"""Checks of stages as Dagster's own: what it is told that there is, and what was found.

What is found is told for each partition with its own event, as materializations are: a run has
many, and Dagster's result of a check has no partition.
"""

import warnings
from collections.abc import Collection, Iterable, Iterator, Mapping
from datetime import UTC, datetime
from typing import Any, Final

import dagster as dg

from ml_pipeline.dagster.metadata import table
from ml_pipeline.dagster.partition_keys import dagster_key
from ml_pipeline.dagster.private_checks import Materialized, checked_materialization
from ml_pipeline.dagster.stages import asset_key
from ml_pipeline.params.as_of import AsOf
from ml_pipeline.params.model import ParamSet
from ml_pipeline.runs.check_result import CheckReport
from ml_pipeline.runs.materializer import Materializer
from ml_pipeline.runs.stages import Pipeline
from ml_pipeline.store.findings import Finding
from ml_pipeline.store.record import Record

_THRESHOLDS: Final = "thresholds"
_AT: Final = "found_at"
_IS_NEW: Final = "found_by_this_run"
_JUDGED: Final = "judged"
_SHORT: Final = (
    dg.BoolMetadataValue,
    dg.FloatMetadataValue,
    dg.IntMetadataValue,
    dg.TimestampMetadataValue,
)


def check_specs(
    pipeline: Pipeline, partitions: dg.PartitionsDefinition[str] | None
) -> list[dg.AssetCheckSpec]:
    """Return what Dagster is told of the checks of a pipeline.

    Args:
        pipeline: the stages.
        partitions: of all assets, or None for a pipeline without.
    """
    with warnings.catch_warnings():
        # Partitions of checks are new in Dagster, and it says so at each.
        warnings.simplefilter("ignore", category=dg.PreviewWarning)
        return [
            dg.AssetCheckSpec(
                check.name,
                asset=asset_key(stage),
                description=check.description,
                blocking=check.blocking,
                partitions_def=partitions,
            )
            for stage in pipeline.stages.values()
            for check in stage.checks
        ]


def evaluations(
    pipeline: Pipeline,
    reports: Iterable[CheckReport],
    record: Record,
    instance: dg.DagsterInstance,
) -> Iterator[dg.AssetCheckEvaluation]:
    """Yield the events that tell Dagster what checks have found in an artifact.

    Args:
        pipeline: the stages.
        reports: what was found, all in one artifact.
        record: of the artifact.
        instance: where its materialization is, if there is one.
    """
    partition = dagster_key(pipeline, record.as_of)
    target = None
    for report in reports:
        key = asset_key(pipeline.stage(report.asset))
        target = target or checked_materialization(instance, key, partition)
        yield dg.AssetCheckEvaluation(
            asset_key=key,
            check_name=report.check,
            passed=report.passed,
            severity=dg.AssetCheckSeverity(report.finding.severity.upper()),
            description=report.finding.description,
            blocking=report.blocking,
            partition=partition,
            target_materialization_data=target.data if target is not None else None,
            metadata=described(report.finding, report.is_new) | _judged(record, target),
        )


def described(finding: Finding, is_new: bool) -> dict[str, Any]:
    """Return what was found as metadata: what matters to people first, then how it was judged."""
    metadata = {name: _shown(value) for name, value in finding.metadata.items()}
    if finding.thresholds:
        metadata[_THRESHOLDS] = dg.MetadataValue.json(dict(finding.thresholds))
    return {**metadata, _AT: dg.MetadataValue.timestamp(finding.at), _IS_NEW: is_new}


def _judged(record: Record, shown: Materialized | None) -> dict[str, str]:
    """Name the artifact that was judged where Dagster shows what was found with another.

    Dagster shows what checks find with the newest materialization, or not at all. A date of many
    that fails has none of this run.
    """
    if shown is None or shown.version == record.content.digest:
        return {}
    return {
        _JUDGED: f"run {record.run_id}, revision {record.revision}, which was not materialized: the"
        " materialization that this is shown with is of another"
    }


def in_short(evaluation: dg.AssetCheckEvaluation, is_brief: bool) -> dg.AssetCheckEvaluation:
    """Return what is stored of what a check has found, for good.

    Of what passes and is one of many, these are words and numbers, and when it was found if another
    run has: what is kept beside the artifact tells the rest.

    Args:
        evaluation: what was found.
        is_brief: whether it is one of many that a run tells of.
    """
    told = evaluation.metadata
    if not (evaluation.passed and is_brief):
        return evaluation
    known = {_IS_NEW, _AT} if told[_IS_NEW].value else {_IS_NEW}
    return evaluation.with_metadata(
        {
            name: one
            for name, one in told.items()
            if name not in known and (name == _JUDGED or isinstance(one, _SHORT))
        }
    )


def in_full(evaluation: dg.AssetCheckEvaluation, stored_at: datetime) -> dg.AssetCheckEvaluation:
    """Return what was stored with what storing in short leaves to be concluded.

    Args:
        evaluation: what was stored.
        stored_at: when that was.
    """
    at = dg.MetadataValue.timestamp(stored_at)
    is_new = _AT not in evaluation.metadata
    return evaluation.with_metadata({_AT: at, _IS_NEW: is_new, **evaluation.metadata})


def report_in(pipeline: Pipeline, evaluation: dg.AssetCheckEvaluation) -> CheckReport | None:
    """Return what an event tells of a check of a stage; None if it is of another asset.

    Args:
        pipeline: the stages.
        evaluation: the event.
    """
    stage = pipeline.at_key(evaluation.asset_key.to_user_string())
    named = {check.name: check for check in stage.checks} if stage is not None else {}
    check = named.get(evaluation.check_name)
    if stage is None or check is None:
        return None
    told = {name: _told(value) for name, value in evaluation.metadata.items()}
    told.pop(_JUDGED, None)
    at, is_new, thresholds = told.pop(_AT), told.pop(_IS_NEW), told.pop(_THRESHOLDS, {})
    finding = Finding(
        key="",
        passed=evaluation.passed,
        severity="warn" if evaluation.severity is dg.AssetCheckSeverity.WARN else "error",
        description=evaluation.description or "",
        metadata=told,
        thresholds=thresholds,
        earlier=[],
        at=datetime.fromtimestamp(at, UTC),
    )
    return CheckReport(stage.name, check.name, check.blocking, finding, is_new)


def asked_alone(
    pipeline: Pipeline,
    materializer: Materializer,
    params: ParamSet,
    as_of: AsOf | None,
    chosen: Collection[dg.AssetCheckKey],
    instance: dg.DagsterInstance,
) -> Iterator[Any]:
    """Ask checks of what is published already, in a run that makes nothing.

    Args:
        pipeline: the stages.
        materializer: pipeline and store.
        params: values of all parameters.
        as_of: which artifacts.
        chosen: keys of the checks.
        instance: where materializations are.

    Raises:
        ArtifactMissing: if an artifact is not published.
    """
    for stage in pipeline.selected():
        names = [key.name for key in chosen if key.asset_key == asset_key(stage)]
        if not names:
            continue
        record = materializer.locate(stage, params, as_of)
        found = materializer.checker(params, as_of).reports(stage, record, {})
        wanted = [report for report in found if report.check in names]
        yield from evaluations(pipeline, wanted, record, instance)


def _told(value: dg.MetadataValue[Any]) -> Any:
    """Return what metadata was made of, in JSON form."""
    if isinstance(value, dg.TableMetadataValue):
        return [dict(record.data) for record in value.records]
    return value.value


def _shown(value: Any) -> Any:
    if value is None:
        return "none"
    if isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, list) and value and all(isinstance(row, Mapping) for row in value):
        columns = list(dict.fromkeys(str(name) for row in value for name in row))
        rows = [[_cell(row.get(name)) for name in columns] for row in value]
        return table(columns, rows)
    return dg.MetadataValue.json(value)


def _cell(value: Any) -> Any:
    if value is None:
        return ""
    return value if isinstance(value, bool | int | float | str) else str(value)
