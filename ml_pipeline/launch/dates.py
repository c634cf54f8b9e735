"""The dates of a request, from any door: one, several, or all from a first to a last.

A pipeline's own calendar knows which keys its partitions have. Where nobody knows that, any day is
one, and Dagster refuses those that are none.
"""

from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from typing import Any, Protocol

from ml_pipeline.params.as_of import AsOf
from ml_pipeline.text import quoted

A_DAY = "1998-05-31"
"""A day as they are written, for messages."""


class Calendar(Protocol):
    """The partitions that runs may be as of."""

    @property
    def is_partitioned(self) -> bool:
        """Whether there are partitions at all."""

    @property
    def example(self) -> str:
        """A key as they look, to show to somebody whose key was none."""

    @property
    def suggested(self) -> str:
        """A key that can be asked for, as far as there is one."""

    def read(self, asked: Mapping[str, Any], problems: list[str]) -> Sequence[AsOf | None]:
        """Read what somebody asked for.

        Args:
            asked: one value, or the first and the last one of a range, by what they are called
                where they were given; empty where there are no partitions.
            problems: what is wrong is added here.

        Returns:
            The keys in order, or none if something is wrong with them.
        """


class EveryDay:
    """A calendar that has every day."""

    is_partitioned = True
    example = A_DAY
    suggested = A_DAY

    def read(self, asked: Mapping[str, Any], problems: list[str]) -> Sequence[AsOf | None]:
        """Read one day, or the first and the last one of a range."""
        days = []
        for name, value in asked.items():
            try:
                days.append(read_day(name, value))
            except ValueError as error:
                problems.append(str(error))
        if not days or len(days) < len(asked):
            return []
        first, last = days[0], days[-1]
        if last < first:
            of_first, of_last = asked
            problems.append(f"{of_first} must not be after {of_last}, but got {first} and {last}")
        return [first + timedelta(days=count) for count in range((last - first).days + 1)]


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
    raise ValueError(f"{name} must be a date such as {A_DAY}, but got {quoted(value)}")
