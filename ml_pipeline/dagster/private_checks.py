"""What is not public of Dagster's asset checks and used here."""

import dagster as dg
from dagster._core.definitions.asset_checks.asset_check_evaluation import (
    AssetCheckEvaluationTargetMaterializationData,
)


def checked_materialization(
    instance: dg.DagsterInstance, key: dg.AssetKey, partition: str | None
) -> AssetCheckEvaluationTargetMaterializationData | None:
    """Return what tells Dagster which materialization a check is about, if there is one.

    The public result of a check finds it by itself, and has no partition. Without, the UI takes
    what was found for that of an older artifact.
    """
    of = dg.AssetRecordsFilter(asset_key=key, asset_partitions=[partition] if partition else None)
    for found in instance.fetch_materializations(of, limit=1).records:
        return AssetCheckEvaluationTargetMaterializationData(
            storage_id=found.storage_id, run_id=found.run_id, timestamp=found.timestamp
        )
    return None
