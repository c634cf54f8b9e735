"""What a field may be marked with beside its type, bounds and description."""

from collections.abc import Mapping
from typing import Any, Final

from pydantic.config import JsonDict
from pydantic.fields import FieldInfo

PATH_LABEL: Final[JsonDict] = {"path_label": True}
"""Marks a field whose value shows in paths: ``Field(..., json_schema_extra=PATH_LABEL)``."""

NOT_IDENTITY: Final[JsonDict] = {"identity": False}
"""Marks a field that never changes an id: worker counts, log levels and the like."""

ADDED_LATER: Final = "added_later"
"""Name of the mark that says what runs had in effect before a field was added."""

_RENAMED_FROM: Final = "renamed_from"
_FILLED_IN: Final = "filled_in"
_MARKS: Final = ("path_label", "identity", "environment", ADDED_LATER, _RENAMED_FROM, _FILLED_IN)

ENVIRONMENT: Final[JsonDict] = {"identity": False, "environment": True}
"""Marks the field that names an environment: it is there where environments are configured."""


def added_later(literal: Any) -> dict[str, Any]:
    """Mark a field that was added when runs without it already existed.

    Args:
        literal: the value that those runs had in effect. A set in which the field has this value
            keeps the id that it had before the field existed. For a field that holds a class with
            fields, a mapping of theirs.

    Returns:
        What the field's `json_schema_extra` must hold.
    """
    return {ADDED_LATER: literal}


def renamed_from(*names: str) -> dict[str, Any]:
    """Mark a field that had other names when runs already existed.

    Ids and paths keep the first name, so that runs from before are found; people see the new one.

    Args:
        *names: the names that the field had, the first first.

    Returns:
        What the field's `json_schema_extra` must hold.
    """
    return {_RENAMED_FROM: list(names)}


def filled_in(by: str, values: Mapping[Any, Any]) -> dict[str, Any]:
    """Mark a field whose default depends on what was chosen for another parameter.

    A value that was filled in and the same value typed by hand are one run.

    Args:
        by: the parameter that decides, of the field's group or of one that it follows, such as
            ``data.dataset``.
        values: what each of its choices means for the field, whose own default is none.

    Returns:
        What the field's `json_schema_extra` must hold.
    """
    return {_FILLED_IN: [by, [list(pair) for pair in values.items()]]}


def marks_of(info: FieldInfo) -> dict[str, Any]:
    """Return the marks of a field."""
    extra = info.json_schema_extra
    found = dict(extra) if isinstance(extra, Mapping) else {}
    return {name: found[name] for name in _MARKS if name in found}


def former_names(marks: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the names that a marked field had, the first first."""
    return tuple(str(name) for name in marks.get(_RENAMED_FROM, ()))


def filled_in_of(marks: Mapping[str, Any]) -> tuple[str, dict[Any, Any]] | None:
    """Return what decides the default of a marked field, and how, if something does."""
    if _FILLED_IN not in marks:
        return None
    by, pairs = marks[_FILLED_IN]
    return str(by), dict(pairs)
