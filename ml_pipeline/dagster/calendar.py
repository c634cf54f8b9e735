"""Days of a calendar: its last, its last few, and whether one is in it."""

from collections.abc import Callable, Sequence
from datetime import date, timedelta
from typing import TypeAlias

import dagster as dg

from ml_pipeline.errors import ParamsError
from ml_pipeline.launch.dates import days_between
from ml_pipeline.settings import Settings

Calendar: TypeAlias = Callable[[Settings], dg.DailyPartitionsDefinition]
"""Returns the daily partitions that the settings ask for."""


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


def last_days(partitions: dg.DailyPartitionsDefinition, most: int) -> Sequence[date]:
    """Return the last days of the calendar that are over, in order.

    Args:
        partitions: the calendar.
        most: how many, or fewer where it has no more.

    Raises:
        ParamsError: if the calendar has no day yet.
    """
    last = last_day(partitions)
    first = date.fromisoformat(str(partitions.get_first_partition_key()))
    return days_between(max(first, last - timedelta(days=most - 1)), last)
