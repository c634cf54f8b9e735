"""The code location: what `dagster dev`, `dg dev` and `ml-pipeline ui` load."""

import gc
from pathlib import Path

import dagster as dg

from ml_pipeline.dagster.code_location import code_location, defs_folder
from ml_pipeline.dagster.executors import configured_executor
from ml_pipeline.dagster.stages import Pipeline
from ml_pipeline.defs import (
    about_assets,
    assets,
    checks,
    config,
    model_card,
    partitions,
    realised_quality,
    requests,
    schedules,
    sensors,
    serving,
    source,
)
from ml_pipeline.settings import settings

# What imports have made stays: without this, each collection of garbage and the end of a process go
# through all of it, and Dagster starts a process with this module for each of its runs.
gc.freeze()


OWN = (
    about_assets,
    assets,
    checks,
    config,
    model_card,
    partitions,
    realised_quality,
    requests,
    schedules,
    sensors,
    serving,
    source,
)
"""What the defs folder has besides what is scaffolded into it."""


def location() -> dg.Definitions:
    """Return the pipeline with the calendar and store of the settings."""
    return _with_calendar(assets.PIPELINE)


def scoring() -> dg.Definitions:
    """Return the pipeline that scores with what is promoted, with the same calendar and store."""
    return _with_calendar(serving.SERVING)


def _with_calendar(pipeline: Pipeline) -> dg.Definitions:
    return code_location(
        pipeline,
        partitions.daily(settings()),
        code=Path(__file__).parent,
        calendar_is_set_by=partitions.CALENDAR,
    )


def _whole() -> dg.Definitions:
    trains, scores = location(), scoring()
    own = dg.Definitions(
        sensors=[*sensors.sensors(trains), *sensors.scoring_sensors(scores)],
        schedules=[*schedules.schedules(trains), *schedules.scoring_schedules(scores)],
        executor=configured_executor(),
    )
    return dg.Definitions.merge(trains, scores, own, defs_folder(Path(__file__).parent, OWN))


defs = _whole()
