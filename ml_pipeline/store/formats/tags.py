"""How values that JSON has no word for are written in JSON, and read back as what they were.

    {"day": {"$date": "2026-01-05"}, "size": {"$tuple": [3, 4]}, "who": {"$enum": ["a.Who", "ME"]}}

A mapping with a key that is no text, or that begins with a dollar, is written as pairs, so a tag is
never taken for a value.
"""

import base64
import json
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, date, datetime, time, timedelta, timezone, tzinfo
from decimal import Decimal
from fractions import Fraction
from math import isfinite
from typing import Any, Final
from uuid import UUID
from zoneinfo import ZoneInfo

from ml_pipeline.errors import ArtifactDamaged, PipelineError
from ml_pipeline.store.formats.format import dotted
from ml_pipeline.store.formats.own_types import TAGS, restored, state_of, tag_of

PLAIN: Final = (str, int, bool, type(None))
PART: Final = "$part"
_SHOWN: Final = 5
_SCALAR_KINDS: Final = "biufcUMm"
_MICROSECOND: Final = timedelta(microseconds=1)


class Writer:
    """Turns a value into a document of JSON.

    Attributes:
        problems: what would not come back as it is, each with its place.
        classes: full names of the classes of one's own that there are.
    """

    def __init__(
        self, own: Mapping[str, type[Any]], part: Callable[[Any, str], Any] = lambda _one, _at: None
    ) -> None:
        """Begin with nothing.

        Args:
            own: classes of one's own that may be read back, by full name.
            part: writes what is kept in a file of its own and returns what stands for it, or None
                where it is to be written here.
        """
        self.problems: list[str] = []
        self.classes: set[str] = set()
        self._own = own
        self._part = part

    def written(self, value: Any, place: str = "") -> Any:
        """Return what is written for a value."""
        kind = type(value)
        if kind is dict:
            return self._mapping(value, place)
        if kind is list:
            return self._members(value, place)
        if kind in PLAIN:
            return value
        if isinstance(value, float) and (kind is float or kind.__module__ == "numpy"):
            if not isfinite(value):
                self._problem(place, f"is {value}")
            return float(value)
        if kind in SIMPLE:
            tag, turn = SIMPLE[kind]
            try:
                return {tag: turn(value)}
            except ValueError as error:
                return self._problem(place, str(error))
        if kind is tuple:
            return {"$tuple": self._members(value, place)}
        if kind in (set, frozenset):
            # Their order is another in every process.
            members = [self.written(one, f"{place}{{{one!r:.40}}}") for one in value]
            return {f"${kind.__name__}": sorted(members, key=repr)}
        return self._other(value, kind, place)

    def _other(self, value: Any, kind: type[Any], place: str) -> Any:
        part = self._part(value, place)
        if part is not None:
            return part
        if is_scalar(kind):
            return self._scalar(value, place)
        tag = tag_of(kind)
        if tag is None:
            return self._problem(place, f"is {dotted(kind)}")
        name = dotted(kind)
        if self._own.get(name) is not kind:
            return self._problem(
                place,
                f"is {name}, which nothing says may be read back: name it in the stage's return"
                f" annotation, or say Pipeline(..., trusted=[{kind.__qualname__}])",
            )
        self.classes.add(name)
        try:
            return {tag: [name, state_of(tag, value, place, self.written)]}
        except ValueError as error:
            return self._problem(place, f"is {name}, but {error}")

    def _mapping(self, value: Mapping[Any, Any], place: str) -> Any:
        if all(type(key) is str and not key.startswith("$") for key in value):
            return {
                key: self.written(one, f"{place}.{key}" if place else key)
                for key, one in value.items()
            }
        return {
            "$dict": [
                [
                    self.written(key, f"the key {key!r:.80} of {place or 'it'}"),
                    self.written(one, f"{place}[{key!r:.80}]"),
                ]
                for key, one in value.items()
            ]
        }

    def _members(self, value: Iterable[Any], place: str) -> list[Any]:
        return [self.written(one, f"{place}[{number}]") for number, one in enumerate(value)]

    def _scalar(self, value: Any, place: str) -> Any:
        """Write a single number, text or time of NumPy."""
        kind = value.dtype.kind
        if kind not in _SCALAR_KINDS or value.dtype.char in "gG":
            return self._problem(place, f"is {dotted(type(value))}")
        if kind in "Mm":
            return {"$numpy": [value.dtype.str, int(value.astype("int64"))]}
        if kind == "U":
            return {"$numpy": ["U", str(value)]}
        plain = value.item()
        parts = [plain.real, plain.imag] if kind == "c" else [plain]
        if not all(isfinite(one) for one in parts):
            return self._problem(place, f"is {value}")
        return {"$numpy": [value.dtype.str, *parts]}

    def _problem(self, place: str, said: str) -> None:
        self.problems.append(f"{place or 'it'} {said}")


