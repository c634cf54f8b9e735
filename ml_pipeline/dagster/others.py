"""Assets that are no stages, upstream of stages: which version is there.

Nothing of them is in the store, so what counts is the data version that Dagster has of the newest
materialization, or of the newest observation of what is made elsewhere.
"""

from typing import Final

import dagster as dg

from ml_pipeline.dagster.materialization import KEEPER
from ml_pipeline.errors import ArtifactMissing, PipelineError
from ml_pipeline.params.as_of import AsOf
from ml_pipeline.store.record import OtherAsset

_VERSION_TAG: Final = "dagster/data_version"
_OURS: Final = frozenset({KEEPER, "run_id", "revision"})
"""Metadata by which what is kept by the parameters of a pipeline's runs is known."""


def other_asset(
    instance: dg.DagsterInstance, key: str, as_of: AsOf | None, stage: str
) -> OtherAsset:
    """Return the version of an asset that a stage would read now.

    That is the partition of the stage's own key, or the whole of an asset without partitions.

    Args:
        instance: where events are.
        key: the asset's key, its parts joined by slashes.
        as_of: the partition of the stage.
        stage: name of the stage, for messages.

    Raises:
        ArtifactMissing: if it was never materialized, or not for the partition.
    """
    asset = dg.AssetKey.from_user_string(key)
    wanted = None if as_of is None else str(as_of)
    found = _newest(instance, asset, wanted) if wanted is not None else None
    found = found or _newest(instance, asset, None)
    partition = found.partition_key if found is not None else None
    if found is None or partition not in (None, wanted):
        what = f"'{key}'" if wanted is None or found is None else f"'{key}' for {wanted}"
        has = "" if partition is None else f" It has other partitions, such as {partition}."
        raise ArtifactMissing(
            f"{what} must be materialized before '{stage}' can read it, but never was.{has}"
            f" Materialize it first, or select '{key}' in the same run."
        )
    version = found.event_log_entry.tags.get(_VERSION_TAG) if found.event_log_entry.tags else None
    # Where nobody gave a version, each materialization is one.
    return OtherAsset(partition=partition, version=version or f"materialized {found.timestamp!r}")


def refuse_ours(instance: dg.DagsterInstance, key: dg.AssetKey, stage: str) -> None:
    """Refuse to load what another pipeline has made: it depends on parameters that nobody gave.

    What is kept by its own config may be read: it is the newest for every reader.

    Args:
        instance: where events are.
        key: key of an asset that is no stage.
        stage: name of the stage that asks for it.

    Raises:
        PipelineError: if the asset's newest materialization is a pipeline's.
    """
    found = _newest(instance, key, None)
    made = found.asset_materialization if found is not None else None
    if made is not None and made.metadata.keys() >= _OURS:
        raise PipelineError(
            f"An asset that a stage reads must be no artifact of parameters, but"
            f" '{key.to_user_string()}', which '{stage}' reads, is kept by those of its own run:"
            " which of them is meant, nobody says. Make both stages of one pipeline, or name it in"
            " deps and read what you mean."
        )


def _newest(
    instance: dg.DagsterInstance, key: dg.AssetKey, partition: str | None
) -> dg.EventLogRecord | None:
    wanted = dg.AssetRecordsFilter(
        asset_key=key, asset_partitions=None if partition is None else [partition]
    )
    for record in instance.fetch_materializations(wanted, limit=1).records:
        return record
    for record in instance.fetch_observations(wanted, limit=1).records:
        # Only an observation that tells a version tells of a change.
        if (record.event_log_entry.tags or {}).get(_VERSION_TAG):
            return record
    return None
