"""The calendar: one partition for each day that a run may be as of."""

from datetime import date, timedelta
from typing import Final

import dagster as dg

from ml_pipeline.settings import Settings

CALENDAR: Final = "ML_PIPELINE_START_DATE and ML_PIPELINE_END_DATE set the calendar"
"""Where its days can be changed."""


def daily(settings: Settings) -> dg.DailyPartitionsDefinition:
    """Return the daily partitions of the configured calendar, its last day included."""
    if isinstance(settings.end_date, date):
        past_the_end = (settings.end_date + timedelta(days=1)).isoformat()
        return dg.DailyPartitionsDefinition(settings.start_date.isoformat(), past_the_end)
    return dg.DailyPartitionsDefinition(settings.start_date.isoformat())
