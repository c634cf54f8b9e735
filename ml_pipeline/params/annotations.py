"""Annotations and the kinds that they have.

What has no canonical form could not be the same value by every door, and is refused when a model is
made; so is a text that could be read in two ways.
"""

import enum
import types
import typing
from collections.abc import Mapping, Sequence, Set
from dataclasses import fields, replace
from datetime import date
from itertools import combinations
from typing import Annotated, Any, Final, Literal, NewType, TypeGuard, Union

import pydantic
from pydantic.fields import FieldInfo

from ml_pipeline.params.kind import Kind, Member, NoKind, Shape, aliases_of, leaves
from ml_pipeline.params.scalar import scalar
from ml_pipeline.params.spelled import SPELLED
from ml_pipeline.text import written

_PLAIN: Final = (str, int, float, bool)


def kind_of(annotation: Any) -> Kind:
    """Work out the kind of an annotation.

    Raises:
        NoKind: if its values have no canonical form, or some text would have two readings.
    """
    kind = _kind(annotation, ())
    if kind.anything:
        raise NoKind("it may be anything: declare what it may be, like float | str")
    return kind


def members_of(annotation: Any) -> tuple[Any, ...]:
    """Return what an annotation joins, without metadata: itself where it is no union."""
    annotation = _bare(annotation)
    if typing.get_origin(annotation) not in (Union, types.UnionType):
        return (annotation,)
    return tuple(m for member in typing.get_args(annotation) for m in members_of(member))


def _kind(annotation: Any, within: tuple[type, ...]) -> Kind:
    members = members_of(annotation)
    if len(members) > 1:
        return _union([_kind(member, within) for member in members])
    (annotation,) = members
    origin, arguments = typing.get_origin(annotation), typing.get_args(annotation)
    if origin is Literal:
        choices = tuple(choice for choice in arguments if choice is not None)
        return _checked(Kind(none=None in arguments, choices=_choices(choices)))
    if isinstance(annotation, type) and issubclass(annotation, enum.Enum):
        return _checked(Kind(choices=_choices([member.value for member in annotation])))
    if is_shape(annotation):
        return Kind(shapes=(_shape(annotation, within),))
    if annotation in _NAMED:
        return _NAMED[annotation]
    if annotation in (pydantic.SecretStr, pydantic.SecretBytes):
        raise NoKind(
            f"a {annotation.__name__} would hold a secret, and parameters are recorded: declare it"
            " a SecretRef, which says where the secret is kept"
        )
    if annotation in SPELLED:
        return Kind(spelled=annotation)
    container = origin or annotation
    if container in (list, Sequence):
        return Kind(items=_kind(arguments[0], within) if arguments else Kind(anything=True))
    if container in (set, frozenset, Set):
        return Kind(different=_of_set(arguments, within))
    if container in (dict, Mapping):
        if arguments and _bare(arguments[0]) is not str:
            raise NoKind("its keys must be text")
        return Kind(values=_kind(arguments[1], within) if arguments else Kind(anything=True))
    if container is tuple:
        if not arguments or arguments[1:] == (...,):
            return Kind(items=_kind(arguments[0], within) if arguments else Kind(anything=True))
        return Kind(places=tuple(_kind(argument, within) for argument in arguments))
    name = getattr(annotation, "__name__", str(annotation))
    raise NoKind(
        f"a {name} has no form that is the same by every door: take text, numbers, truth values,"
        " dates, choices, paths, decimals, durations, UUIDs, or lists, sets and mappings of them"
    )


def is_shape(annotation: Any) -> TypeGuard[type[pydantic.BaseModel]]:
    """Whether an annotation is a class whose fields are values of their own."""
    return isinstance(annotation, type) and issubclass(annotation, pydantic.BaseModel)


def _shape(cls: type[pydantic.BaseModel], within: tuple[type, ...]) -> Shape:
    if cls in within:
        raise NoKind(f"{cls.__name__} holds itself, so that its values have no end")
    members = {}
    for name, info in cls.model_fields.items():
        try:
            aliases_of(info)
            members[name] = Member(_kind(info.annotation, (*within, cls)), info)
        except NoKind as error:
            raise NoKind(f"'{name}' of {cls.__name__}: {error}") from None
    return Shape(cls, members)


def _of_set(arguments: Sequence[Any], within: tuple[type, ...]) -> Kind:
    if not arguments:
        raise NoKind("a set has to say what is in it, like set[str]")
    members = _kind(arguments[0], within)
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
            if field.name == "shapes":
                value = old + tuple(shape for shape in new if shape not in old)
            elif field.name in ("items", "places", "values", "different", "spelled"):
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
    if joined.shapes and joined.values is not None:
        raise NoKind("classes and mappings cannot be told apart: take one")
    if len(joined.shapes) > 1:
        joined = replace(joined, tag=_tag(joined.shapes))
    if joined.spelled is not None and _has_words(joined):
        name = joined.spelled.__name__
        raise NoKind(f"a {name} cannot be told apart from other text or numbers: take one")
    return _checked(joined)


_SEVERAL: Final = {"spelled": "text"} | dict.fromkeys(
    ("items", "places", "values", "different"), "lists or mappings"
)


def _tag(shapes: Sequence[Shape]) -> str:
    """Return the field whose choices tell shapes apart."""
    first, *others = shapes
    for name in first.members:
        of_each = [shape.members[name].kind for shape in shapes if name in shape.members]
        choices = [choice for kind in of_each for choice in kind.choices]
        are_choices = all(kind == Kind(choices=kind.choices) for kind in of_each)
        if len(of_each) == len(shapes) and are_choices and len(set(choices)) == len(choices):
            return name
    names = ", ".join(shape.cls.__name__ for shape in others)
    raise NoKind(
        f"{first.cls.__name__} and {names} cannot be told apart: give each a field of one name with"
        ' a Literal of its own, such as kind: Literal["..."]'
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


def accepts(info: FieldInfo, *kinds: type) -> bool:
    """Whether a field takes values of one of some kinds."""
    return any(issubclass(leaf, kinds) for leaf in leaves(kind_of(info.annotation)))
