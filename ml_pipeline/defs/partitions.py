"""The calendar: one partition for each day that a run may be as of."""

from datetime import date, timedelta

import dagster as dg

from ml_pipeline.errors import ParamsError
from ml_pipeline.settings import Settings


def daily(settings: Settings) -> dg.DailyPartitionsDefinition:
    """Return the daily partitions of the configured calendar, its last day included."""
    if isinstance(settings.end_date, date):
        past_the_end = (settings.end_date + timedelta(days=1)).isoformat()
        return dg.DailyPartitionsDefinition(settings.start_date.isoformat(), past_the_end)
    return dg.DailyPartitionsDefinition(settings.start_date.isoformat())


def last_day(partitions: dg.DailyPartitionsDefinition) -> date:
    """Return the last day of the calendar that is over.

    Raises:
        ParamsError: if the calendar has no day yet.
    """
    key = partitions.get_last_partition_key()
    if key is None:
        raise ParamsError(["as_of cannot have a value yet: the calendar starts in the future"])
    return date.fromisoformat(key)


def problem_with(day: date, partitions: dg.DailyPartitionsDefinition) -> str | None:
    """Return why a day is not in the calendar, or None where it is."""
    first, last = partitions.get_first_partition_key(), partitions.get_last_partition_key()
    if partitions.has_partition_key(day.isoformat()):
        return None
    return (
        f"as_of must be a day from {first} to {last}, but got {day};"
        " ML_PIPELINE_START_DATE and ML_PIPELINE_END_DATE set the calendar"
    )
