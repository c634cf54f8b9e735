"""One parameter: its type, bounds, default and marks, in words that people can act on."""

import enum
import json
import re
from collections.abc import Callable, Iterator, Mapping, Set
from dataclasses import dataclass, field
from functools import cached_property
from types import MappingProxyType
from typing import Any, Final

import pydantic
from pydantic.fields import FieldInfo

from ml_pipeline.errors import ParamsError
from ml_pipeline.params.annotations import kind_of
from ml_pipeline.params.documents import read_document
from ml_pipeline.params.kind import Kind, NoKind, aliases_of
from ml_pipeline.params.marks import ADDED_LATER, marks_of
from ml_pipeline.params.reading import Unreadable, read
from ml_pipeline.params.spelled import in_order, spelled
from ml_pipeline.params.wording import bounds_of, must_be, type_of
from ml_pipeline.settings import settings
from ml_pipeline.text import shortened

_SECRET: Final = re.compile(
    r"(\A|_)(passw(or)?ds?|pwd|passphrase|passcode|secrets?|tokens?|credentials?|creds?|bearer|jwt"
    r"|(api|access|private|account|signing|encryption|auth)_?key|dsn|cookies?"
    r"|conn(ection)?_?str(ing)?|(db|user|login|admin|root)_?pass|(?<!._)pass\Z)\d*(_|\Z)",
    re.IGNORECASE,
)
_HUMP: Final = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")
_QUOTED: Final = re.compile(r"'([^']*)'|\"([^\"\\]*)\"")
_REFERENCE: Final = re.compile(r"_(env|ref|name)\Z")


@dataclass(frozen=True)
class Parameter:
    """One field of one group, with what people need to know to set it.

    Attributes:
        name: its name in the group; with dots where it stands within fields of the group.
        marks: what the field is marked with, and what it stands in.
        kept: its place in identities: the first names of its group and fields.
        given: returns the default that what it stands in has for it, if that has one.
        is_shared: whether another group has a field of this name.
    """

    group: str
    name: str
    info: FieldInfo
    marks: Mapping[str, Any] = field(default_factory=lambda: MappingProxyType({}))
    kept: tuple[str, ...] = ()
    given: Callable[[], Any] | None = field(default=None, compare=False)
    is_shared: bool = False

    @property
    def dotted(self) -> str:
        """Full name, ``group.name``."""
        return f"{self.group}.{self.name}"

    @property
    def told(self) -> str:
        """The name that people see and type: as short as it can be."""
        return self.dotted if self.is_shared else self.name

    def of(self, values: Mapping[str, Any]) -> Any:
        """Return its value among those of its group in JSON form."""
        found: Any = values
        for step in self.name.split("."):
            found = found[step]
        return found

    @property
    def is_label(self) -> bool:
        """Whether the value shows in paths."""
        return bool(self.marks.get("path_label", False))

    @cached_property
    def is_identity(self) -> bool:
        """Whether the value takes part in run ids: where a secret is kept changes no result."""
        return bool(self.marks.get("identity", not self._is(lambda kind: kind.is_secret)))

    @cached_property
    def holds_secret(self) -> bool:
        """Whether it refers to secrets, so that what is typed for it may be one by mistake."""
        return self._is(lambda kind: kind.holds_secret)

    def _is(self, test: Callable[[Kind], bool]) -> bool:
        try:
            return test(self.kind)
        except NoKind:
            return False

    @property
    def absent_as(self) -> Any:
        """What runs had in effect before this field was added, or `...` where it always was."""
        return plain(self.marks.get(ADDED_LATER, ...))

    def was_absent_as(self, value: Any) -> bool:
        """Whether `value` is what runs had in effect before this field was added."""
        return self.absent_as is not ... and bool(self.absent_as == value)

    @property
    def is_environment(self) -> bool:
        """Whether it names an environment, one of those that are configured."""
        return bool(self.marks.get("environment", False))

    @property
    def is_offered(self) -> bool:
        """Whether it can be set here at all: no environment can where none is configured."""
        return not self.is_environment or bool(settings().environments.configured)

    @property
    def must_be(self) -> str:
        """What a value must be, for example ``number > 0 and <= 1``."""
        return self.type if self.is_environment else must_be(self.info)

    @property
    def type(self) -> str:
        """Type in words: ``number``, ``integer``, ``text``, ``one of a, b`` ..."""
        if self.is_environment:
            return f"one of {', '.join(settings().environments.configured)}"
        return type_of(self.info.annotation)

    @property
    def bounds(self) -> str:
        """Bounds in words, empty where there are none."""
        return bounds_of(self.info)

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
        return ... if self._is_required else plain(self.read(self._given_default))

    @property
    def default_shown(self) -> Any:
        """Default as config that is filled in shows it: Dagster leaves out what is null."""
        return "none" if self.default is None else self.default

    @cached_property
    def has_default_of_its_kind(self) -> bool:
        """Whether the group's own default is the value that it reads as: not 1 for a float."""
        if self.given is not None:
            return False
        is_same = json.dumps(plain(self._given_default)) == json.dumps(self.default)
        return is_same and not self.kind.needs_reading

    @property
    def _is_required(self) -> bool:
        return self.given is None and self.info.is_required()

    @property
    def _given_default(self) -> Any:
        return self.given() if self.given else self.info.get_default(call_default_factory=True)

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
                f"'{self.dotted}' looks like a secret, and parameters are recorded: declare it a"
                " SecretRef, or take the name of an environment variable instead, as"
                f" '{self.told}_env'"
            )
        if self.is_label and not self.is_identity:
            yield f"'{self.dotted}' is a path label, so it has to be part of identity"
        try:
            aliases_of(self.info)
            inner = list(self._inner(self.kind))
        except NoKind as error:
            yield f"'{self.dotted}' cannot be a parameter: {error}"
            return
        for parameter in inner:
            yield from parameter.problems()
            if parameter.marks:
                yield f"'{parameter.dotted}' is part of a value, so it has no marks of its own"
        if self._is_required:
            return
        if self.given is None and self.info.default_factory_takes_validated_data:
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
        name = _HUMP.sub("_", self.name.rpartition(".")[2])
        if not _SECRET.search(name) or _REFERENCE.search(name):
            return False
        try:
            return self.kind.can_hold_text
        except NoKind:
            return True

    def _inner(self, kind: Kind) -> "Iterator[Parameter]":
        """Yield the fields of the classes that values are of."""
        for shape in kind.shapes:
            for name, member in shape.members.items():
                inner = f"{self.name}.{name}"
                yield Parameter(self.group, inner, member.info, marks_of(member.info))
        if not kind.shapes:
            for held in kind.members:
                yield from self._inner(held)


def plain(value: Any) -> Any:
    """Reduce a validated value to JSON types where it has an obvious JSON form."""
    if isinstance(value, enum.Enum):
        return value.value
    if isinstance(value, pydantic.BaseModel):
        return {name: plain(getattr(value, name)) for name in type(value).model_fields}
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
