"""The code location: what `dagster dev`, `dg dev` and `ml-pipeline ui` load."""

import gc
from pathlib import Path

import dagster as dg

from ml_pipeline.dagster.code_location import code_location, defs_folder
from ml_pipeline.defs.assets import PIPELINE
from ml_pipeline.defs.partitions import daily
from ml_pipeline.defs.schedules import schedules
from ml_pipeline.defs.sensors import sensors
from ml_pipeline.settings import settings

# What imports have made stays: without this, each collection of garbage and the end of a process go
# through all of it, and Dagster starts a process with this module for each of its runs.
gc.freeze()

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
