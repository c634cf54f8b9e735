"""Kinds: what values a field takes.

Only what has one canonical form has a kind: none, truth values, numbers, text, dates, choices, what
`spelled` has, lists, sets and mappings of them, and classes with such fields.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import pydantic
from pydantic.fields import FieldInfo

from ml_pipeline.params.secret import SecretRef


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
        shapes: classes whose fields are values of their own, written as mappings.
        tag: the field that tells one shape from the others; empty where there is one.
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
    shapes: "tuple[Shape, ...]" = ()
    tag: str = ""

    @property
    def holds_members(self) -> bool:
        """Whether there are values with members: lists, tuples, sets, mappings and shapes."""
        some = (self.items, self.places, self.values, self.different)
        return bool(self.shapes) or any(one is not None for one in some)

    @property
    def holds_shapes(self) -> bool:
        """Whether there are values with fields of their own, at whatever depth."""
        return bool(self.shapes) or any(kind.holds_shapes for kind in self.members)

    @property
    def members(self) -> "Sequence[Kind]":
        """The kinds of what stands in values with members."""
        several = (self.items, self.values, self.different, *(self.places or ()))
        inner = [member.kind for shape in self.shapes for member in shape.members.values()]
        return [*(kind for kind in several if kind is not None), *inner]

    @property
    def needs_reading(self) -> bool:
        """Whether a value is of another type than its form in JSON, at whatever depth."""
        is_other = self.spelled is not None or self.different is not None or bool(self.shapes)
        return is_other or any(kind.needs_reading for kind in self.members)

    @property
    def holds_secret(self) -> bool:
        """Whether a reference to a secret can stand in a value, at whatever depth."""
        return self.spelled is SecretRef or any(kind.holds_secret for kind in self.members)

    @property
    def is_secret(self) -> bool:
        """Whether there is nothing in a value but references to secrets."""
        is_one = self.spelled is SecretRef or bool(self.members and not self.shapes)
        return is_one and all(kind.is_secret for kind in self.members)

    @property
    def can_hold_text(self) -> bool:
        """Whether free text can stand in a value, at whatever depth."""
        is_text = self.text or self.anything or self.spelled is Path
        return is_text or any(kind.can_hold_text for kind in self.members)


@dataclass(frozen=True)
class Member:
    """A field of a shape."""

    kind: Kind
    info: FieldInfo


@dataclass(frozen=True)
class Shape:
    """A class whose fields are values of their own.

    Attributes:
        members: its fields by name.
    """

    cls: type[pydantic.BaseModel]
    members: Mapping[str, Member]


class NoKind(ValueError):
    """An annotation whose values have no canonical form; the message says why."""


def aliases_of(info: FieldInfo) -> tuple[str, ...]:
    """Return the other names by which a field may be given.

    Raises:
        NoKind: if one is no name, but a path into other data.
    """
    alias = info.validation_alias if info.validation_alias is not None else info.alias
    if alias is None:
        return ()
    choices = alias.choices if isinstance(alias, pydantic.AliasChoices) else [alias]
    names = tuple(choice for choice in choices if isinstance(choice, str))
    if len(names) < len(choices):
        raise NoKind("its alias is a path into other data")
    return names


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
        dict: kind.values if kind.values is not None else kind.shapes or None,
    }
    yield from (kind.spelled,) if kind.spelled else ()
    yield from (cls for cls, taken in named.items() if taken not in (False, None))
