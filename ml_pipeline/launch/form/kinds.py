"""Kinds of values and their bounds as a page has them: plain data."""

import re
from collections.abc import Mapping
from dataclasses import fields
from datetime import timedelta
from decimal import Decimal
from pathlib import Path, PurePosixPath
from types import MappingProxyType
from typing import Any, Final
from uuid import UUID

from pydantic.fields import FieldInfo

from ml_pipeline.params.kind import Kind, Shape, aliases_of
from ml_pipeline.params.parameter import plain
from ml_pipeline.params.reading import Unreadable, read
from ml_pipeline.params.secret import SecretRef
from ml_pipeline.params.wording import must_be

_SPELLED: Final[Mapping[type, str]] = MappingProxyType(
    {
        Path: "path" if isinstance(Path(), PurePosixPath) else "other",
        Decimal: "decimal",
        timedelta: "duration",
        UUID: "uuid",
        SecretRef: "secret",
    }
)
_KINDS: Final = ("items", "values", "different")
_LIMITS: Final = ("gt", "ge", "lt", "le", "multiple_of", "min_length", "max_length")

# What the regular expressions of pydantic and of browsers mean alike: no classes of letters, which
# differ beyond ASCII, and no groups with a question mark.
_UNLIKE: Final = re.compile(
    r"\\[^.+*?()|^$\[\]{}\\]|\(\?|\[[^\]]*(?:\[|&&|--|~~)|\[\^?\]|[*+?}]\+|[^\x20-\x7e]"
)


def kind_spec(kind: Kind) -> dict[str, Any]:
    """Return a kind as plain data: what is not there is not taken."""
    found: dict[str, Any] = {}
    for field in fields(Kind):
        value = getattr(kind, field.name)
        if field.name in _KINDS:
            found[field.name] = None if value is None else kind_spec(value)
        elif field.name == "places":
            found["places"] = None if value is None else [kind_spec(one) for one in value]
        elif field.name == "spelled":
            found["spelled"] = None if value is None else _SPELLED[value]
        elif field.name == "shapes":
            found["shapes"] = [_shape_spec(shape) for shape in value]
        else:
            found[field.name] = list(value) if isinstance(value, tuple) else value
    is_there = {name: value for name, value in found.items() if value or isinstance(value, dict)}
    return {**is_there, "places": []} if kind.places == () else is_there


def _shape_spec(shape: Shape) -> list[dict[str, Any]]:
    members = []
    for name, member in shape.members.items():
        spec: dict[str, Any] = {"name": name, "kind": kind_spec(member.kind)}
        spec |= info_spec(member.info)
        if aliases := aliases_of(member.info):
            spec["aliases"] = list(aliases)
        if not member.info.is_required():
            default = member.info.get_default(call_default_factory=True)
            try:
                spec["default"] = plain(read(member.kind, default))
            except Unreadable:
                spec["default"] = plain(default)  # which is refused when the class is used
        members.append(spec)
    return members


def info_spec(info: FieldInfo) -> dict[str, Any]:
    """Return what a field says of itself beside its kind, as plain data."""
    found: dict[str, Any] = {"must": must_be(info)}
    if info.description:
        found["about"] = info.description
    limits: dict[str, Any] = {}
    for constraint in info.metadata:
        known = {name: plain(getattr(constraint, name, None)) for name in _LIMITS}
        limits |= {name: value for name, value in known.items() if value is not None}
        pattern = getattr(constraint, "pattern", None)
        if pattern is not None:
            portable = isinstance(pattern, str) and not _UNLIKE.search(pattern)
            limits |= {"pattern": pattern} if portable else {"later": True}
        elif all(value is None for value in known.values()):
            limits["later"] = True
    return {**found, "limits": limits} if limits else found
