"""Which artifact of an asset a run reads, where no parameters of the run tell.

That is what the run itself has made; where it has made none, what the run that it executes again
has; and otherwise what Dagster shows: the newest.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

import dagster as dg

from ml_pipeline.dagster.description import SAID
from ml_pipeline.errors import ArtifactMissing
from ml_pipeline.store.artifacts import ArtifactStore
from ml_pipeline.store.record import OtherAsset, Record
from ml_pipeline.store.slots import Slot

_LOOKED_AT: Final = 200
_VERSION: Final = "dagster/data_version"
_IS_GIVEN: Final = "dagster/data_version_is_user_provided"


@dataclass(frozen=True)
class Found:
    """An artifact that a step reads.

    Attributes:
        record: its record.
        directory: where it is below the store's root.
        told_by: Dagster's id of the run that told of it last, whether it made or reused it.
    """

    record: Record
    directory: str
    told_by: str

    @property
    def slot(self) -> Slot:
        """Its place."""
        one = self.record
        path = self.directory.rpartition("/")[0]
        return Slot(one.asset, one.as_of, one.identity, one.run_id, path)


def materialized(
    instance: dg.DagsterInstance,
    run: dg.DagsterRun | None,
    asset: dg.AssetKey,
    partition: str | None,
) -> dg.EventLogRecord | None:
    """Return the event of the materialization that a run reads, or None where there is none.

    Args:
        instance: where events are.
        run: the run, or None for a reader that is no step and gets the newest.
        asset: the asset.
        partition: its partition, or None.
    """
    return next(materializations(instance, run, asset, partition), None)


def materializations(
    instance: dg.DagsterInstance,
    run: dg.DagsterRun | None,
    asset: dg.AssetKey,
    partition: str | None,
) -> Iterator[dg.EventLogRecord]:
    """Yield the materializations that a run may read, the one that it should read first."""
    wanted = dg.AssetRecordsFilter(
        asset_key=asset, asset_partitions=None if partition is None else [partition]
    )
    found = instance.fetch_materializations(wanted, limit=_LOOKED_AT).records
    for run_id in _with_earlier(instance, run) if run is not None else ():
        yield from (record for record in found if record.run_id == run_id)
    yield from found


def found_by(event: dg.EventLogRecord, store: ArtifactStore) -> Found | None:
    """Return the artifact that an event tells of, or None where it tells of none of ours.

    Raises:
        ArtifactMissing: if it is one of ours, but not in this store.
    """
    made = event.asset_materialization
    metadata = made.metadata if made is not None else {}
    values = [getattr(metadata.get(name), "value", None) for name in ("path", "run_id", "revision")]
    path, run_id, revision = (value if isinstance(value, str) else "" for value in values)
    if not (path and run_id and revision):
        return None
    directory = path.removeprefix(store.address("")).strip("/").rpartition("/")[0]
    record = store.read_record(directory) if path.startswith(store.address("")) else None
    if record is None or (record.run_id, record.revision) != (run_id, revision):
        raise ArtifactMissing(
            f"'{event.asset_key.to_user_string() if event.asset_key else '?'}' must be in"
            f" {store.uri}, but Dagster's newest materialization of it is at {path}."
            " Materialize it again."
        )
    return Found(record, directory, event.run_id)


def event_of(
    instance: dg.DagsterInstance, asset: dg.AssetKey, partition: str | None, record: Record
) -> dg.EventLogRecord | None:
    """Return the event of the run that has made an artifact, or None where it is not known here."""
    wanted = dg.AssetRecordsFilter(
        asset_key=asset, asset_partitions=None if partition is None else [partition]
    )
    found = instance.fetch_materializations(wanted, limit=_LOOKED_AT).records
    made_by = record.provenance.dagster_run_id
    return next((one for one in found if one.run_id == made_by), None)


def as_made(event: dg.EventLogRecord | None) -> dict[str, Any]:
    """Return what a function said of its asset when it was made: arguments of `MaterializeResult`.

    What this package says of it is said anew.
    """
    made = event.asset_materialization if event is not None else None
    if made is None:
        return {}
    version = _given(made)
    return {
        "metadata": {name: one for name, one in made.metadata.items() if name not in SAID},
        "tags": {n: tag for n, tag in (made.tags or {}).items() if not n.startswith("dagster/")},
        "data_version": dg.DataVersion(version) if version else None,
    }


def other_version(
    instance: dg.DagsterInstance,
    event: dg.EventLogRecord | None,
    asset: dg.AssetKey,
    partition: str | None,
) -> OtherAsset | None:
    """Return the version of an asset that is kept elsewhere, or None where nobody can tell it.

    Args:
        instance: where events are.
        event: the materialization that is read, if there is one.
        asset: the asset.
        partition: its partition, or None.
    """
    wanted = dg.AssetRecordsFilter(
        asset_key=asset, asset_partitions=None if partition is None else [partition]
    )
    for observed in instance.fetch_observations(wanted, limit=1).records:
        version = _given(observed.asset_observation)
        if version and (event is None or observed.storage_id > event.storage_id):
            return OtherAsset(partition=partition, version=version)
    if event is None:
        return None
    # A version that nobody has given stays when config changes: each materialization is one then.
    own = f"{event.run_id} {event.timestamp!r}"
    return OtherAsset(partition=partition, version=_given(event.asset_materialization) or own)


def _given(told: dg.AssetMaterialization | dg.AssetObservation | None) -> str | None:
    tags = (told.tags if told is not None else None) or {}
    return tags.get(_VERSION) if tags.get(_IS_GIVEN) == "true" else None


def _with_earlier(instance: dg.DagsterInstance, run: dg.DagsterRun) -> Iterator[str]:
    yield run.run_id
    parent = run.parent_run_id
    while parent is not None:
        yield parent
        earlier = instance.get_run_by_id(parent)
        parent = earlier.parent_run_id if earlier is not None else None
