"""The fields of a group as a tree: parameters, and sections, which hold further ones.

A field whose type is a class with fields is a section: ``training.tree.depth`` is a parameter like
any other, with bounds, a default and an origin of its own. Where the type may be something else
instead, none or another class, the field is one parameter, and its value a mapping.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cached_property, partial
from typing import Any

import pydantic
from pydantic.fields import FieldInfo

from ml_pipeline.params.annotations import is_shape, members_of
from ml_pipeline.params.group import ParamGroup, Thresholds
from ml_pipeline.params.kind import NoKind, aliases_of
from ml_pipeline.params.marks import NOT_IDENTITY, former_names, marks_of
from ml_pipeline.params.parameter import Parameter, plain

Marks = Mapping[str, Any]


@dataclass(frozen=True)
class Section:
    """A group, or a field of one that holds further fields.

    Attributes:
        group: name of the group.
        name: its name in the group, with dots; empty for the group itself.
        cls: the class of its values.
        kept: its place in identities.
        members: parameters and sections by name of the field.
        info: the field; None for a group.
        marks: what the field is marked with, and what it stands in.
        given: returns its default, if it has one.
        is_shared: whether another group has a section of this name.
    """

    group: str
    name: str
    cls: type[pydantic.BaseModel]
    kept: tuple[str, ...]
    members: "Mapping[str, Parameter | Section]"
    info: FieldInfo | None
    marks: Marks
    given: Callable[[], Any] | None
    is_shared: bool

    @property
    def dotted(self) -> str:
        """Full name, ``group`` or ``group.name``."""
        return f"{self.group}.{self.name}" if self.name else self.group

    @property
    def told(self) -> str:
        """The name that people see and type."""
        return self.dotted if self.is_shared or not self.name else self.name

    @cached_property
    def parameters(self) -> list[Parameter]:
        """All parameters in it, in order of declaration."""
        found: list[Parameter] = []
        for member in self.members.values():
            found += member.parameters if isinstance(member, Section) else [member]
        return found

    @cached_property
    def own_names(self) -> dict[str, str]:
        """The names of its fields by what they may be called: their names and aliases."""
        return {
            alias: name
            for name, member in self.members.items()
            for alias in (name, *_aliases(member))
        }

    def member(self, called: str) -> "Parameter | Section | None":
        """Return the field that is called so, by its name or an alias, if there is one."""
        return self.members.get(self.own_names.get(called, ""))

    @cached_property
    def former(self) -> dict[str, str]:
        """The names of its fields by those that they had before."""
        return {
            old: name for name, member in self.members.items() for old in former_names(member.marks)
        }

    @property
    def retired(self) -> dict[str, Any]:
        """The values that fields had which are gone, by name."""
        declared = getattr(self.cls, "retired", {})
        is_field = "retired" in self.cls.model_fields or not isinstance(declared, Mapping)
        return {} if is_field else {str(name): plain(value) for name, value in declared.items()}

    def problems(self) -> Iterator[str]:
        """Say why no model can have it, if it cannot."""
        if self.name:
            faults = [*self._faults_of_class(), *self._faults_of_default()]
            yield from faults
            if faults:
                return
        owners: dict[str, set[str]] = {}
        for name, member in self.members.items():
            for called in (name, *_aliases(member), *former_names(member.marks)):
                owners.setdefault(called, set()).add(name)
        for name in self.retired:
            owners.setdefault(name, set()).add("")
            if "." in name:
                yield f"'{self.dotted}.{name}' must be retired in the class that had it"
        for called, names in owners.items():
            if len(names) > 1:
                yield (
                    f"'{self.dotted}.{called}' must be the name of one field, now and before:"
                    " choose another for the new one"
                )
        for member in self.members.values():
            yield from member.problems()
        yield from self._faults_of_literal()

    def _faults_of_class(self) -> Iterator[str]:
        if issubclass(self.cls, ParamGroup) and (
            self.cls.follows or self.cls.resolved is not ParamGroup.resolved
        ):
            yield (
                f"'{self.dotted}' is of {self.cls.__name__}, which is resolved by other groups:"
                " only whole groups are, so make it one"
            )
        if self.marks.get("path_label"):
            yield f"'{self.dotted}' holds fields, so it is no path label: mark one of them"
        try:
            if self.info is not None:
                aliases_of(self.info)
        except NoKind as error:
            yield f"'{self.dotted}' cannot be a parameter: {error}"

    def _faults_of_default(self) -> Iterator[str]:
        if self.info is not None and self.info.default_factory_takes_validated_data:
            yield f"'{self.dotted}' has a default made of other values: do that in `resolved`"
        elif self.given is not None and type(self.given()) is not self.cls:
            found = type(self.given()).__name__
            yield f"'{self.dotted}' must be {self.cls.__name__}, but its default is a {found}"

    def _faults_of_literal(self) -> Iterator[str]:
        literal = plain(self.marks.get("added_later", {})) if self.name else {}
        if not isinstance(literal, Mapping):
            yield f"'{self.dotted}' was added later with a literal that must be a mapping"
            return
        lacking = [
            p.name for p in self.parameters if literal and p.is_identity and p.absent_as is ...
        ]
        if lacking or literal.keys() - self.members.keys():
            yield (
                f"'{self.dotted}' was added later with the literal {literal}, which must have a"
                f" value for each of {', '.join(self.members)}"
            )


def _aliases(member: Parameter | Section) -> tuple[str, ...]:
    try:
        return aliases_of(member.info) if member.info is not None else ()
    except NoKind:
        return ()


def laid_out(
    group: str, cls: type[pydantic.BaseModel], kept: str, shared: frozenset[str] = frozenset()
) -> Section:
    """Return the fields of a group as a tree.

    Args:
        group: name of the group.
        cls: its class.
        kept: its name in identities.
        shared: names of parameters and sections that another group has as well.
    """
    marks = NOT_IDENTITY if issubclass(cls, Thresholds) else {}
    top = Section(group, "", cls, (kept,), {}, None, marks, None, is_shared=False)
    return _filled(top, (cls,), shared)


def _filled(empty: Section, within: tuple[type, ...], shared: frozenset[str]) -> Section:
    members: dict[str, Parameter | Section] = {}
    for field, info in empty.cls.model_fields.items():
        own = marks_of(info)
        name = f"{empty.name}.{field}" if empty.name else field
        kept = (*empty.kept, *(former_names(own) or (field,))[:1])
        marks = _with_those_around(own, empty.marks, field)
        given = None if empty.given is None else partial(_member, empty.given, field)
        classes = members_of(info.annotation)
        if len(classes) == 1 and is_shape(classes[0]) and classes[0] not in within:
            if given is None and not info.is_required():
                given = partial(info.get_default, call_default_factory=True)
            section = Section(
                empty.group, name, classes[0], kept, {}, info, marks, given, name in shared
            )
            members[field] = _filled(section, (*within, classes[0]), shared)
        else:
            members[field] = Parameter(empty.group, name, info, marks, kept, given, name in shared)
    return replace(empty, members=members)


def _member(given: Callable[[], Any], field: str) -> Any:
    return getattr(given(), field)


def _with_those_around(own: Marks, around: Marks, field: str) -> dict[str, Any]:
    marks = dict(own)
    if around.get("identity") is False:
        marks["identity"] = False
    literals = plain(around.get("added_later"))
    if isinstance(literals, Mapping) and field in literals and "added_later" not in own:
        marks["added_later"] = literals[field]
    return marks
