"""Keys of partitions as Dagster has them."""

import dagster as dg

from ml_pipeline.params.as_of import AsOf
from ml_pipeline.runs.stages import Pipeline


def dagster_key(pipeline: Pipeline, as_of: AsOf | None) -> str | None:
    """Return a key as Dagster has it: one of two dimensions knows them by name."""
    if as_of is None:
        return None
    parts = pipeline.keys.meaning(as_of).parts
    if not parts:
        return str(as_of)
    return dg.MultiPartitionKey({name: part.key for name, part in parts.items()})
