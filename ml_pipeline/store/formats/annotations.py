"""What the annotation of a stage's result tells: classes of one's own, and what cannot be kept."""

import collections.abc
import dataclasses
import inspect
import types
import typing
from collections.abc import Callable, Iterator
from typing import Any, Final

from ml_pipeline.store.formats.own_types import DATA, ENUM, MODEL, tag_of

_HOLDING: Final = (dict, list, tuple, set, frozenset)
_UNIONS: Final = (typing.Union, types.UnionType)
_NEVER: Final = (
    collections.abc.Callable,
    collections.abc.Iterator,
    collections.abc.Generator,
    collections.abc.AsyncIterator,
    collections.abc.AsyncGenerator,
    type,
)


def own_types_within(*annotations: Any) -> list[type[Any]]:
    """Return the classes of one's own that annotations lead to, by way of their fields as well.

    Args:
        annotations: types, however they are put together.
    """
    found: dict[type[Any], None] = {}
    waiting = list(annotations)
    while waiting:
        annotation = _plain(waiting.pop(0))
        waiting.extend(typing.get_args(annotation))
        kind = typing.get_origin(annotation) or annotation
        tag = tag_of(kind)
        if tag is None:
            if typing.is_typeddict(kind):
                waiting.extend(_fields(kind).values())
        elif kind not in found:
            found[kind] = None
            if tag != ENUM:
                waiting.extend(_fields(kind).values())
    return list(found)


def unkeepable(annotation: Any, keeps: Callable[[type[Any]], bool]) -> list[str]:
    """Return what of an annotation says that it cannot be kept, each with its place.

    What it leaves open is taken to be kept: text that stands for what is not imported, `Any`,
    `object`, protocols, abstract classes, and classes of which a subclass is kept.

    Args:
        annotation: what a stage says that it returns.
        keeps: whether values of a class are kept.
    """
    return list(dict.fromkeys(_refused(annotation, keeps, "", ())))


def _refused(
    annotation: Any, keeps: Callable[[type[Any]], bool], place: str, around: tuple[Any, ...]
) -> Iterator[str]:
    annotation = _plain(annotation)
    origin = typing.get_origin(annotation)
    kind = origin or annotation
    if origin in _UNIONS:
        for member in typing.get_args(annotation):
            if member is not type(None):
                yield from _refused(member, keeps, place, around)
    elif kind in _NEVER:
        yield f"{_shown(annotation)}{place}"
    elif kind is Any or not isinstance(kind, type) or kind in around:
        return
    elif tag_of(kind) is not None or typing.is_typeddict(kind):
        if tag_of(kind) != ENUM:
            for name, field in _fields(kind).items():
                at = f" in {kind.__qualname__}.{name}"
                yield from _refused(field, keeps, at, (*around, kind))
    elif not keeps(kind) and not _is_open(kind, keeps):
        yield f"{_shown(kind)}{place}"
    elif kind in _HOLDING or kind.__module__ == "collections.abc":
        for member in typing.get_args(annotation):
            if member not in (..., type(None)):
                yield from _refused(member, keeps, place, around)


def _is_open(kind: type[Any], keeps: Callable[[type[Any]], bool]) -> bool:
    """Whether a value may be of a class that is kept, though its annotation is of none."""
    if kind is object or inspect.isabstract(kind) or getattr(kind, "_is_protocol", False):
        return True
    if kind.__module__ in ("builtins", "collections"):
        return False
    # What its mixins are mixed into is imported late.
    return kind.__module__.partition(".")[0] == "sklearn" or any(
        keeps(one) or tag_of(one) is not None or _is_open(one, keeps)
        for one in type.__subclasses__(kind)
    )


def _plain(annotation: Any) -> Any:
    """Return an annotation without what only names it or adds to it."""
    while True:
        if isinstance(annotation, typing.NewType):
            annotation = annotation.__supertype__
        elif typing.get_origin(annotation) is typing.Annotated:
            annotation = typing.get_args(annotation)[0]
        elif type(annotation).__name__ == "TypeAliasType":
            annotation = annotation.__value__
        else:
            return annotation


def _fields(kind: Any) -> dict[str, Any]:
    """Return the annotations of the fields of a class, but for those that lead nowhere."""
    if tag_of(kind) == MODEL:
        return {name: field.annotation for name, field in kind.model_fields.items()}
    try:
        hints = typing.get_type_hints(kind)
    except (NameError, AttributeError, SyntaxError, TypeError):
        return {}
    if tag_of(kind) == DATA:
        return {one.name: hints.get(one.name, Any) for one in dataclasses.fields(kind)}
    return hints


def _shown(annotation: Any) -> str:
    if isinstance(annotation, type) and typing.get_origin(annotation) is None:
        return f"{annotation.__module__}.{annotation.__qualname__}".removeprefix("builtins.")
    return str(annotation).removeprefix("typing.")
