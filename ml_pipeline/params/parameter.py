"""One parameter: its type, bounds, default and marks, in words that people can act on."""

import enum
import json
import re
import typing
from collections.abc import Iterator, Mapping, Sequence, Set
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final, Literal

import pydantic
from pydantic.config import JsonDict
from pydantic.fields import FieldInfo

from ml_pipeline.errors import ParamsError
from ml_pipeline.params.documents import read_document
from ml_pipeline.params.kind import Kind, NoKind, kind_of, leaves, members_of
from ml_pipeline.params.reading import Unreadable, read
from ml_pipeline.params.spelled import SPELLED, in_order, spelled
from ml_pipeline.settings import settings
from ml_pipeline.text import shortened, written

PATH_LABEL: Final[JsonDict] = {"path_label": True}
"""Marks a field whose value shows in paths: ``Field(..., json_schema_extra=PATH_LABEL)``."""

NOT_IDENTITY: Final[JsonDict] = {"identity": False}
"""Marks a field that never changes an id: worker counts, log levels and the like."""

_SECRET: Final = re.compile(
    r"(\A|_)(passw(or)?ds?|pwd|passphrase|passcode|secrets?|tokens?|credentials?|creds?|bearer|jwt"
    r"|(api|access|private|account|signing|encryption|auth)_?key|dsn|cookies?"
    r"|conn(ection)?_?str(ing)?|(db|user|login|admin|root)_?pass|(?<!._)pass\Z)\d*(_|\Z)",
    re.IGNORECASE,
)
_HUMP: Final = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")
_QUOTED: Final = re.compile(r"'([^']*)'|\"([^\"\\]*)\"")
_MOST_CHOICES: Final = 20
_REFERENCE: Final = re.compile(r"_(env|ref|name)\Z")

ENVIRONMENT: Final[JsonDict] = {"identity": False, "environment": True}
"""Marks the field that names an environment: it is there where environments are configured."""


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

    @property
    def is_environment(self) -> bool:
        """Whether it names an environment, one of those that are configured."""
        return bool(self._marks.get("environment", False))

    @property
    def is_offered(self) -> bool:
        """Whether it can be set here at all: no environment can where none is configured."""
        return not self.is_environment or bool(settings().environments.configured)

    @property
    def must_be(self) -> str:
        """What a value must be, for example ``number > 0 and <= 1``."""
        if self.is_environment:
            return self.type
        described = " ".join(part for part in (self.type, self.bounds) if part)
        return f"{described} or none" if accepts(self.info, type(None)) else described

    @property
    def type(self) -> str:
        """Type in words: ``number``, ``integer``, ``text``, ``one of a, b`` ..."""
        if self.is_environment:
            return f"one of {', '.join(settings().environments.configured)}"
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
            unit = "items" if accepts(self.info, list, set, dict) else "characters"
            limits.insert(0, f"{reach} {unit}")
        return " and ".join(limits)

    @cached_property
    def kind(self) -> Kind:
        """What values it takes.

        Raises:
            NoKind: if they have no form that is the same by every door.
        """
        return kind_of(self.info.annotation)

    @property
    def choices(self) -> tuple[Any, ...]:
        """The values of literals and enumerations that it takes; there may be other values."""
        return self.kind.choices

    @property
    def nullable(self) -> bool:
        """Whether it may have no value."""
        return self.kind.none

    @cached_property
    def default(self) -> Any:
        """Default in its JSON form, or `...` where a value is required."""
        return ... if self.info.is_required() else plain(self.read(self._given_default))

    @property
    def default_shown(self) -> Any:
        """Default as config that is filled in shows it: Dagster leaves out what is null."""
        return "none" if self.default is None else self.default

    @cached_property
    def has_default_of_its_kind(self) -> bool:
        """Whether the group's own default is the value that it reads as: not 1 for a float."""
        is_same = json.dumps(plain(self._given_default)) == json.dumps(self.default)
        return is_same and not self.kind.needs_reading

    @property
    def _given_default(self) -> Any:
        return self.info.get_default(call_default_factory=True)

    @property
    def description(self) -> str:
        """What the parameter does."""
        return self.info.description or ""

    def from_text(self, text: str) -> Any:
        """Return a value as typed on a command line in the form that a file would give it.

        Lists and mappings are JSON or YAML; quotes around a text are not part of it. What it
        means for this parameter is left to `read`.
        """
        body = text.strip()
        if self.kind.holds_members and body[:1] in ("[", "{"):
            for name in ("value.json", "value.yaml"):
                try:
                    return read_document(body.encode(), name)
                except (ParamsError, UnicodeEncodeError):
                    continue
        quoted = _QUOTED.fullmatch(body)
        return text if quoted is None else quoted[1] or quoted[2] or ""

    def read(self, raw: Any) -> Any:
        """Return the value that a raw value from any door means; bounds are left to the group.

        Raises:
            Unreadable: if it means none that the parameter takes.
        """
        return read(self.kind, raw)

    def problems(self) -> Iterator[str]:
        """Say why no model can have this parameter, if it cannot."""
        if self.looks_secret:
            yield (
                f"'{self.dotted}' looks like a secret, and parameters are recorded: take the name"
                f" of an environment variable instead, as '{self.name}_env'"
            )
        if self.is_label and not self.is_identity:
            yield f"'{self.dotted}' is a path label, so it has to be part of identity"
        if self.info.alias is not None or self.info.validation_alias is not None:
            yield f"'{self.dotted}' has an alias: a parameter has one name, so leave the alias out"
        try:
            _ = self.kind
        except NoKind as error:
            yield f"'{self.dotted}' cannot be a parameter: {error}"
            return
        if self.info.is_required():
            return
        if self.info.default_factory_takes_validated_data:
            yield f"'{self.dotted}' has a default made of other values: do that in `resolved`"
            return
        first, second = self._given_default, self._given_default
        try:
            if self.read(first) != self.read(second):
                yield f"'{self.dotted}' must have one default, but each one made is another"
        except Unreadable as error:
            found = shortened(error.found)
            yield f"'{self.dotted}' must be {self.must_be}, but its default holds {found}"

    @property
    def looks_secret(self) -> bool:
        """Whether it can hold free text under a name that secrets have."""
        name = _HUMP.sub("_", self.name)
        if not _SECRET.search(name) or _REFERENCE.search(name):
            return False
        try:
            return self.kind.can_hold_text
        except NoKind:
            return True

    @property
    def _marks(self) -> Mapping[str, Any]:
        extra = self.info.json_schema_extra
        return extra if isinstance(extra, Mapping) else {}


def accepts(info: FieldInfo, *kinds: type) -> bool:
    """Whether a field takes values of one of some kinds."""
    return any(issubclass(leaf, kinds) for leaf in leaves(kind_of(info.annotation)))


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


def _type_text(annotation: Any) -> str:
    words = (_words(member) for member in members_of(annotation))
    return " or ".join(word for word in words if word)


def _words(member: Any) -> str:
    if member is type(None):
        return ""
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


def plain(value: Any) -> Any:
    """Reduce a validated value to JSON types where it has an obvious JSON form."""
    if isinstance(value, enum.Enum):
        return value.value
    if isinstance(value, pydantic.BaseModel):
        return value.model_dump(mode="json")
    if hasattr(value, "isoformat"):
        return value.isoformat()
    if (text := spelled(value)) is not None:
        return text
    if isinstance(value, Set):
        return [plain(member) for member in in_order(value)]
    if isinstance(value, tuple | list):
        return [plain(member) for member in value]
    if isinstance(value, Mapping):
        return {key: plain(member) for key, member in value.items()}
    return value
