"""What the key of a partition stands for: the values that the arguments of a stage can get of it.

A pipeline is declared without partitions. Whoever brings them binds `Keys` to it: they know when
the time window of a key starts, which keys of two dimensions are in it, and the order of keys.
Where nobody has, a key is its text, and a date where it is an ISO date.
"""

import inspect
import types
import typing
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from typing import Any, Final, Literal, Protocol

from ml_pipeline.params.as_of import AsOf, as_of_from_key, by_key

Kind = Literal["key", "str", "date", "datetime"]

_KINDS: Final[Mapping[str, Kind]] = {"str": "str", "date": "date", "datetime": "datetime"}
_NONE: Final = "None"
# Not everything that an annotation may be can be hashed or compared.
_NAMES: Final = {id(str): "str", id(date): "date", id(datetime): "datetime", id(type(None)): _NONE}


@dataclass(frozen=True)
class Meaning:
    """What a key stands for.

    Attributes:
        key: as Dagster spells it.
        start: when its time window starts; None where it has none.
        end: when that is over.
        parts: what stands for each dimension, by name; empty where there is but one.
    """

    key: str
    start: datetime | None = None
    parts: Mapping[str, "Meaning"] = field(default_factory=dict)
    end: datetime | None = None

    def value(self, kind: Kind) -> Any:
        """Return it in one of the ways in which an argument may want it; None where it has none."""
        if kind == "str":
            return self.key
        own = as_of_from_key(self.key)
        if kind == "key":
            return own
        if kind == "datetime":
            return self.start
        if self.start is not None:
            return self.start.date()
        return own if isinstance(own, date) else None


class Keys(Protocol):
    """What knows the keys of a pipeline's partitions."""

    def meaning(self, as_of: AsOf) -> Meaning:
        """Return what a key stands for.

        Raises:
            PipelineError: if it is no key of these partitions.
        """

    def order(self, as_of: AsOf | None) -> Any:
        """Return a key that puts partitions in order."""

    def is_between(self, as_of: AsOf, first: AsOf | None, last: AsOf | None) -> bool:
        """Whether a key is neither before a first nor after a last one, where these are given."""

    def ends(self, dates: Sequence[AsOf | None]) -> tuple[AsOf | None, AsOf | None]:
        """Return the first and last key of the range that has all of some, which are in order."""


class PlainKeys:
    """Keys of which nobody knows more than they say themselves: days are those of UTC."""

    def meaning(self, as_of: AsOf) -> Meaning:
        """Return what a key stands for."""
        as_of = as_of_from_key(str(as_of))
        if isinstance(as_of, date):
            start = datetime(as_of.year, as_of.month, as_of.day, tzinfo=UTC)
            return Meaning(str(as_of), start, end=start + timedelta(days=1))
        return Meaning(as_of)

    def order(self, as_of: AsOf | None) -> Any:
        """Return a key that puts partitions in order."""
        return by_key(as_of)

    def is_between(self, as_of: AsOf, first: AsOf | None, last: AsOf | None) -> bool:
        """Whether a key is neither before a first nor after a last one, where these are given."""
        is_late = first is None or by_key(first) <= by_key(as_of)
        return is_late and (last is None or by_key(as_of) <= by_key(last))

    def ends(self, dates: Sequence[AsOf | None]) -> tuple[AsOf | None, AsOf | None]:
        """Return the first and last key of the range that has all of some, which are in order."""
        return dates[0], dates[-1]


@dataclass(frozen=True)
class KnownKeys(PlainKeys):
    """Some keys and what they stand for, for a process that does not know the partitions."""

    meanings: Mapping[AsOf, Meaning]

    def meaning(self, as_of: AsOf) -> Meaning:
        """Return what a key stands for."""
        return self.meanings.get(as_of) or super().meaning(as_of)


PLAIN: Final = PlainKeys()


def in_time(keys: Keys, as_of: AsOf) -> tuple[dict[str, str], tuple[date, ...]]:
    """Return what of a key is no time, by dimension, and the times that it stands for.

    Args:
        keys: they know what it means.
        as_of: the key.

    Raises:
        PipelineError: if it is no key of these partitions.
    """
    if isinstance(as_of, date):
        return {}, (as_of,)
    meaning = keys.meaning(as_of)
    parts = meaning.parts or {"": meaning}
    rest = {name: part.key for name, part in parts.items() if part.start is None}
    return rest, tuple(part.start for part in parts.values() if part.start is not None)


@dataclass(frozen=True)
class Wish:
    """How an argument wants a key.

    Attributes:
        kind: in which of the ways; ``key`` is a date where the key is an ISO date, else its text.
        may_lack: whether it takes None where there are no partitions.
    """

    kind: Kind
    may_lack: bool = False


def wish_of(annotation: Any) -> Wish | None:
    """Return how an argument with an annotation wants a key; None where it wants something else.

    Args:
        annotation: evaluated, or the text of what could not be.
    """
    if annotation is inspect.Parameter.empty or annotation is Any:
        return Wish("key", may_lack=True)
    if isinstance(annotation, str):
        names = [part.strip().rpartition(".")[2] for part in annotation.split("|")]
    else:
        if typing.get_origin(annotation) is typing.Annotated:
            annotation = typing.get_args(annotation)[0]
        is_union = typing.get_origin(annotation) in (typing.Union, types.UnionType)
        members = typing.get_args(annotation) if is_union else (annotation,)
        names = [_NAMES.get(id(member), "") for member in members]
    kinds = {_KINDS.get(name) for name in names if name != _NONE}
    may_lack = _NONE in names
    if kinds == {"str", "date"}:
        return Wish("key", may_lack)
    if len(kinds) == 1 and (kind := kinds.pop()) is not None:
        return Wish(kind, may_lack)
    return None
