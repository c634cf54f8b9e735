"""A whole Dagster code location from a pipeline."""

from collections.abc import Callable
from pathlib import Path

import dagster as dg

from ml_pipeline.dagster.assets import pipeline_assets, selection_of
from ml_pipeline.dagster.errors import unwrapped
from ml_pipeline.dagster.io_manager import (
    IO_MANAGER,
    NO_IO,
    io_manager_resource,
    no_io_resource,
)
from ml_pipeline.dagster.launchpad import JOB
from ml_pipeline.dagster.leaderboard_asset import leaderboard_asset
from ml_pipeline.dagster.resources import params_resource
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
    stages = dg.Definitions(
        assets=[pipeline_assets(pipeline, partitions, dates_per_run, group_name=pipeline.name)],
        resources={
            PARAMS: params_resource(pipeline.params, pipeline.refuse_unready),
            IO_MANAGER: io_manager_resource(pipeline, store_root, code),
        },
        jobs=[dg.define_asset_job(JOB, selection_of(pipeline))],
        executor=dg.in_process_executor,
    )
    # Made here, the job offers the resources that it uses; later, it would offer all there are.
    single = dg.Definitions(
        assets=stages.assets,
        resources=stages.resources,
        jobs=[stages.resolve_job_def(JOB)],
        executor=dg.in_process_executor,
    )
    if not pipeline.is_judged:
        return single
    # A group of their own: "Materialize all" of the pipeline should not start a sweep.
    aside = f"{pipeline.name}_sweeps"
    many = dg.Definitions(
        assets=[
            sweep_asset(pipeline, partitions, group_name=aside),
            leaderboard_asset(pipeline, store_root, group_name=aside, after=SWEEP),
        ],
        resources={
            SWEEP: sweep_resource(pipeline, store_root, studies, code),
            NO_IO: no_io_resource(pipeline.params),
        },
        executor=dg.in_process_executor,
    )
    return dg.Definitions.merge(single, many)


def defs_folder(package: Path) -> dg.Definitions:
    """Return what stands in the defs folder of a project of `dg`, such as what it scaffolds.

    Args:
        package: folder of the project's package. Where that is installed without the project,
            nobody scaffolds, and there is nothing.
    """
    if not (package.parent / "pyproject.toml").is_file():
        return dg.Definitions()
    return dg.load_from_defs_folder(path_within_project=package)
