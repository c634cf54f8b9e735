"""The code location: what `dagster dev`, `dg dev` and `ml-pipeline ui` load."""

from pathlib import Path

import dagster as dg

from ml_pipeline.dagster.code_location import code_location, defs_folder
from ml_pipeline.defs.assets import PIPELINE
from ml_pipeline.defs.partitions import daily
from ml_pipeline.defs.schedules import schedules
from ml_pipeline.defs.sensors import sensors
from ml_pipeline.settings import settings

defs = dg.Definitions.merge(
    code_location(
        pipeline=PIPELINE,
        partitions=daily(settings()),
        store_root=lambda: settings().store_root,
        code=Path(__file__).parent,
        dates_per_run=settings().dates_per_run,
    ),
    dg.Definitions(
        sensors=sensors(),
        schedules=schedules(),
        # Starting more processes costs seconds for each.
        executor=dg.in_process_executor,
    ),
    defs_folder(Path(__file__).parent),
)
