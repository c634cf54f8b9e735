"""Values of classes of one's own: data classes, pydantic models, enumerations and named tuples.

What is kept is the state, by the names of fields. It is given back without asking `__init__` or
validators, as it was: they may turn what they are given into another. Of a class that is not among
those that are known nothing is ever made, and no module is imported because a record names it.
"""

import dataclasses
import sys
from collections.abc import Callable, Iterable, Mapping
from enum import Enum, Flag
from functools import cached_property
from typing import Any, Final

from ml_pipeline.errors import ArtifactDamaged

ENUM: Final = "$enum"
DATA: Final = "$data"
MODEL: Final = "$model"
NAMED: Final = "$named"
TAGS: Final = (ENUM, DATA, MODEL, NAMED)

Turn = Callable[[Any, str], Any]
"""Turns a value at a place into what is written for it."""


def tag_of(kind: Any) -> str | None:
    """Return the tag of the values of a class; None if it is no class of these kinds."""
    if not isinstance(kind, type):
        return None
    if issubclass(kind, Enum):
        return ENUM
    if dataclasses.is_dataclass(kind):
        return DATA
    if issubclass(kind, tuple) and hasattr(kind, "_fields"):
        return NAMED
    # Nobody can have made a model without it.
    pydantic = sys.modules.get("pydantic")
    return MODEL if pydantic is not None and issubclass(kind, pydantic.BaseModel) else None


def state_of(tag: str, value: Any, place: str, turned: Turn) -> Any:
    """Return what is written for a value besides the name of its class.

    Args:
        tag: what `tag_of` says of its class.
        value: the value.
        place: where it is, for errors.
        turned: turns what it holds.

    Raises:
        ValueError: if it holds what is none of its fields.
    """
    if tag == ENUM:
        return turned(value.value, place) if isinstance(value, Flag) else value.name
    if tag == NAMED:
        return {name: turned(getattr(value, name), _of(place, name)) for name in value._fields}
    if tag == MODEL:
        state = value.__getstate__()
        held = {
            "fields": state["__dict__"],
            "extra": state["__pydantic_extra__"],
            "private": state["__pydantic_private__"],
        }
        fields = type(value).model_fields
        cached = [name for name in state["__dict__"] if _is_cached(type(value), name)]
        held["fields"] = {name: one for name, one in held["fields"].items() if name not in cached}
        _refuse_others(held["fields"], fields)
        written = {part: _each(members, place, turned) for part, members in held.items() if members}
        return {**written, "set": sorted(state["__pydantic_fields_set__"])}
    names = [one.name for one in dataclasses.fields(value)]
    others = (
        [name for name in vars(value) if not _is_cached(type(value), name)]
        if (hasattr(value, "__dict__"))
        else []
    )
    _refuse_others(others, names)
    held = {name: getattr(value, name) for name in names if hasattr(value, name)}
    return _each(held, place, turned)


def held_by(tag: str, value: Any) -> list[Any]:
    """Return what a value of a class of one's own holds.

    Args:
        tag: what `tag_of` says of its class.
        value: the value.
    """
    held: list[Any] = []
    if tag != ENUM:
        state_of(tag, value, "", lambda one, _place: held.append(one))
    return held


def restored(tag: str, kind: type[Any], state: Any, turned: Callable[[Any], Any]) -> Any:
    """Return a value of a class from what was written for it.

    Args:
        tag: the tag it was written with.
        kind: the class.
        state: what `state_of` gave.
        turned: turns what it holds back.

    Raises:
        ArtifactDamaged: if the class is now another than the one that was kept.
    """
    try:
        if tag_of(kind) != tag:
            raise TypeError("it is a class of another kind now")
        if tag == ENUM:
            return kind(turned(state)) if issubclass(kind, Flag) else kind[state]
        if tag == NAMED:
            _refuse_others(state, kind._fields)
            return tuple.__new__(kind, [turned(state[name]) for name in kind._fields])
        if tag == MODEL:
            return _model(kind, state, turned)
        return _data(kind, state, turned)
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise ArtifactDamaged(
            f"A stored value of {kind.__module__}.{kind.__qualname__} must have the fields of that"
            f" class, but: {type(error).__name__}: {error!s:.200}. It is not used."
        ) from error


def _data(kind: type[Any], state: Mapping[str, Any], turned: Callable[[Any], Any]) -> Any:
    fields = {one.name: one for one in dataclasses.fields(kind)}
    _refuse_others(state, fields)
    value = object.__new__(kind)
    for name, one in fields.items():
        if name in state:
            given = turned(state[name])
        elif one.default_factory is not dataclasses.MISSING:
            given = one.default_factory()
        elif one.default is not dataclasses.MISSING:
            given = one.default
        else:
            raise KeyError(name)
        object.__setattr__(value, name, given)
    return value


def _model(kind: Any, state: Mapping[str, Any], turned: Callable[[Any], Any]) -> Any:
    fields, given = kind.model_fields, state.get("fields", {})
    _refuse_others(given, fields)
    held = {name: turned(one) for name, one in given.items()}
    for name, field in fields.items():
        if name not in held:
            if field.is_required():
                raise KeyError(name)
            held[name] = field.get_default(call_default_factory=True, validated_data=held)
    private = {name: turned(one) for name, one in state.get("private", {}).items()}
    extra = {name: turned(one) for name, one in state.get("extra", {}).items()}
    value = kind.__new__(kind)
    value.__setstate__(
        {
            "__dict__": held,
            "__pydantic_extra__": extra if kind.model_config.get("extra") == "allow" else None,
            "__pydantic_fields_set__": set(state["set"]),
            "__pydantic_private__": private if kind.__private_attributes__ else None,
        }
    )
    return value


def _each(held: Mapping[str, Any], place: str, turned: Turn) -> dict[str, Any]:
    return {name: turned(one, _of(place, name)) for name, one in held.items()}


def _of(place: str, name: str) -> str:
    return f"{place}.{name}" if place else name


def _refuse_others(held: Iterable[str], fields: Iterable[str]) -> None:
    """Refuse what is held besides the fields: it would go unseen."""
    others = sorted(set(held) - set(fields))
    if others:
        raise ValueError(f"{', '.join(others)} is no field of it")


def _is_cached(kind: type[Any], name: str) -> bool:
    """Whether something is computed from the rest once it is asked for."""
    return isinstance(getattr(kind, name, None), cached_property)
