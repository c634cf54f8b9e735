"""What is not public of Dagster's asset checks and used here."""

from dataclasses import dataclass

import dagster as dg
from dagster._core.definitions.asset_checks.asset_check_evaluation import (
    AssetCheckEvaluationTargetMaterializationData,
)


@dataclass(frozen=True)
class Materialized:
    """The newest materialization of an asset.

    Attributes:
        data: what tells Dagster that a check is about it.
        version: its data version, if it has one.
    """

    data: AssetCheckEvaluationTargetMaterializationData
    version: str | None


def checked_materialization(
    instance: dg.DagsterInstance, key: dg.AssetKey, partition: str | None
) -> Materialized | None:
    """Return what tells Dagster which materialization a check is about, if there is one.

    The public result of a check finds it by itself, and has no partition. Without, the UI takes
    what was found for that of an older artifact.
    """
    of = dg.AssetRecordsFilter(asset_key=key, asset_partitions=[partition] if partition else None)
    for found in instance.fetch_materializations(of, limit=1).records:
        data = AssetCheckEvaluationTargetMaterializationData(
            storage_id=found.storage_id, run_id=found.run_id, timestamp=found.timestamp
        )
        made = found.asset_materialization
        tags = (made.tags if made is not None else None) or {}
        return Materialized(data, tags.get("dagster/data_version"))
    return None
