"""Kinds of values: what can be compared with what, and as what a database keeps it."""

import re
from collections.abc import Collection
from datetime import UTC, date, datetime
from functools import lru_cache
from typing import Any, Final, Literal, NamedTuple

Kind = Literal["number", "truth", "date", "time", "text"]
"""What the values of a column are."""

OneKind = Literal["whole", "number", "long", "truth", "date", "time", "text", "other"]
"""What one value is: whole numbers apart, those that no float has exactly apart from these."""

MOST_BITS: Final = 63
EXACT_BITS: Final = 53
"""Whole numbers of so many bits are floats without loss."""
_LONGEST: Final = 400
_DAY: Final = re.compile(r"(\d{4})-(\d\d?)-(\d\d?)(?:[ T](\d\d?)(:.+))?")
_SAME: Final[dict[frozenset[str], Kind]] = {
    frozenset({"whole"}): "number",
    frozenset({"number"}): "number",
    frozenset({"whole", "number"}): "number",
    frozenset({"truth"}): "truth",
    frozenset({"date"}): "date",
    frozenset({"time"}): "time",
    frozenset({"text"}): "text",
}


class Kept(NamedTuple):
    """One value as a database keeps it.

    Attributes:
        kind: what it is.
        number: it as a number, if it is one or a truth.
        text: it as text, if it is text, a date or a time; these as ISO 8601 has them.
    """

    kind: OneKind
    number: float | None = None
    text: str | None = None


def kept(value: Any) -> Kept:
    """Return a value, which is not None, as a database keeps it."""
    if isinstance(value, bool):
        return Kept("truth", float(value))
    if isinstance(value, int):
        if value.bit_length() > EXACT_BITS:
            return Kept("long" if value.bit_length() <= MOST_BITS else "other")
        return Kept("whole", float(value))
    if isinstance(value, float):
        return Kept("number", value + 0.0)
    if not isinstance(value, str) or len(value) > _LONGEST:
        return Kept("other")
    return _kept_text(value)


@lru_cache(maxsize=4096)
def _kept_text(value: str) -> Kept:
    if not _is_plain(value):
        return Kept("other")
    at = read_time(value)
    if isinstance(at, datetime):
        return Kept("time", None, at.isoformat(sep=" "))
    return Kept("text", None, value) if at is None else Kept("date", None, at.isoformat())


def same_kind(found: Collection[str]) -> Kind | None:
    """Return what all values of a column are; None where that cannot be told from kinds alone."""
    return _SAME.get(frozenset(found))


def read_time(text: str) -> date | datetime | None:
    """Read ``1998-05-31`` or ``1998-5-1 18:30``, in UTC if it names no zone; None if it is none."""
    match = _DAY.fullmatch(text)
    if match is None:
        return None
    year, month, day, hour, rest = match.groups()
    whole = f"{year}-{month:0>2}-{day:0>2}"
    try:
        if hour is None:
            return date.fromisoformat(whole)
        at = datetime.fromisoformat(f"{whole}T{hour:0>2}{rest}")
    except ValueError:
        return None
    return at if at.tzinfo is None else at.astimezone(UTC).replace(tzinfo=None)


def _is_plain(text: str) -> bool:
    """Whether every database keeps a text as it is."""
    if "\0" in text:
        return False
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
