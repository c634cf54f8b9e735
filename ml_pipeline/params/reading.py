"""Raw values read as what a field takes, the same from whichever door they come.

Typed text, files, launchpads and requests write the same value in different ways: ``2``, ``2.0``
and ``"2"`` for an integer, ``none`` and ``null`` for no value. What is read here is the one value
that all of them mean. Bounds, patterns and validators are pydantic's to check afterwards.

A text is what it reads as, in quotes or not, unless the field takes nothing but text; blanks around
it never count. What could be meant in two ways is refused.
"""

import enum
import json
import math
import numbers
import re
from collections.abc import Iterable, Mapping, Set
from datetime import date
from typing import Any, Final

from ml_pipeline.params.kind import Kind
from ml_pipeline.params.scalar import scalar
from ml_pipeline.params.spelled import of_spelling

_NONE: Final = ("", "~", "none", "null")
_TRUE: Final = ("t", "true", "y", "yes", "on")
_FALSE: Final = ("f", "false", "n", "no", "off")
_DAY: Final = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_UNDERSCORE: Final = re.compile(r"(?<=[0-9])_(?=[0-9])")
_NOTHING: Final = object()


class Unreadable(ValueError):
    """A raw value that is none of what a field takes.

    Attributes:
        place: where in the value it stands: ``[2]``, ``.limit``; empty for the value itself.
        found: what stands there.
        hint: what to do, if there is something to say; begins with a colon.
    """

    def __init__(self, found: Any, place: str = "", hint: str = "") -> None:
        super().__init__(place)
        self.place = place
        self.found = found
        self.hint = hint


def read(kind: Kind, raw: Any, place: str = "") -> Any:
    """Return the value that is meant.

    Args:
        kind: what the field takes.
        raw: from any door.
        place: where in the field's value it stands.

    Raises:
        Unreadable: if it is none of what the field takes.
    """
    raw = raw.value if isinstance(raw, enum.Enum) else raw
    if kind.anything:
        return _tidied(raw, place)
    if _is_spelled(kind, raw):
        value = _of_spelling(kind.spelled, raw)
    elif isinstance(raw, str):
        value = _of_text(kind, raw)
    elif isinstance(raw, Mapping):
        value = _of_mapping(kind, raw, place)
    elif kind.different is not None and isinstance(raw, list | tuple | Set):
        value = _of_set(kind.different, raw, place)
    elif isinstance(raw, list | tuple):
        value = _of_list(kind, raw, place)
    else:
        value = _of_scalar(kind, raw)
    if value is _NOTHING:
        needs_quotes = kind.text and not isinstance(raw, str)
        raise Unreadable(raw, place, ": put text in quotes" if needs_quotes else "")
    return value


def _is_spelled(kind: Kind, raw: Any) -> bool:
    """Whether a raw value is meant for a type whose values are written as text."""
    if kind.spelled is None or isinstance(raw, Mapping | list | tuple | Set):
        return False
    is_none = raw is None or (isinstance(raw, str) and raw.strip().lower() in _NONE)
    return not (kind.none and is_none)


def _of_spelling(cls: type | None, raw: Any) -> Any:
    try:
        return of_spelling(cls, raw) if cls is not None else _NOTHING
    except ValueError:
        return _NOTHING


def _of_set(kind: Kind, raw: Iterable[Any], place: str) -> frozenset[Any]:
    # A list would stay one where it is empty: Dagster's config keeps those that it is given.
    return frozenset(read(kind, member, f"{place}[{at}]") for at, member in enumerate(raw))


def _of_text(kind: Kind, raw: str) -> Any:
    if raw in kind.choices:
        return raw
    text = raw.strip()
    if text in kind.choices:
        return text
    if kind.none and text.lower() in _NONE:
        return None
    if kind.truth and not kind.text and text.lower() in (*_TRUE, *_FALSE):
        return text.lower() in _TRUE
    meant = scalar(text)
    if isinstance(meant, str) and not kind.text:
        # Python's way of grouping digits, which other texts may have as well.
        meant = scalar(_UNDERSCORE.sub("", text))
    if not isinstance(meant, str | None):
        value = _of_scalar(kind, meant)
        if value is not _NOTHING:
            return value
    if kind.day and _DAY.fullmatch(text):
        try:
            return date.fromisoformat(text)
        except ValueError:
            return _NOTHING
    is_text = kind.text and (bool(text) or not raw) and _is_unicode(text)
    return text if is_text else _NOTHING


def _of_scalar(kind: Kind, raw: Any) -> Any:
    """Read what a language has a form of its own for: none, truth values, numbers, dates."""
    if raw is None:
        return None if kind.none else _NOTHING
    if isinstance(raw, bool):
        return raw if kind.truth else _chosen(kind, raw)
    # Asking for Python's own types first is what makes this fast.
    if isinstance(raw, int | numbers.Integral):
        return _of_number(kind, int(raw))
    if isinstance(raw, float | numbers.Real) and math.isfinite(raw):
        return _of_number(kind, float(raw) + 0.0)
    if type(raw) is date and kind.day:
        return raw
    return _NOTHING


def _of_number(kind: Kind, raw: int | float) -> Any:
    chosen = _chosen(kind, raw)
    if chosen is not _NOTHING:
        return chosen
    if isinstance(raw, int) and kind.whole:
        return raw
    if kind.number:
        try:
            return float(raw)
        except OverflowError:
            return _NOTHING
    if kind.whole and raw == int(raw):
        return int(raw)
    is_truth = kind.truth and not kind.text and raw in (0, 1)
    return bool(raw) if is_truth else _NOTHING


def _chosen(kind: Kind, raw: bool | int | float) -> Any:
    for choice in kind.choices:
        if not isinstance(choice, str) and isinstance(choice, bool) is isinstance(raw, bool):
            if choice == raw:
                return choice
        elif choice == json.dumps(raw):
            return choice
    return _NOTHING


def _of_list(kind: Kind, raw: list[Any] | tuple[Any, ...], place: str) -> Any:
    if kind.items is not None:
        return [read(kind.items, member, f"{place}[{at}]") for at, member in enumerate(raw)]
    if kind.places is None or len(kind.places) != len(raw):
        return _NOTHING
    pairs = enumerate(zip(kind.places, raw, strict=True))
    return [read(inner, member, f"{place}[{at}]") for at, (inner, member) in pairs]


def _of_mapping(kind: Kind, raw: Mapping[Any, Any], place: str) -> Any:
    if kind.values is None or not all(isinstance(key, str) and _is_unicode(key) for key in raw):
        return _NOTHING
    return {key: read(kind.values, member, f"{place}.{key}") for key, member in raw.items()}


def _tidied(raw: Any, place: str) -> Any:
    """Return what JSON holds so that equal numbers are one: JSON does not tell 100.0 from 100."""
    raw = raw.value if isinstance(raw, enum.Enum) else raw
    if isinstance(raw, Mapping) and all(isinstance(key, str) and _is_unicode(key) for key in raw):
        return {key: _tidied(member, f"{place}.{key}") for key, member in raw.items()}
    if isinstance(raw, list | tuple):
        return [_tidied(member, f"{place}[{at}]") for at, member in enumerate(raw)]
    if raw is None or isinstance(raw, bool) or (isinstance(raw, str) and _is_unicode(raw)):
        return raw
    if isinstance(raw, numbers.Integral):
        return int(raw)
    if isinstance(raw, numbers.Real) and math.isfinite(raw):
        number = float(raw)
        return int(number) if number.is_integer() else number
    raise Unreadable(raw, place)


def _is_unicode(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
