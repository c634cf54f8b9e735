"""One parameter: its type, bounds, default and marks, in words that people can act on."""

import contextlib
import enum
import re
import types
import typing
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final, Literal

import pydantic
from pydantic.config import JsonDict
from pydantic.fields import FieldInfo

from ml_pipeline.errors import ParamsError
from ml_pipeline.params.documents import read_document

PATH_LABEL: Final[JsonDict] = {"path_label": True}
"""Marks a field whose value shows in paths: ``Field(..., json_schema_extra=PATH_LABEL)``."""

NOT_IDENTITY: Final[JsonDict] = {"identity": False}
"""Marks a field that never changes an id: worker counts, log levels and the like."""

_SECRET: Final = re.compile(
    r"(\A|_)(passw(or)?d|pwd|passphrase|secrets?|tokens?|credentials?|(api|access|private)_?key)(_|\Z)",
    re.IGNORECASE,
)
_SCIENTIFIC: Final = re.compile(r"[-+]?([0-9]+(\.[0-9]*)?|\.[0-9]+)[eE][-+]?[0-9]+")
_REFERENCE: Final = re.compile(r"_(env|ref|name)\Z")


def added_later(literal: Any) -> dict[str, Any]:
    """Mark a field that was added when runs without it already existed.

    Args:
        literal: the value that those runs had in effect. A set in which the field has this value
            keeps the id that it had before the field existed.
    """
    return {"added_later": literal}


@dataclass(frozen=True)
class Parameter:
    """One field of one group, with what people need to know to set it."""

    group: str
    name: str
    info: FieldInfo

    @property
    def dotted(self) -> str:
        """Full name, ``group.name``."""
        return f"{self.group}.{self.name}"

    @property
    def is_label(self) -> bool:
        """Whether the value shows in paths."""
        return bool(self._marks.get("path_label", False))

    @property
    def is_identity(self) -> bool:
        """Whether the value takes part in run ids."""
        return bool(self._marks.get("identity", True))

    @property
    def absent_as(self) -> Any:
        """What runs had in effect before this field was added, or `...` where it always was."""
        return plain(self._marks.get("added_later", ...))

    def was_absent_as(self, value: Any) -> bool:
        """Whether `value` is what runs had in effect before this field was added."""
        return self.absent_as is not ... and bool(self.absent_as == value)

    @cached_property
    def must_be(self) -> str:
        """What a value must be, for example ``number > 0 and <= 1``."""
        described = " ".join(part for part in (self.type, self.bounds) if part)
        return f"{described} or none" if accepts(self.info, type(None)) else described

    @property
    def type(self) -> str:
        """Type in words: ``number``, ``integer``, ``text``, ``one of a, b`` ..."""
        return _type_text(self.info.annotation)

    @property
    def bounds(self) -> str:
        """Bounds in words, empty where there are none."""
        limits, length = [], {}
        for constraint in self.info.metadata:
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
            unit = "items" if accepts(self.info, list, dict) else "characters"
            limits.insert(0, f"{reach} {unit}")
        return " and ".join(limits)

    @property
    def default(self) -> Any:
        """Default in its JSON form, or `...` where a value is required."""
        return ... if self.info.is_required() else plain(self.info.get_default())

    @property
    def description(self) -> str:
        """What the parameter does."""
        return self.info.description or ""

    def from_text(self, text: str) -> Any:
        """Read a value as typed on a command line; validation is left to the group.

        Text stays text; for the other types ``none`` and ``null`` stand for no value, ``1e3`` is an
        integer, too, and lists and mappings are JSON.
        """
        if accepts(self.info, type(None)) and text.strip().lower() in ("none", "null"):
            return None
        if accepts(self.info, list, dict) and text.lstrip()[:1] in ("[", "{"):
            with contextlib.suppress(ParamsError, UnicodeEncodeError):
                return read_document(text.encode(), "value.json")
            return text
        takes_other = accepts(self.info, float, str, bool)
        if accepts(self.info, int) and not takes_other and _SCIENTIFIC.fullmatch(text.strip()):
            return float(text)
        return text

    @property
    def looks_secret(self) -> bool:
        """Whether it is plain text under a name that secrets have."""
        is_named_so = _SECRET.search(self.name) and not _REFERENCE.search(self.name)
        return bool(is_named_so) and accepts(self.info, str)

    @property
    def _marks(self) -> Mapping[str, Any]:
        extra = self.info.json_schema_extra
        return extra if isinstance(extra, Mapping) else {}


def _members(annotation: Any) -> tuple[Any, ...]:
    if typing.get_origin(annotation) in (typing.Union, types.UnionType):
        return typing.get_args(annotation)
    return (annotation,)


def accepts(info: FieldInfo, *kinds: type) -> bool:
    """Whether a field takes values of one of some kinds."""
    for member in _members(info.annotation):
        origin = typing.get_origin(member) or member
        if origin is Literal:
            if any(isinstance(choice, kinds) for choice in typing.get_args(member)):
                return True
        elif member is Any or (isinstance(origin, type) and issubclass(origin, kinds)):
            return True
    return False


_WORDS: Final[Mapping[Any, str]] = {
    float: "number",
    int: "integer",
    str: "text",
    bool: "true or false",
    list: "list",
    dict: "mapping",
}


def _type_text(annotation: Any) -> str:
    words = []
    for member in _members(annotation):
        if member is type(None):
            continue
        origin = typing.get_origin(member) or member
        if origin is Literal:
            words.append("one of " + ", ".join(str(choice) for choice in typing.get_args(member)))
        elif isinstance(origin, type) and issubclass(origin, enum.Enum):
            words.append("one of " + ", ".join(str(choice.value) for choice in origin))
        else:
            words.append(_WORDS.get(origin, getattr(origin, "__name__", str(origin))))
    return " or ".join(words)


def plain(value: Any) -> Any:
    """Reduce a validated value to JSON types where it has an obvious JSON form."""
    if isinstance(value, enum.Enum):
        return value.value
    if isinstance(value, pydantic.BaseModel):
        return value.model_dump(mode="json")
    if hasattr(value, "isoformat"):
        return value.isoformat()
    if isinstance(value, tuple | list):
        return [plain(member) for member in value]
    if isinstance(value, Mapping):
        return {key: plain(member) for key, member in value.items()}
    return value
