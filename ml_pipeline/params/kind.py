"""Kinds: what values a field takes, worked out once from its annotation.

Only what has one canonical form has a kind: none, truth values, numbers, text, dates, choices, what
`spelled` has, and lists, sets and mappings of them. Anything else could not be the same value by
every door, and is refused when a model is made.
"""

import enum
import types
import typing
from collections.abc import Iterator, Mapping, Sequence, Set
from dataclasses import dataclass, fields, replace
from datetime import date
from itertools import combinations
from pathlib import Path
from typing import Annotated, Any, Final, Literal, NewType, Union

from ml_pipeline.params.scalar import scalar
from ml_pipeline.params.spelled import SPELLED
from ml_pipeline.text import written

_PLAIN: Final = (str, int, float, bool)


@dataclass(frozen=True)
class Kind:
    """What a field takes: a value of any kind that is true here.

    Attributes:
        none: no value.
        truth: true and false.
        whole: integers.
        number: floats.
        text: any text.
        day: dates.
        anything: whatever JSON holds; a number without a fraction is an integer then.
        choices: the values of literals and enumerations: text, numbers and truth values.
        items: kind of the members of a list.
        places: kinds of the members of a tuple, one for each place.
        values: kind of the values of a mapping, whose keys are text.
        different: kind of the members of a set.
        spelled: the type of values that are written as text, such as paths.
    """

    none: bool = False
    truth: bool = False
    whole: bool = False
    number: bool = False
    text: bool = False
    day: bool = False
    anything: bool = False
    choices: tuple[Any, ...] = ()
    items: "Kind | None" = None
    places: "tuple[Kind, ...] | None" = None
    values: "Kind | None" = None
    different: "Kind | None" = None
    spelled: type | None = None

    @property
    def holds_members(self) -> bool:
        """Whether there are values with members: lists, tuples, sets and mappings."""
        return any(
            one is not None for one in (self.items, self.places, self.values, self.different)
        )

    @property
    def members(self) -> "Sequence[Kind]":
        """The kinds of what stands in values with members."""
        several = (self.items, self.values, self.different, *(self.places or ()))
        return [kind for kind in several if kind is not None]

    @property
    def needs_reading(self) -> bool:
        """Whether a value is of another type than its form in JSON, at whatever depth."""
        is_other = self.spelled is not None or self.different is not None
        return is_other or any(kind.needs_reading for kind in self.members)

    @property
    def can_hold_text(self) -> bool:
        """Whether free text can stand in a value, at whatever depth."""
        is_text = self.text or self.anything or self.spelled is Path
        return is_text or any(kind.can_hold_text for kind in self.members)


class NoKind(ValueError):
    """An annotation whose values have no canonical form; the message says why."""


def kind_of(annotation: Any) -> Kind:
    """Work out the kind of an annotation.

    Raises:
        NoKind: if its values have no canonical form, or some text would have two readings.
    """
    kind = _kind(annotation)
    if kind.anything:
        raise NoKind("it may be anything: declare what it may be, like float | str")
    return kind


def members_of(annotation: Any) -> tuple[Any, ...]:
    """Return what an annotation joins, without metadata: itself where it is no union."""
    annotation = _bare(annotation)
    if typing.get_origin(annotation) not in (Union, types.UnionType):
        return (annotation,)
    return tuple(m for member in typing.get_args(annotation) for m in members_of(member))


def _kind(annotation: Any) -> Kind:
    members = members_of(annotation)
    if len(members) > 1:
        return _union([_kind(member) for member in members])
    (annotation,) = members
    origin, arguments = typing.get_origin(annotation), typing.get_args(annotation)
    if origin is Literal:
        choices = tuple(choice for choice in arguments if choice is not None)
        return _checked(Kind(none=None in arguments, choices=_choices(choices)))
    if isinstance(annotation, type) and issubclass(annotation, enum.Enum):
        return _checked(Kind(choices=_choices([member.value for member in annotation])))
    if annotation in _NAMED:
        return _NAMED[annotation]
    if annotation in SPELLED:
        return Kind(spelled=annotation)
    container = origin or annotation
    if container in (list, Sequence):
        return Kind(items=_kind(arguments[0]) if arguments else Kind(anything=True))
    if container in (set, frozenset, Set):
        return Kind(different=_of_set(arguments))
    if container in (dict, Mapping):
        if arguments and _bare(arguments[0]) is not str:
            raise NoKind("its keys must be text")
        return Kind(values=_kind(arguments[1]) if arguments else Kind(anything=True))
    if container is tuple:
        if not arguments or arguments[1:] == (...,):
            return Kind(items=_kind(arguments[0]) if arguments else Kind(anything=True))
        return Kind(places=tuple(_kind(argument) for argument in arguments))
    name = getattr(annotation, "__name__", str(annotation))
    raise NoKind(
        f"a {name} has no form that is the same by every door: take text, numbers, truth values,"
        " dates, choices, paths, decimals, durations, UUIDs, or lists, sets and mappings of them"
    )


