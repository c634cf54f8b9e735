"""A record as the rows of an index, and back."""

import zlib
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any, Final

from ml_pipeline.index.kinds import Kept, kept
from ml_pipeline.store.record import Record

PARAMETER: Final = "p:"
METRIC: Final = "m:"
AS_OF: Final = "as_of"
"""How names of values begin, and what the date is called among them."""

OWN: Final = ("as_of", "made_at", "duration_s", "code")
"""Columns of an artifact's row that its record tells."""

# What is large, and read from the store by whoever shows or repeats one run.
_LEFT_OUT: Final[Any] = {
    "picture": True,
    "code_parts": True,
    "origins": True,
    "packages": True,
    "content": {"files", "classes"},
    "provenance": {"packages"},
}
_QUICKLY: Final = 1


def packed(record: Record) -> bytes:
    """Return a record without what is large in it, packed."""
    return zlib.compress(record.model_dump_json(exclude=_LEFT_OUT).encode(), _QUICKLY)


def unpacked(document: bytes) -> Record:
    """Return a record that was packed: a summary, without what is large in it."""
    return Record.model_validate_json(zlib.decompress(document))


def columns(record: Record) -> tuple[Any, ...]:
    """Return what of a record stands in columns of its row, in the order of `OWN`."""
    as_of = None if record.as_of is None else str(record.as_of)
    return as_of, moment(record), record.duration_s, record.code


def moment(record: Record) -> str:
    """Return when a record's computation began, such that texts are in the order of time."""
    return text_of(record.started_at)


def text_of(time: datetime) -> str:
    """Return a moment as rows have it."""
    return time.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S.%f")


def values(record: Record) -> Iterator[tuple[str, Kept]]:
    """Yield the name and value of each parameter and metric, and the kind of the date."""
    if record.as_of is not None:
        yield AS_OF, kept(str(record.as_of))
    for name, number in record.metrics.items():
        yield f"{METRIC}{name}", kept(number)
    for group, of in record.params.items():
        yield from _flat(f"{PARAMETER}{group}", of)


def _flat(place: str, of: Mapping[str, Any]) -> Iterator[tuple[str, Kept]]:
    for name, value in of.items():
        inner = f"{place}.{name}"
        if isinstance(value, Mapping):
            # Whether that is a section or a value, only the parameters as they are now tell.
            yield inner, Kept("other")
            yield from _flat(inner, value)
        elif value is not None:
            yield inner, kept(value)
