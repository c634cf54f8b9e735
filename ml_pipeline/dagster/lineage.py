"""Which artifact of an asset a run reads, where no parameters of the run tell.

That is what the run itself has made; where it has made none, what the run that it executes again
has; and otherwise what Dagster shows: the newest.
"""

from collections.abc import Iterator
from typing import Any, Final

import dagster as dg

from ml_pipeline.errors import ArtifactMissing
from ml_pipeline.store.artifacts import ArtifactStore
from ml_pipeline.store.record import OtherAsset, Record

_LOOKED_AT: Final = 200
_VERSION: Final = "dagster/data_version"
_IS_GIVEN: Final = "dagster/data_version_is_user_provided"


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
    wanted = dg.AssetRecordsFilter(
        asset_key=asset, asset_partitions=None if partition is None else [partition]
    )
    found = instance.fetch_materializations(wanted, limit=_LOOKED_AT).records
    for run_id in _with_earlier(instance, run) if run is not None else ():
        for record in found:
            if record.run_id == run_id:
                return record
    return found[0] if found else None


def record_of(event: dg.EventLogRecord, store: ArtifactStore) -> Record | None:
    """Return the record of what an event tells of, or None where it is not in a store of ours.

    Raises:
        ArtifactMissing: if it is of ours, but not in this store.
    """
    made = event.asset_materialization
    metadata = made.metadata if made is not None else {}
    values = [getattr(metadata.get(name), "value", None) for name in ("path", "run_id", "revision")]
    path, run_id, revision = (value if isinstance(value, str) else "" for value in values)
    if not (path and run_id and revision):
        return None
    root = store.address("")
    record = None
    if path.startswith(root):
        record = store.read_record(path.removeprefix(root).strip("/").rpartition("/")[0])
    if record is None or (record.run_id, record.revision) != (run_id, revision):
        raise ArtifactMissing(
            f"'{event.asset_key.to_user_string() if event.asset_key else '?'}' must be in"
            f" {store.uri}, but Dagster's newest materialization of it is at {path}."
            " Materialize it again."
        )
    return record


def directory_of(event: dg.EventLogRecord, store: ArtifactStore) -> str:
    """Return the directory of the artifact that `record_of` finds."""
    made = event.asset_materialization
    path: Any = made.metadata["path"].value if made is not None else ""
    return str(path).removeprefix(store.address("")).strip("/").rpartition("/")[0]


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
        "metadata": {name: one for name, one in made.metadata.items() if name != "origins"},
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