def _of_set(arguments: Sequence[Any]) -> Kind:
    if not arguments:
        raise NoKind("a set has to say what is in it, like set[str]")
    members = _kind(arguments[0])
    if members.holds_members or members.anything:
        raise NoKind("the members of a set must be single values, so that they have an order")
    if len({bool, int, float}.intersection(leaves(members))) > 1:
        raise NoKind("the numbers in a set must be of one type: 1, 1.0 and true are one member")
    return members


_NAMED: Final[Mapping[Any, Kind]] = {
    type(None): Kind(none=True),
    bool: Kind(truth=True),
    int: Kind(whole=True),
    float: Kind(number=True),
    str: Kind(text=True),
    date: Kind(day=True),
    Any: Kind(anything=True),
}


def _bare(annotation: Any) -> Any:
    """Return an annotation without metadata and other names for it."""
    while True:
        if typing.get_origin(annotation) is Annotated:
            annotation = typing.get_args(annotation)[0]
        elif isinstance(annotation, NewType):
            annotation = annotation.__supertype__
        elif type(annotation).__name__ == "TypeAliasType":
            annotation = annotation.__value__
        else:
            return annotation


def _choices(found: Sequence[Any]) -> tuple[Any, ...]:
    for choice in found:
        if type(choice) not in _PLAIN:
            raise NoKind(f"the choice {choice!r} must be text, a number or a truth value")
    return tuple(found)


def _union(members: Sequence[Kind]) -> Kind:
    joined = Kind()
    for member in members:
        for field in fields(Kind):
            old, new = getattr(joined, field.name), getattr(member, field.name)
            if field.name in ("items", "places", "values", "different", "spelled"):
                if old is not None and new is not None:
                    raise NoKind(
                        f"two kinds of {_SEVERAL[field.name]} cannot be told apart: join them"
                    )
                value = new if old is None else old
            else:
                value = _joined(old, new) if field.name == "choices" else old or new
            joined = replace(joined, **{field.name: value})
    if sum(one is not None for one in (joined.items, joined.places, joined.different)) > 1:
        raise NoKind("lists, tuples and sets cannot be told apart: take one")
    if joined.spelled is not None and _has_words(joined):
        name = joined.spelled.__name__
        raise NoKind(f"a {name} cannot be told apart from other text or numbers: take one")
    return _checked(joined)


_SEVERAL: Final = {"spelled": "text"} | dict.fromkeys(
    ("items", "places", "values", "different"), "lists or mappings"
)


def _has_words(kind: Kind) -> bool:
    """Whether there are values, beside none, that one word stands for."""
    return any((kind.truth, kind.whole, kind.number, kind.text, kind.day, kind.choices))


def _joined(some: tuple[Any, ...], more: tuple[Any, ...]) -> tuple[Any, ...]:
    known = [(type(choice), choice) for choice in some]
    return some + tuple(choice for choice in more if (type(choice), choice) not in known)


def _checked(kind: Kind) -> Kind:
    """Refuse choices of which one text could mean two."""
    for one, other in combinations(kind.choices, 2):
        are_texts = isinstance(one, str) and isinstance(other, str)
        if not are_texts and (written(one) == written(other) or _meaning(one) == _meaning(other)):
            raise NoKind(f"the choices {one!r} and {other!r} read the same: leave one out")
    for choice in kind.choices:
        meant = _meaning(choice)
        if isinstance(choice, str) and not isinstance(meant, str) and _takes(kind, meant):
            raise NoKind(f"the choice {choice!r} reads like {written(meant)}, which it takes too")
    return kind


def _meaning(choice: Any) -> Any:
    return scalar(choice) if isinstance(choice, str) else choice


def _takes(kind: Kind, value: Any) -> bool:
    if value is None:
        return kind.none
    if isinstance(value, bool):
        return kind.truth
    return kind.whole or kind.number


def leaves(kind: Kind) -> Iterator[type]:
    """Yield the types of the values that a field takes, those of choices included."""
    yield from (type(choice) for choice in kind.choices)
    named: Mapping[type, object] = {
        type(None): kind.none,
        bool: kind.truth,
        int: kind.whole,
        float: kind.number,
        str: kind.text,
        date: kind.day,
        list: kind.items,
        set: kind.different,
        tuple: kind.places,
        dict: kind.values,
    }
    yield from (kind.spelled,) if kind.spelled else ()
    yield from (cls for cls, taken in named.items() if taken not in (False, None))
