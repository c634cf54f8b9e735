"""The dates of a request, from any door: one day, or all days from a first to a last."""

from collections.abc import Callable, Mapping, Sequence
from datetime import date, timedelta
from typing import Any

from ml_pipeline.params.as_of import AsOf
from ml_pipeline.text import quoted


def read_day(name: str, value: Any) -> date:
    """Read one day.

    Args:
        name: what the value is called where it was given.
        value: a text such as ``1998-05-31``.

    Raises:
        ValueError: if it is none; its text says what must hold.
    """
    if isinstance(value, str):
        try:
            return date.fromisoformat(value)
        except ValueError:
            pass
    raise ValueError(f"{name} must be a date such as 1998-05-31, but got {quoted(value)}")


def days_between(first: date, last: date) -> list[date]:
    """Return all days from a first to a last, both included."""
    return [first + timedelta(days=count) for count in range((last - first).days + 1)]


def read_days(
    ends: Mapping[str, Any], refuses: Callable[[date], str | None], problems: list[str]
) -> Sequence[AsOf]:
    """Read one day or a range.

    Args:
        ends: one value, or the first and the last one, by what they are called where given.
        refuses: says why a day cannot be asked for, if it cannot.
        problems: what is wrong is added here.

    Returns:
        The days in order, or none if something is wrong with them.
    """
    days = []
    for name, value in ends.items():
        try:
            days.append(read_day(name, value))
        except ValueError as error:
            problems.append(str(error))
    refused = [text for day in dict.fromkeys(days) if (text := refuses(day))]
    problems += refused
    if len(days) < len(ends) or refused:
        return []
    first, last = days[0], days[-1]
    if last < first:
        of_first, of_last = ends
        problems.append(f"{of_first} must not be after {of_last}, but got {first} and {last}")
    return days_between(first, last)
