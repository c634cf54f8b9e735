"""What a group declares about values of its own and of groups that it follows.

A default that depends on a choice, and rules that values must keep together, are data here: whoever
reads the model, a form in a browser as well, knows what a set becomes without running its code.
"""

import operator
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final

import pydantic

from ml_pipeline.errors import ParamsError
from ml_pipeline.params.annotations import kind_of
from ml_pipeline.params.kind import NoKind, leaves
from ml_pipeline.params.marks import filled_in_of
from ml_pipeline.params.names import Names
from ml_pipeline.params.parameter import Parameter, plain
from ml_pipeline.params.reading import Unreadable
from ml_pipeline.text import written

if TYPE_CHECKING:
    from ml_pipeline.params.group import ParamGroup

SIGNS: Final[Mapping[str, Callable[[Any, Any], bool]]] = MappingProxyType(
    {
        "<=": operator.le,
        ">=": operator.ge,
        "<": operator.lt,
        ">": operator.gt,
        "==": operator.eq,
        "!=": operator.ne,
    }
)
_RULE: Final = re.compile(r"\s*([\w.]+)\s*(<=|>=|==|!=|<|>)\s*([\w.]+)\s*")
_COMPARED: Final[tuple[frozenset[type], ...]] = (frozenset({int, float}), frozenset({date}))


@dataclass(frozen=True)
class Filling:
    """A default that another parameter's choice decides.

    Attributes:
        parameter: what is filled in where it is none.
        by: the parameter that decides.
        values: what each of its choices means.
    """

    parameter: Parameter
    by: Parameter
    values: Mapping[Any, Any]


@dataclass(frozen=True)
class Rule:
    """A comparison that must hold unless one side has no value."""

    left: Parameter
    sign: str
    right: Parameter

    def broken(self, left: Any, right: Any) -> str | None:
        """Say that two values break it, or return None where they do not."""
        if left is None or right is None or SIGNS[self.sign](left, right):
            return None
        one, other = self.left.told, self.right.told
        return (
            f"`{one} {self.sign} {other}` must hold, but got ({one}={written(left)},"
            f" {other}={written(right)})"
        )


class Relations:
    """The relations of all groups of a model.

    Attributes:
        fillings: by group.
        rules: by group.
        problems: why a model cannot have them.
    """

    def __init__(self, names: Names, classes: Mapping[str, "type[ParamGroup]"]) -> None:
        """Find what groups declare.

        Args:
            names: of the parameters.
            classes: the groups by name.
        """
        self.fillings: dict[str, list[Filling]] = {group: [] for group in classes}
        self.rules: dict[str, list[Rule]] = {group: [] for group in classes}
        self.problems: list[str] = []
        self._names, self._classes = names, classes
        for parameter in names.parameters.values():
            declared = filled_in_of(parameter.marks)
            if declared is not None:
                self.problems += self._add_filling(parameter, *declared)
        for group, cls in classes.items():
            declared_rules = () if "rules" in cls.model_fields else cls.rules
            for text in declared_rules:
                self.problems += self._add_rule(group, text)

    def filled(
        self, group: str, own: "ParamGroup", others: "Mapping[str, ParamGroup]"
    ) -> "ParamGroup":
        """Return a group with the defaults that choices decide.

        Args:
            group: its name.
            own: its values.
            others: the groups that it follows.
        """
        for one in self.fillings[group]:
            if getattr(own, one.parameter.name) is None:
                choice = plain(_value(one.by, {**others, group: own}))
                own = own.model_copy(update={one.parameter.name: one.values[choice]})
        return own

    def broken(
        self, group: str, own: "ParamGroup", others: "Mapping[str, ParamGroup]"
    ) -> Iterator[str]:
        """Yield what is wrong with a group's values, filled in and resolved.

        Args:
            group: its name.
            own: its values.
            others: the groups that it follows.
        """
        known = {**others, group: own}
        for rule in self.rules[group]:
            found = rule.broken(_value(rule.left, known), _value(rule.right, known))
            if found is not None:
                yield f"{group}: {found}"

    def _add_filling(
        self, parameter: Parameter, name: str, values: Mapping[Any, Any]
    ) -> Iterator[str]:
        what = f"'{parameter.dotted}' is filled in by '{name}'"
        by = self._found(parameter.group, name)
        if by is None:
            yield f"{what}, which must be a parameter of its group or of one that it follows"
            return
        if "." in parameter.name or not parameter.nullable or parameter.default is not None:
            yield f"{what}, so it must be a field of a group, with none as its default"
            return
        if by.nullable or not by.choices or set(leaves(by.kind)) - set(map(type, by.choices)):
            yield f"{what}, which must be a choice of values"
            return
        if set(values) != set(by.choices):
            yield f"{what}, so it must have a value for each of {', '.join(map(str, by.choices))}"
            return
        adapter: pydantic.TypeAdapter[Any] = pydantic.TypeAdapter(parameter.info.annotation or Any)
        try:
            read = {c: adapter.validate_python(parameter.read(v)) for c, v in values.items()}
        except (Unreadable, pydantic.ValidationError):
            yield f"{what}, with values that must be {parameter.must_be}"
            return
        self.fillings[parameter.group].append(Filling(parameter, by, read))

    def _add_rule(self, group: str, text: str) -> Iterator[str]:
        what = f"group '{group}' has the rule '{text}'"
        match = _RULE.fullmatch(text)
        left = self._found(group, match[1]) if match else None
        right = self._found(group, match[3]) if match else None
        if match is None or left is None or right is None:
            yield (
                f"{what}, which must compare two parameters of it and of those that it follows,"
                " like 'holdout_days < data.history_days'"
            )
        elif not any(_is_of(left, types) and _is_of(right, types) for types in _COMPARED):
            yield f"{what}, which must compare numbers, or dates"
        else:
            self.rules[group].append(Rule(left, match[2], right))

    def _found(self, group: str, name: str) -> Parameter | None:
        reach = (group, *self._classes[group].follows)
        known = self._names.parameters
        dotted = name if name in known else f"{group}.{name}"
        if dotted in known:
            return known[dotted] if known[dotted].group in reach else None
        try:
            found = self._names.find(name)
        except ParamsError:
            return None
        return found if found.group in reach else None


def _is_of(parameter: Parameter, types: frozenset[type]) -> bool:
    try:
        found = set(leaves(kind_of(parameter.info.annotation))) - {type(None)}
    except NoKind:
        return False
    return bool(found) and found <= types


def _value(parameter: Parameter, groups: "Mapping[str, ParamGroup]") -> Any:
    found: Any = groups[parameter.group]
    for step in parameter.name.split("."):
        found = getattr(found, step)
    return found
