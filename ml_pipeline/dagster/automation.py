"""Requests as sensors and schedules hand them to Dagster."""

from collections.abc import Mapping
from typing import Final

import dagster as dg

from ml_pipeline.dagster.assets import selection_of
from ml_pipeline.launch.names import names_of
from ml_pipeline.launch.run_request import RequestedRun
from ml_pipeline.runs.stages import Pipeline

_PRIORITY_TAG: Final = "dagster/priority"


def everything_of(pipeline: Pipeline) -> dg.AssetSelection:
    """Return all that a request may be for: the stages, and their sweep where they have one."""
    stages = selection_of(pipeline)
    if not pipeline.is_judged:
        return stages
    return stages | dg.AssetSelection.assets(names_of(pipeline).sweep)


def run_request(
    run: RequestedRun, run_key: str, tags: Mapping[str, str] | None = None
) -> dg.RunRequest:
    """Return what a sensor or schedule hands to Dagster.

    Args:
        run: the run.
        run_key: Dagster makes one run of all requests that have the same.
        tags: more tags.
    """
    return dg.RunRequest(
        run_key=run_key,
        run_config=run.config,
        # People should not wait behind what machines have asked for.
        tags={_PRIORITY_TAG: "-1", **run.tags, **(tags or {})},
        asset_selection=[dg.AssetKey(path) for path in run.asset_paths],
        partition_key=run.partition_key,
    )
