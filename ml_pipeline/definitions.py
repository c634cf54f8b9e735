"""The code location: what `dagster dev`, `dg dev` and `ml-pipeline ui` load."""

import gc
from pathlib import Path

import dagster as dg

from ml_pipeline.dagster.code_location import code_location, defs_folder
from ml_pipeline.defs.assets import PIPELINE
from ml_pipeline.defs.partitions import CALENDAR, daily
from ml_pipeline.defs.schedules import schedules
from ml_pipeline.defs.sensors import sensors
from ml_pipeline.settings import settings

# What imports have made stays: without this, each collection of garbage and the end of a process go
# through all of it, and Dagster starts a process with this module for each of its runs.
gc.freeze()


def location() -> dg.Definitions:
    """Return the pipeline with the calendar and store of the settings."""
    return code_location(
        PIPELINE, daily(settings()), code=Path(__file__).parent, calendar_is_set_by=CALENDAR
    )


def _whole() -> dg.Definitions:
    pipeline = location()
    own = dg.Definitions(
        sensors=sensors(pipeline),
        schedules=schedules(pipeline),
        # Starting more processes costs seconds for each.
        executor=dg.in_process_executor,
    )
    return dg.Definitions.merge(pipeline, own, defs_folder(Path(__file__).parent))


defs = _whole()
