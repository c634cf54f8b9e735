"""A whole Dagster code location from a pipeline."""

from collections.abc import Callable
from pathlib import Path

import dagster as dg

from ml_pipeline.assets import pipeline_assets
from ml_pipeline.resources import IO_MANAGER, PARAMS, io_manager_resource, params_resource
from ml_pipeline.stages import Pipeline


def code_location(
    pipeline: Pipeline,
    partitions: dg.PartitionsDefinition[str] | None,
    store_root: Callable[[], str],
    code: Path,
    dates_per_run: int = 32,
) -> dg.Definitions:
    """Return the definitions of a pipeline: assets, resources and executor.

    Runs happen in one process: starting more costs seconds for each, and stages do their own work
    in parallel where there is any.

    Args:
        pipeline: the stages.
        partitions: daily partitions whose keys are ISO dates, or None for a pipeline without.
        store_root: returns the directory or URI of the artifacts; called once in each run.
        code: a directory in the checkout whose commit is recorded.
        dates_per_run: most dates that a backfill puts into one run.
    """
    assets = pipeline_assets(pipeline, partitions, dates_per_run, group_name=pipeline.name)
    return dg.Definitions(
        assets=[assets],
        resources={
            PARAMS: params_resource(pipeline.params, ops=lambda: [assets.op.name]),
            IO_MANAGER: io_manager_resource(pipeline, store_root, code),
        },
        executor=dg.in_process_executor,
    )
