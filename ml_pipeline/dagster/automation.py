"""Requests as sensors and schedules hand them to Dagster."""

from collections.abc import Mapping
from typing import Final

import dagster as dg

from ml_pipeline.launch.run_request import RequestedRun

_PRIORITY_TAG: Final = "dagster/priority"


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
