"""The code location: what `dagster dev`, `dg dev` and `ml-pipeline ui` load."""

from pathlib import Path

import dagster as dg

from ml_pipeline.assets import pipeline_assets
from ml_pipeline.defs.assets import PIPELINE
from ml_pipeline.defs.partitions import daily
from ml_pipeline.resources import IO_MANAGER, PARAMS, io_manager_resource, params_resource
from ml_pipeline.settings import settings

assets = pipeline_assets(
    PIPELINE, daily(settings()), settings().dates_per_run, group_name=PIPELINE.name
)

defs = dg.Definitions(
    assets=[assets],
    jobs=[],
    resources={
        PARAMS: params_resource(PIPELINE.params, ops=lambda: [assets.op.name]),
        IO_MANAGER: io_manager_resource(
            PIPELINE, lambda: settings().store_root, code=Path(__file__).parent
        ),
    },
    executor=dg.in_process_executor,
)
