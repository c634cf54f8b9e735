"""What a field takes, in words: ``number > 0 and <= 1``, ``one of a, b``, ``list or none``."""

import enum
import typing
from collections.abc import Mapping, Sequence, Set
from typing import Any, Final, Literal

from pydantic.fields import FieldInfo

from ml_pipeline.params.annotations import accepts, is_shape, members_of
from ml_pipeline.params.spelled import SPELLED
from ml_pipeline.text import written

_MOST_CHOICES: Final = 20

_WORDS: Final[Mapping[Any, str]] = {
    float: "number",
    int: "integer",
    str: "text",
    bool: "true or false",
    list: "list",
    tuple: "list",
    set: "list without order",
    frozenset: "list without order",
    Set: "list without order",
    Sequence: "list",
    dict: "mapping",
    Mapping: "mapping",
    **{cls: called for cls, (_, _, called) in SPELLED.items()},
}


def must_be(info: FieldInfo) -> str:
    """Say what a value must be, for example ``number > 0 and <= 1``."""
    described = " ".join(part for part in (type_of(info.annotation), bounds_of(info)) if part)
    return f"{described} or none" if accepts(info, type(None)) else described


def type_of(annotation: Any) -> str:
    """Say what type an annotation stands for: ``number``, ``text``, ``one of a, b`` ..."""
    words = (_words(member) for member in members_of(annotation))
    return " or ".join(word for word in words if word)


def bounds_of(info: FieldInfo) -> str:
    """Say what bounds a field has; empty where there are none."""
    limits, length = [], {}
    for constraint in info.metadata:
        for attribute, sign in (("gt", ">"), ("ge", ">="), ("lt", "<"), ("le", "<=")):
            if (limit := getattr(constraint, attribute, None)) is not None:
                limits.append(f"{sign} {limit}")
        if (divisor := getattr(constraint, "multiple_of", None)) is not None:
            limits.append(f"multiple of {divisor}")
        for attribute in ("min_length", "max_length"):
            if (limit := getattr(constraint, attribute, None)) is not None:
                length[attribute] = limit
        if (pattern := getattr(constraint, "pattern", None)) is not None:
            limits.append(f"matching {pattern}")
    if length:
        low, high = length.get("min_length", 0), length.get("max_length")
        reach = f"of {low} to {high}" if high is not None else f"of at least {low}"
        unit = "items" if accepts(info, list, set, dict) else "characters"
        limits.insert(0, f"{reach} {unit}")
    return " and ".join(limits)


def _words(member: Any) -> str:
    if member is type(None):
        return ""
    if is_shape(member):
        fields = (f"{name} ({must_be(info)})" for name, info in member.model_fields.items())
        return f"mapping of {', '.join(fields)}"
    origin = typing.get_origin(member) or member
    if origin is Literal:
        choices = [choice for choice in typing.get_args(member) if choice is not None]
    elif isinstance(origin, type) and issubclass(origin, enum.Enum):
        choices = [choice.value for choice in origin]
    else:
        return _WORDS.get(origin, getattr(origin, "__name__", str(origin)))
    more = len(choices) - _MOST_CHOICES
    shown = ", ".join(written(choice) for choice in choices[:_MOST_CHOICES])
    return f"one of {shown}{f' and {more} more' if more > 0 else ''}"
