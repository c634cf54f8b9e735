"""Which schedules there are; settings change their times, windows and parameters."""

from collections.abc import Mapping
from typing import Any, Final

import dagster as dg

from ml_pipeline import retention_schedule, sweep_schedule, window_schedule

SWEEP: Final[Mapping[str, Any]] = {"params": {"learning_rate": [0.05, 0.1, 0.2]}, "search": {}}


def schedules(location: dg.Definitions) -> list[dg.ScheduleDefinition]:
    """Return the schedules of the code location."""
    return [
        window_schedule(location),
        sweep_schedule(location, SWEEP),
        retention_schedule(location),
    ]


def scoring_schedules(location: dg.Definitions) -> list[dg.ScheduleDefinition]:
    """Return the schedules of what scores: an hour after the others, the day that is over."""
    return [window_schedule(location, cron="0 7 * * *", last=1, name="daily_scoring")]
