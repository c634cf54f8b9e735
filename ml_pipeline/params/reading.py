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
from decimal import Decimal
from typing import Any, Final

import pydantic

from ml_pipeline.errors import nearest
from ml_pipeline.params.kind import Kind, Shape, aliases_of
from ml_pipeline.params.scalar import scalar
from ml_pipeline.params.secret import Hidden
from ml_pipeline.params.spelled import of_spelling
from ml_pipeline.params.wording import must_be

_NONE: Final = ("", "~", "none", "null")
_TRUE: Final = ("t", "true", "y", "yes", "on")
_FALSE: Final = ("f", "false", "n", "no", "off")
_DAY: Final = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_UNDERSCORE: Final = re.compile(r"(?<=[0-9])_(?=[0-9])")
_EXACT: Final = 2**53
_NOTHING: Final = object()


class Unreadable(ValueError):
    """A raw value that is none of what a field takes.

    Attributes:
        place: where in the value it stands: ``[2]``, ``.limit``; empty for the value itself.
        found: what stands there.
        hint: what to do, if there is something to say; begins with a colon.
        member: the place of the innermost field around it that has a rule of its own.
        rule: what that field says of it: ``must be integer``, ``does not exist``.
    """

    def __init__(
        self, found: Any, place: str = "", hint: str = "", member: str = "", rule: str = ""
    ) -> None:
        super().__init__(place)
        self.place = place
        self.found = found
        self.hint = hint
        self.member = member
        self.rule = rule


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
    raw = fields_of(raw) if isinstance(raw, pydantic.BaseModel) else raw
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
        found = Hidden() if kind.holds_secret else raw
        raise Unreadable(found, place, _hint(kind, raw))
    return value


def _hint(kind: Kind, raw: Any) -> str:
    """Say what to do about a value whose form loses what it means, if it does."""
    if kind.text and not isinstance(raw, str):
        return ": put text in quotes"
    meant = scalar(raw.strip()) if isinstance(raw, str) else raw
    if kind.whole and isinstance(meant, float) and meant.is_integer():
        return ": write all its digits, without a point or an exponent"
    if kind.spelled is Decimal and isinstance(raw, float):
        return ": put it in quotes, which keep every digit"
    return ""


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
    # Beyond, a float stands for several integers.
    if kind.whole and raw == int(raw) and abs(raw) < _EXACT:
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


def fields_of(value: pydantic.BaseModel) -> dict[str, Any]:
    """Return the values of an instance's fields by name."""
    return {name: getattr(value, name) for name in type(value).model_fields}


def shape_of(kind: Kind, raw: Mapping[Any, Any], place: str = "") -> Shape:
    """Return the one of a kind's shapes that a mapping is written for.

    Raises:
        Unreadable: if nothing tells which.
    """
    for shape in kind.shapes:
        if not kind.tag:
            return shape
        told = shape.members[kind.tag]
        if any(name in raw and _is_taken(told.kind, raw[name]) for name in _names(shape, kind.tag)):
            return shape
    choices = [choice for one in kind.shapes for choice in one.members[kind.tag].kind.choices]
    rule = f"must be one of {', '.join(map(str, choices))}"
    at = f"{place}.{kind.tag}"
    raise Unreadable(raw.get(kind.tag), at, member=at, rule=rule)


def _is_taken(kind: Kind, raw: Any) -> bool:
    try:
        read(kind, raw)
    except Unreadable:
        return False
    return True


def _names(shape: Shape, name: str) -> tuple[str, ...]:
    return (name, *aliases_of(shape.members[name].info))


def _of_shape(kind: Kind, raw: Mapping[Any, Any], place: str) -> dict[str, Any]:
    """Return the values of all fields, defaults included."""
    shape = shape_of(kind, raw, place)
    own = {alias: name for name in shape.members for alias in _names(shape, name)}
    given = {}
    for key, value in raw.items():
        if key not in own or own[key] in given:
            at = f"{place}.{key}"
            rule = "is given twice" if key in own else _why_unknown(kind, shape, key, own)
            raise Unreadable(value, at, member=at, rule=rule)
        given[own[key]] = value
    found = {}
    for name, member in shape.members.items():
        at = f"{place}.{name}"
        if name not in given and member.info.is_required():
            raise Unreadable(None, at, member=at, rule=f"is required: give {must_be(member.info)}")
        value = given.get(name, ...)
        value = member.info.get_default(call_default_factory=True) if value is ... else value
        try:
            found[name] = read(member.kind, value, at)
        except Unreadable as error:
            if error.rule:
                raise
            rule = f"must be {must_be(member.info)}"
            raise Unreadable(error.found, error.place, error.hint, at, rule) from None
    return found


def _why_unknown(kind: Kind, shape: Shape, key: Any, own: Iterable[str]) -> str:
    of_others = [
        str(choice)
        for other in kind.shapes
        if key in other.members and other is not shape
        for choice in other.members[kind.tag].kind.choices
    ]
    if not of_others:
        return f"does not exist.{nearest(key, list(own))}"
    here = ", ".join(map(str, shape.members[kind.tag].kind.choices))
    return f"is a field of {kind.tag} {' or '.join(of_others)}, but {kind.tag} is {here}"


def _of_mapping(kind: Kind, raw: Mapping[Any, Any], place: str) -> Any:
    if kind.shapes:
        return _of_shape(kind, raw, place)
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
