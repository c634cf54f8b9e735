"""What a run is as of, as everything but the room of Dagster has it: the key of a partition.

A key that is an ISO date is that date, any other is its text. `str` of either is the key again, as
Dagster spells it: that is what identity, paths, records and tags hold.
"""

import re
from collections.abc import Iterable, Sequence
from datetime import date
from typing import Annotated, Any, Final, TypeAlias

import pydantic

from ml_pipeline.text import counted

AsOf: TypeAlias = date | str
"""A partition's key: a date where it is an ISO date, and text otherwise."""

_NUMBER: Final = re.compile(r"(\d+)")


def as_of_from_key(key: str) -> AsOf:
    """Return what a partition key is: a date, or its text."""
    try:
        day = date.fromisoformat(key)
    except ValueError:
        return str(key)
    return day if day.isoformat() == key else str(key)


def unusable(key: str) -> str | None:
    """Return why a key cannot be part of a path, or None where it can; any other is encoded."""
    if not key.strip():
        return "has nothing in it that can be seen"
    try:
        key.encode()
    except UnicodeEncodeError:
        return "has characters that no encoding has"
    return None


def by_key(as_of: AsOf | None) -> tuple[Any, ...]:
    """Return a key that puts partitions in order where nobody knows more of them than their keys.

    Those without come first, then dates, then texts, in which numbers are compared as numbers.
    """
    if as_of is None:
        return (0,)
    if isinstance(as_of, date):
        return 1, as_of
    parts = _NUMBER.split(as_of)
    return 2, [int(part) if place % 2 else part for place, part in enumerate(parts)], as_of


def nearest_keys(wanted: AsOf, others: Iterable[AsOf]) -> list[AsOf]:
    """Return other keys by how far they are: dates by days, any others by their places in order."""
    ordered = sorted({*others, wanted}, key=by_key)
    places = {other: place for place, other in enumerate(ordered)}

    def distance(other: AsOf) -> float:
        if isinstance(wanted, date) and isinstance(other, date):
            return abs((other - wanted).days)
        return abs(places[other] - places[wanted])

    return sorted((other for other in ordered if other != wanted), key=distance)


def noun_of(days: Iterable[AsOf | None]) -> str:
    """Return what to call one of some days: partitions that are none are no dates."""
    return "partition" if any(isinstance(day, str) for day in days) else "date"


def span(days: Sequence[AsOf | None]) -> str:
    """Say which dates are meant, in a phrase."""
    if not days:
        return "no dates"
    if len(days) == 1:
        return str(days[0]) if days[0] is not None else "no date"
    return f"{counted(len(days), noun_of(days))} from {days[0]} to {days[-1]}"


def _read(given: Any) -> Any:
    if isinstance(given, str):
        return as_of_from_key(given)
    if given is None or isinstance(given, date):
        return given
    raise ValueError("must be the key of a partition")


Kept: TypeAlias = Annotated[AsOf | None, pydantic.BeforeValidator(_read)]
"""A partition's key in a document of the store."""
