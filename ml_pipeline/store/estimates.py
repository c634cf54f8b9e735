"""How long computing an asset usually takes, from the records of earlier runs."""

from statistics import median
from typing import Final

from ml_pipeline.store.artifacts import ArtifactStore
from ml_pipeline.store.slots import asset_directory

_LISTED: Final = 2000
_READ: Final = 10


def usual_seconds(store: ArtifactStore, asset: str) -> float | None:
    """Return the median of an asset's latest computations, or None where there is none.

    Args:
        store: where the records are.
        asset: name of the asset.
    """
    lately = store.newest_directories(asset_directory(asset), _LISTED)[:_READ]
    found = store.each(store.readable_record, lately)
    records = [record for record in found if record is not None]
    return median(record.duration_s for record in records) if records else None
