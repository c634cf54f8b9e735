"""Days of a calendar: its last, its last few, and whether one is in it."""

import re
from collections.abc import Sequence
from datetime import date, timedelta
from typing import Final

import dagster as dg

from ml_pipeline.dagster.location import Location
from ml_pipeline.errors import ParamsError, PipelineError, SettingsError
from ml_pipeline.launch.dates import days_between
from ml_pipeline.text import quoted

_ISO: Final = "%Y-%m-%d"
_ONCE_A_DAY: Final = re.compile(r"\d+ \d+ .*")


def refuse_other_than_days(pipeline: str, partitions: dg.PartitionsDefinition[str] | None) -> None:
    """Refuse partitions whose keys are not ISO dates, each the name of one partition.

    A run is as of the date that its partition key is: another spelling would name, or make, a
    partition that is not there.

    Args:
        pipeline: name of the pipeline, for the message.
        partitions: what it is to be partitioned by.

    Raises:
        PipelineError: if that is something else.
    """
    found = None if partitions is None else _not_days(partitions)
    if found is not None:
        raise PipelineError(
            f"The partitions of pipeline '{pipeline}' must have ISO dates such as 1998-05-31 for"
            f" keys, since a run is as of the date that its key is, but {found}. Give it a"
            " DailyPartitionsDefinition, a WeeklyPartitionsDefinition or a"
            f" MonthlyPartitionsDefinition with fmt='{_ISO}', a StaticPartitionsDefinition of such"
            " dates, or None; what else differs between runs can be a parameter."
        )


def _not_days(partitions: dg.PartitionsDefinition[str]) -> str | None:
    """Return what is wrong with the keys of partitions, or None."""
    kind = type(partitions).__name__
    if isinstance(partitions, dg.TimeWindowPartitionsDefinition):
        if partitions.fmt != _ISO:
            return f"this {kind} has fmt={partitions.fmt!r}"
        if not _ONCE_A_DAY.fullmatch(partitions.cron_schedule):
            return f"this {kind} has several partitions in one day ({partitions.cron_schedule})"
        return None
    if isinstance(partitions, dg.StaticPartitionsDefinition):
        others = [key for key in partitions.get_partition_keys() if not _is_iso(key)]
        return f"this {kind} has {quoted(others[0])}" if others else None
    return f"a {kind} has keys of any kind"


def _is_iso(key: str) -> bool:
    try:
        return date.fromisoformat(key).isoformat() == key
    except ValueError:
        return False


def days_of(location: Location) -> dg.DailyPartitionsDefinition:
    """Return the days that runs of a pipeline may be as of.

    Raises:
        SettingsError: if it has none.
    """
    found = location.partitions
    if isinstance(found, dg.DailyPartitionsDefinition) and found.fmt == _ISO:
        return found
    has = "no partitions" if found is None else str(found)
    raise SettingsError(
        f"Pipeline '{location.pipeline.name}' must have daily partitions whose keys are ISO dates,"
        f" so that dates can be asked for here, but it has {has}. Dagster's UI runs it."
    )


def last_day(partitions: dg.DailyPartitionsDefinition) -> date:
    """Return the last day of the calendar that is over.

    Raises:
        ParamsError: if the calendar has no day yet.
    """
    key = partitions.get_last_partition_key()
    if key is None:
        raise ParamsError(["as_of cannot have a value yet: the calendar starts in the future"])
    return date.fromisoformat(key)


def problem_with(day: date, location: Location) -> str | None:
    """Return why a run cannot be as of a day, or None where it can.

    Args:
        day: the day.
        location: the pipeline and its calendar.

    Raises:
        SettingsError: if it has no days.
    """
    partitions, set_by = days_of(location), location.calendar_is_set_by
    first, last = partitions.get_first_partition_key(), partitions.get_last_partition_key()
    if partitions.has_partition_key(day.isoformat()):
        return None
    return f"as_of must be a day from {first} to {last}, but got {day}; {set_by}"


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
