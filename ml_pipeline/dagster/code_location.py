"""A whole Dagster code location from a pipeline."""

from collections.abc import Callable
from pathlib import Path

import dagster as dg

from ml_pipeline.dagster.assets import pipeline_assets
from ml_pipeline.dagster.errors import unwrapped
from ml_pipeline.dagster.launchpad import JOB
from ml_pipeline.dagster.leaderboard_asset import leaderboard_asset
from ml_pipeline.dagster.resources import (
    IO_MANAGER,
    NO_IO,
    io_manager_resource,
    params_resource,
)
from ml_pipeline.dagster.sweep_asset import sweep_asset
from ml_pipeline.dagster.sweep_resource import sweep_resource
from ml_pipeline.launch.run_config import PARAMS, SWEEP
from ml_pipeline.runs.stages import Pipeline
from ml_pipeline.settings import settings


@unwrapped()
def code_location(
    pipeline: Pipeline,
    partitions: dg.PartitionsDefinition[str] | None,
    store_root: Callable[[], str],
    code: Path,
    dates_per_run: int = 32,
    studies: Callable[[], str] = lambda: settings().studies_root,
) -> dg.Definitions:
    """Return the definitions of a pipeline: its assets, resources and executor.

    Where a stage declares an objective, there are also an asset that sweeps and a leaderboard.

    Runs happen in one process: starting more costs seconds for each, and stages do their own work
    in parallel where there is any.

    Args:
        pipeline: the stages.
        partitions: daily partitions whose keys are ISO dates, or None for a pipeline without.
        store_root: returns the directory or URI of the artifacts; called once in each run.
        code: a directory in the checkout whose commit is recorded.
        dates_per_run: most dates that a backfill puts into one run.
        studies: returns the directory or database URL of Optuna's studies; called once in each run.
    """
    assets = pipeline_assets(pipeline, partitions, dates_per_run, group_name=pipeline.name)
    beside: list[dg.AssetsDefinition] = []
    if any(stage.judged_by is not None for stage in pipeline.stages.values()):
        # A group of their own: "Materialize all" of the pipeline should not start a sweep.
        aside = f"{pipeline.name}_sweeps"
        beside = [
            sweep_asset(pipeline, partitions, group_name=aside),
            leaderboard_asset(pipeline, store_root, group_name=aside, after=SWEEP),
        ]
    keys = (PARAMS, IO_MANAGER, SWEEP)

    def ops() -> list[str]:
        return [made.op.name for made in (assets, *beside)]

    return dg.Definitions(
        assets=[assets, *beside],
        jobs=[dg.define_asset_job(JOB, dg.AssetSelection.assets(*pipeline.stages))],
        resources={
            PARAMS: params_resource(pipeline.params, keys, ops),
            IO_MANAGER: io_manager_resource(pipeline, store_root, code),
            SWEEP: sweep_resource(pipeline, store_root, studies, code, keys, ops),
            NO_IO: dg.mem_io_manager,
        },
        executor=dg.in_process_executor,
    )
