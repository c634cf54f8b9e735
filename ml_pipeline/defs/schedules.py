"""Which schedules there are; their times, windows and parameters are settings."""

import dagster as dg

from ml_pipeline import daily_schedule, weekly_schedule
from ml_pipeline.defs.assets import PIPELINE
from ml_pipeline.defs.partitions import daily
from ml_pipeline.defs.requests import own_rules


def schedules() -> list[dg.ScheduleDefinition]:
    """Return the schedules; the weekly one only where something is set to be swept."""
    found = [daily_schedule(PIPELINE, daily), weekly_schedule(PIPELINE, daily, own_rules)]
    return [schedule for schedule in found if schedule is not None]
