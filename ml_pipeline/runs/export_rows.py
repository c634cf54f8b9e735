"""Rows of an export: what a record says, a column for each thing."""

from typing import TYPE_CHECKING, Any, Final

from ml_pipeline.params.as_of import AsOf
from ml_pipeline.params.history import present
from ml_pipeline.runs.catalog import Entry
from ml_pipeline.runs.export_columns import as_json
from ml_pipeline.runs.stages import Pipeline
from ml_pipeline.store.artifacts import ArtifactStore

if TYPE_CHECKING:
    import polars as pl

PARAMS: Final = "params."
METRICS: Final = "metrics."


def fixed() -> "dict[str, pl.DataType]":
    """Return the columns that every export has, by name."""
    import polars as pl

    text, whole, number = pl.String(), pl.Int64(), pl.Float64()
    read = dict.fromkeys(("asset", "run_id", "revision", "digest", "path"), text)
    other = dict.fromkeys(("asset", "partition", "version"), text)
    return {
        "run_id": text,
        "revision": text,
        "asset": text,
        "as_of": text,
        "as_of_date": pl.Date(),
        "environment": text,
        "code": text,
        "git_commit": text,
        "git_dirty": pl.Boolean(),
        "python": text,
        "packages": text,
        "inputs": pl.List(pl.Struct(read)),
        "others": pl.List(pl.Struct(other)),
        "source_digest": text,
        "format": text,
        "rows": whole,
        "bytes": whole,
        "digest": text,
        "started_at": pl.Datetime("us", "UTC"),
        "duration_s": number,
        "dagster_run_id": text,
        "path": text,
        "objective": text,
        "direction": text,
        "baseline": text,
        "params_json": text,
        "origins_json": text,
    }


def row(entry: Entry, pipeline: Pipeline, store: ArtifactStore) -> dict[str, Any]:
    """Return what an artifact's record says, by column.

    Args:
        entry: the artifact.
        pipeline: tells what assets and parameters are called now.
        store: where it is.
    """
    record = entry.record
    around, content, objective = record.provenance, record.content, record.objective
    as_of: AsOf | None = record.as_of
    is_date = as_of is not None and not isinstance(as_of, str)
    return {
        "run_id": record.run_id,
        "revision": record.revision,
        "asset": pipeline.present_name(record.asset),
        "as_of": str(as_of) if as_of is not None else None,
        "as_of_date": as_of if is_date else None,
        "environment": around.environment,
        "code": record.code,
        "git_commit": around.git_commit,
        "git_dirty": around.git_dirty,
        "python": around.python or None,
        "packages": as_json({**around.packages, **record.packages}),
        "inputs": [
            {
                "asset": pipeline.present_name(name),
                "run_id": read.run_id,
                "revision": read.revision,
                "digest": read.digest,
                "path": store.address(read.path),
            }
            for name, read in record.inputs.items()
        ],
        "others": [
            {"asset": key, "partition": other.partition, "version": other.version}
            for key, other in record.others.items()
        ],
        "source_digest": record.external,
        "format": content.format,
        "rows": content.shape.get("rows"),
        "bytes": content.bytes,
        "digest": content.digest,
        "started_at": record.started_at,
        "duration_s": record.duration_s,
        "dagster_run_id": around.dagster_run_id,
        "path": store.address(f"{entry.path}/{content.file}"),
        "objective": objective.metric if objective is not None else None,
        "direction": objective.direction if objective is not None else None,
        "baseline": objective.baseline if objective is not None else None,
        "params_json": as_json(record.params),
        "origins_json": as_json(record.origins),
        **{f"{PARAMS}{name}": v for name, v in present(pipeline.params, record.params).items()},
        **{f"{METRICS}{name}": value for name, value in record.metrics.items()},
    }