class Reader:
    """Turns a document that `Writer` wrote into the value again."""

    def __init__(
        self, own: Mapping[str, type[Any]], part: Callable[[Any], Any] | None = None
    ) -> None:
        """Take what may be made.

        Args:
            own: classes of one's own, by full name.
            part: reads what is kept in a file of its own.
        """
        self.classes: set[str] = set()
        self._own = own
        self._part = part

    def value(self, document: Any) -> Any:
        """Return the value of a document.

        Raises:
            ArtifactDamaged: if it holds a class that is not known, or could not have been written.
        """
        if isinstance(document, list):
            return [self.value(one) for one in document]
        if not isinstance(document, dict):
            return document
        tag = next(iter(document), "")
        if not tag.startswith("$"):
            return {key: self.value(one) for key, one in document.items()}
        try:
            return self._tagged(tag, document[tag])
        except (ArithmeticError, LookupError, TypeError, ValueError) as error:
            raise ArtifactDamaged(
                f"A stored value must be one that was written here, but has {tag} with"
                f" {document[tag]!r:.80}: {error!s:.100}. It is not used."
            ) from error

    def _tagged(self, tag: str, held: Any) -> Any:
        if tag in _READ:
            return _READ[tag](held)
        if tag == "$dict":
            return {self.value(key): self.value(one) for key, one in held}
        if tag in _COLLECTED:
            return _COLLECTED[tag](self.value(one) for one in held)
        if tag in TAGS:
            name, state = held
            if name not in self._own:
                raise ArtifactDamaged(
                    f"A stored value is of the class {name}, which nothing here says may be read"
                    " back. Name it in the return annotation of the stage that makes it, or say"
                    f" Pipeline(..., trusted=[{name.rpartition('.')[2]}])."
                )
            self.classes.add(name)
            return restored(tag, self._own[name], state, self.value)
        if tag == PART and self._part is not None:
            return self._part(held)
        raise LookupError("nobody knows that tag")


def is_scalar(kind: type[Any]) -> bool:
    """Whether a class is that of single numbers, texts or times of NumPy."""
    return any((one.__module__, one.__name__) == ("numpy", "generic") for one in kind.__mro__)


def text_of(make: Callable[[], Any], problems: list[str]) -> str:
    """Return the text of a document.

    Args:
        make: returns the document.
        problems: filled, while it is made, with what would not come back as it is.

    Raises:
        PipelineError: if there is any such.
    """
    text = ""
    try:
        document = make()
        text = "" if problems else json.dumps(document, indent=2, allow_nan=False)
    except RecursionError:
        problems = ["it is nested too deeply, or holds itself"]
    except ValueError as error:
        problems = [f"JSON says: {error}"]
    if problems:
        raise refusal(problems)
    return text + "\n"


def refusal(problems: list[str]) -> PipelineError:
    """Return the error that tells what would not come back as it is."""
    more = len(problems) - _SHOWN
    listed = "; ".join(problems[:_SHOWN]) + (f"; and {more} more" if more > 0 else "")
    return PipelineError(
        f"A value must come back as it is, but {listed}. Return plain numbers, text, dates,"
        " lists, mappings, data classes and what else docs/values.md lists, or give the pipeline a"
        " Format of your own: Pipeline(..., formats=[...])."
    )


def _zone(zone: tzinfo | None) -> Any:
    if zone is None:
        return None
    if type(zone) is ZoneInfo and zone.key is not None:
        return zone.key
    if type(zone) is timezone:
        offset, *name = zone.__getinitargs__()  # type: ignore[attr-defined]
        return [offset // _MICROSECOND, *name]
    raise ValueError(f"has a time zone of type {dotted(type(zone))}")


def _zone_of(held: Any) -> tzinfo | None:
    if held is None or isinstance(held, str):
        return None if held is None else ZoneInfo(held)
    offset, *name = held
    return timezone(timedelta(microseconds=offset), *name) if offset or name else UTC


def _moment(value: Any) -> list[Any]:
    return [value.replace(tzinfo=None, fold=0).isoformat(), _zone(value.tzinfo), value.fold]


def _moment_of(kind: type[Any]) -> Callable[[Any], Any]:
    return lambda held: kind.fromisoformat(held[0]).replace(tzinfo=_zone_of(held[1]), fold=held[2])


def _scalar_of(held: Any) -> Any:
    import numpy as np

    kind, *parts = held
    if kind == "U":
        return np.str_(parts[0])
    dtype = np.dtype(kind)
    if dtype.kind not in _SCALAR_KINDS:
        raise ValueError("no plain type")
    if dtype.kind in "Mm":
        return np.int64(parts[0]).view(dtype)
    return dtype.type(complex(*parts) if dtype.kind == "c" else parts[0])


SIMPLE: Final[dict[type[Any], tuple[str, Callable[[Any], Any]]]] = {
    bytes: ("$bytes", lambda value: base64.b64encode(value).decode()),
    complex: ("$complex", lambda value: [_finite(value.real), _finite(value.imag)]),
    date: ("$date", date.isoformat),
    datetime: ("$datetime", _moment),
    time: ("$time", _moment),
    timedelta: ("$timedelta", lambda value: value // _MICROSECOND),
    Decimal: ("$decimal", str),
    Fraction: ("$fraction", str),
    UUID: ("$uuid", str),
}
_READ: Final[dict[str, Callable[[Any], Any]]] = {
    "$bytes": lambda held: base64.b64decode(held, validate=True),
    "$complex": lambda held: complex(*held),
    "$date": date.fromisoformat,
    "$datetime": _moment_of(datetime),
    "$time": _moment_of(time),
    "$timedelta": lambda held: timedelta(microseconds=held),
    "$decimal": Decimal,
    "$fraction": Fraction,
    "$uuid": UUID,
    "$numpy": _scalar_of,
}
_COLLECTED: Final[dict[str, Callable[[Iterable[Any]], Any]]] = {
    "$tuple": tuple,
    "$set": set,
    "$frozenset": frozenset,
}


def _finite(number: float) -> float:
    if not isfinite(number):
        raise ValueError(f"holds {number}")
    return number
