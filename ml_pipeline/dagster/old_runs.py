"""Runs of an instance that are over and old: found, and deleted with their events and logs.

An event that is gone is gone for whoever asks whether a partition was materialized, so runs that
made the latest materialization of one stay unless somebody says otherwise.
"""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

import dagster as dg

from ml_pipeline.dagster.databases import DATABASES
from ml_pipeline.launch.run_config import ENVIRONMENT_TAG
from ml_pipeline.store.artifacts import ArtifactStore

_OVER: Final = (
    dg.DagsterRunStatus.SUCCESS,
    dg.DagsterRunStatus.FAILURE,
    dg.DagsterRunStatus.CANCELED,
)
_UNENDED: Final = tuple(status for status in dg.DagsterRunStatus if status not in _OVER)
_BACKFILL: Final = "dagster/backfill"
_ANCESTORS: Final = ("dagster/root_run_id", "dagster/parent_run_id")
_EVENTS: Final = Path(DATABASES[1]).parent
_SUFFIXES: Final = (".db", ".db-wal", ".db-shm")
_AT_ONCE: Final = 500
_ENDED_BACKFILL: Final = (
    "COMPLETED",
    "FAILED",
    "CANCELED",
    "COMPLETED_SUCCESS",
    "COMPLETED_FAILED",
)


@dataclass(frozen=True)
class OldRun:
    """A run that can go.

    Attributes:
        dagster_run_id: Dagster's id of it.
        job: its job.
        bytes: size of its files on this machine.
    """

    dagster_run_id: str
    job: str
    bytes: int


def old_runs(
    instance: dg.DagsterInstance,
    older_than: timedelta,
    environment: str,
    is_default: bool,
    keep_latest: bool,
) -> list[OldRun]:
    """Find the runs of an environment that are over for some time.

    Args:
        instance: where to look.
        older_than: time since the run changed last.
        environment: whose; empty for all, where none are configured.
        is_default: whether runs that name no environment are its.
        keep_latest: whether runs stay that made the latest materialization of a partition.
    """
    unnamed = environment if is_default else None
    filters = dg.RunsFilter(statuses=list(_OVER), updated_before=datetime.now(UTC) - older_than)
    runs = [
        run
        for run in _pages(instance, filters)
        if not environment or run.tags.get(ENVIRONMENT_TAG, unnamed) == environment
    ]
    if not runs:
        return []
    kept = _ancestors(instance)
    if keep_latest:
        kept |= _latest(instance)
    going_on = _unfinished_backfills(instance, {run.tags.get(_BACKFILL, "") for run in runs})
    return [
        OldRun(run.run_id, run.job_name, _size(instance, run.run_id))
        for run in runs
        if run.run_id not in kept and run.tags.get(_BACKFILL) not in going_on
    ]


def delete(instance: dg.DagsterInstance, runs: Sequence[OldRun]) -> Iterator[OldRun]:
    """Delete runs with their events and what their steps printed, yielding each as it is gone."""
    for run in runs:
        found = instance.get_run_by_id(run.dagster_run_id)
        # Somebody else may have deleted it, or executed it again.
        if found is None or found.status not in _OVER:
            continue
        instance.compute_log_manager.delete_logs(prefix=[run.dagster_run_id])
        instance.delete_run(run.dagster_run_id)
        # Dagster empties the database that SQLite has for each run, and leaves it.
        for file in _databases(instance, run.dagster_run_id):
            file.unlink(missing_ok=True)
        yield run


def being_read(instance: dg.DagsterInstance, store: ArtifactStore) -> set[str]:
    """Return the directories of what runs that go on have reported: what follows reads it."""
    found: set[str] = set()
    for run in _pages(instance, dg.RunsFilter(statuses=list(_UNENDED))):
        for entry in instance.all_logs(
            run.run_id, of_type=dg.DagsterEventType.ASSET_MATERIALIZATION
        ):
            made = entry.asset_materialization
            place = getattr(made.metadata.get("path") if made else None, "value", None)
            if isinstance(place, str) and place.startswith(f"{store.uri}/"):
                found.add(place.removeprefix(f"{store.uri}/").rpartition("/")[0])
    return found


def _pages(instance: dg.DagsterInstance, filters: dg.RunsFilter) -> Iterator[dg.DagsterRun]:
    cursor: str | None = None
    while page := instance.get_runs(filters, cursor=cursor, limit=_AT_ONCE):
        yield from page
        cursor = page[-1].run_id


def _ancestors(instance: dg.DagsterInstance) -> set[str]:
    """Return the runs that one which goes on executes again."""
    unended = _pages(instance, dg.RunsFilter(statuses=list(_UNENDED)))
    return {run.tags[tag] for run in unended for tag in _ANCESTORS if tag in run.tags}


def _unfinished_backfills(instance: dg.DagsterInstance, ids: Collection[str]) -> set[str]:
    backfills = [instance.get_backfill(one) for one in ids if one]
    return {one.backfill_id for one in backfills if one and one.status.value not in _ENDED_BACKFILL}


def _latest(instance: dg.DagsterInstance) -> set[str]:
    """Return the runs that made the latest materialization of an asset or of a partition of it."""
    found: set[str] = set()
    for key in instance.get_asset_keys():
        newest = instance.get_latest_materialization_event(key)
        found |= {newest.run_id} if newest is not None else set()
        ids = sorted(
            instance.get_latest_storage_id_by_partition(
                key, dg.DagsterEventType.ASSET_MATERIALIZATION
            ).values()
        )
        for start in range(0, len(ids), _AT_ONCE):
            some = ids[start : start + _AT_ONCE]
            records = instance.fetch_materializations(
                dg.AssetRecordsFilter(asset_key=key, storage_ids=some), limit=len(some)
            )
            found.update(record.run_id for record in records.records)
    return found


def _databases(instance: dg.DagsterInstance, run_id: str) -> list[Path]:
    folder = Path(instance.root_directory) / _EVENTS
    files = [folder / f"{run_id}{suffix}" for suffix in _SUFFIXES]
    return [file for file in files if file.is_file()]


def _size(instance: dg.DagsterInstance, run_id: str) -> int:
    printed = (Path(instance.root_directory) / "storage" / run_id).rglob("*")
    files = [*_databases(instance, run_id), *(file for file in printed if file.is_file())]
    return sum(file.stat().st_size for file in files)
