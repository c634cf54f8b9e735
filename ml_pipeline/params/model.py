"""Typed parameters: groups, the model that holds them together, and one validated set of values.

A pipeline declares its parameters as `ParamGroup` classes and joins them in a `ParamModel`. Every
door (launchpad, backfill, command line, Python) turns what was typed into a `ParamSet` through the
same `ParamModel.validate`, so the same text is accepted, or refused with the same message,
wherever it was typed.
"""

import json
import types
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from ml_pipeline.errors import ParamsError, PipelineError, nearest
from ml_pipeline.params.group import OPTIONS, Config, ParamGroup, RunOptions, as_group
from ml_pipeline.params.parameter import Parameter, plain
from ml_pipeline.params.validation import checked_group
from ml_pipeline.text import quoted, shortened


@dataclass(frozen=True)
class ParamSet:
    """One validated value for every parameter of a model.

    Attributes:
        groups: the resolved groups by name, in the model's order.
        origins: where each value that is not a default came from, by dotted name.
    """

    model: "ParamModel" = field(compare=False, repr=False)
    groups: Mapping[str, ParamGroup]
    origins: Mapping[str, str] = field(default_factory=dict, compare=False)

    @property
    def options(self) -> RunOptions:
        """How the run goes about its work."""
        options = self.groups[OPTIONS]
        if not isinstance(options, RunOptions):
            raise PipelineError(f"Group '{OPTIONS}' must be RunOptions.")
        return options

    def values(self, groups: Iterable[str] | None = None) -> dict[str, dict[str, Any]]:
        """Return the values in JSON form, ``{group: {field: value}}``.

        Args:
            groups: names of the groups wanted; the model's scope if omitted.
        """
        wanted = self.model.scope if groups is None else tuple(groups)
        return {
            group: {
                p.name: plain(getattr(self.groups[group], p.name))
                for p in self.model.parameters(group)
            }
            for group in self.model.groups
            if group in wanted
        }

    def identity_values(self, groups: Iterable[str]) -> dict[str, dict[str, Any]]:
        """Return the values of `groups` that take part in identity."""
        return {
            group: {
                p.name: values[p.name]
                for p in self.model.parameters(group)
                if p.is_identity and not p.was_absent_as(values[p.name])
            }
            for group, values in self.values(groups).items()
        }

    def labels(self, groups: Iterable[str]) -> Iterator[tuple[str, str, Any]]:
        """Yield ``(group, field, value)`` of every path label of `groups`, in the model's order."""
        for group, values in self.values(groups).items():
            for parameter in self.model.parameters(group):
                if parameter.is_label:
                    yield group, parameter.name, values[parameter.name]

    def origin(self, dotted: str) -> str:
        """Where the value of a parameter came from."""
        return self.origins.get(dotted, "default")


class ParamModel:
    """All parameter groups of a pipeline.

    Field names are unique over the groups, so ``learning_rate`` needs no prefix; the dotted name
    ``training.learning_rate`` works as well.

    Attributes:
        groups: the classes by group name, `RunOptions` as ``run`` last.
        scope: names of the groups that a pipeline's results depend on: all but ``run``.
        names: the groups' names by the classes that were given for them.
    """

    def __init__(self, **groups: type[Config]) -> None:
        """Join groups under their names.

        Args:
            **groups: the classes by group name, a group after those that it follows. Dagster's
                config classes that are no `ParamGroup` are groups as well.

        Raises:
            PipelineError: if two groups share a field name, a group follows one that is not before
                it, or a field cannot be a parameter: it looks like it would hold a secret, or its
                values have no canonical form.
        """
        self.groups: Mapping[str, type[ParamGroup]] = {
            **{name: as_group(cls) for name, cls in groups.items()},
            OPTIONS: RunOptions,
        }
        self.scope = tuple(groups)
        self.names = {cls: name for name, cls in groups.items()} | {RunOptions: OPTIONS}
        self._parameters: dict[str, Parameter] = {}
        problems = []
        if OPTIONS in groups:
            problems.append(f"'{OPTIONS}' is the name of the run's own options: choose another")
        for position, (group, cls) in enumerate(self.groups.items()):
            for followed in cls.follows:
                if followed not in list(self.groups)[:position]:
                    problems.append(f"group '{group}' follows '{followed}', which is not before it")
            for name, info in cls.model_fields.items():
                parameter = Parameter(group, name, info)
                if (twin := self._parameters.get(name)) is not None:
                    problems.append(
                        f"'{name}' is in groups '{twin.group}' and '{group}': field names must be"
                        " unique over all groups, so rename one"
                    )
                problems.extend(parameter.problems())
                self._parameters[name] = parameter
        if problems:
            raise PipelineError("Parameter groups do not fit together:\n  " + "\n  ".join(problems))

    def parameters(self, group: str | None = None) -> list[Parameter]:
        """Return the parameters of one group, or of all, in order of declaration."""
        return [p for p in self._parameters.values() if group in (None, p.group)]

    def find(self, name: str) -> Parameter:
        """Return the parameter of a plain or dotted name.

        Raises:
            ParamsError: if there is none, naming the nearest.
        """
        group, dot, plain = name.rpartition(".")
        parameter = self._parameters.get(plain)
        if parameter is not None and (not dot or parameter.group == group):
            return parameter
        if parameter is not None:
            raise ParamsError([f"'{name}' does not exist. Did you mean '{parameter.dotted}'?"])
        whole = self._parameters.get(group.rpartition(".")[2])
        if whole is not None and whole.kind.values is not None:
            key = json.dumps(shortened(plain))
            remedy = f"give it whole, {whole.name}={{{key}: ...}}"
            raise ParamsError([f"'{shortened(name)}' is one key of a mapping: {remedy}"])
        hint = nearest(plain, self._parameters)
        raise ParamsError([f"'{shortened(name)}' does not exist.{hint}"])

    def parse(self, values: Mapping[str, Any], origin: str = "python") -> ParamSet:
        """Validate values by plain or dotted name; text is read as on a command line.

        Args:
            values: raw values by name; what is not named gets its default.
            origin: where the values came from, kept with the result.

        Raises:
            ParamsError: naming every problem.
        """
        placed, problems = self.placed(values)
        read = {
            dotted: self.find(dotted).from_text(raw) if isinstance(raw, str) else raw
            for dotted, raw in placed.items()
        }
        return self.validate(nested(read), origin, problems)

    def placed(self, values: Mapping[str, Any]) -> tuple[dict[str, Any], list[str]]:
        """Find out which parameters values are meant for; the values are left as they are.

        Args:
            values: by plain name, by dotted name, as ``{group: {field: value}}``, or mixed.

        Returns:
            The values by dotted name, and all problems with the names.
        """
        found: dict[str, Any] = {}
        problems: list[str] = []
        for name, raw in values.items():
            here: dict[str, Any] = {}
            if name in self.groups and name not in self._parameters:
                if not isinstance(raw, Mapping | None):
                    problems.append(_no_mapping(name, raw))
                    continue
                for inner, value in (raw or {}).items():
                    if self._has(name, inner):
                        here[f"{name}.{inner}"] = value
                    else:
                        problems.append(self._no_such_field(name, inner))
            elif isinstance(raw, Mapping) and name not in self._parameters and "." not in name:
                problems.append(self._no_such_group(name))
            else:
                try:
                    here[self.find(name).dotted] = raw
                except ParamsError as error:
                    problems.extend(error.problems)
            problems.extend(
                f"{dotted} is set twice: give it one value" for dotted in here if dotted in found
            )
            found.update(here)
        return found, problems

    def validate(
        self,
        nested: Mapping[str, Any],
        origin: str = "python",
        problems: Iterable[str] = (),
        origins: Mapping[str, str] | None = None,
        places: Mapping[str, str] = types.MappingProxyType({}),
    ) -> ParamSet:
        """Validate values given as ``{group: {field: value}}``.

        Args:
            nested: raw values; groups and fields that are not named get their defaults.
            origin: where the values came from.
            problems: problems found earlier, to be reported together with those found here.
            origins: where single values came from, by dotted name, instead of `origin`.
            places: what to say of where a value stands when it is refused, by dotted name.

        Raises:
            ParamsError: naming every problem.
        """
        found = list(problems)
        for group in nested:
            if group not in self.groups:
                found.append(self._no_such_group(group))
        checked: dict[str, Any] = {}
        for group, cls in self.groups.items():
            raw = nested.get(group)
            if raw is None:
                raw = {}
            if isinstance(raw, Config):
                raw = raw.model_dump()
            if not isinstance(raw, Mapping):
                found.append(_no_mapping(group, raw))
                continue
            given = {str(name): value for name, value in raw.items()}
            found.extend(
                self._no_such_field(group, name) for name in given if not self._has(group, name)
            )
            known = {name: value for name, value in given.items() if self._has(group, name)}
            parameters = self.parameters(group)
            checked[group], wrong = checked_group(group, cls, parameters, known, places)
            found.extend(wrong)
        if found:
            raise ParamsError(found)
        resolved: dict[str, ParamGroup] = {}
        for group, own in checked.items():
            followed = {name: resolved.get(name, checked[name]) for name in own.follows}
            try:
                resolved[group] = own.resolved(followed)
            except (ValueError, AssertionError) as error:
                found.append(f"{group}: {error}")
        if found:
            raise ParamsError(found)
        if origins is None:
            origins = {
                f"{group}.{name}": origin
                for group, raw in nested.items()
                for name in dict(raw or {})
            }
        return ParamSet(self, resolved, origins)

    @cached_property
    def defaults(self) -> ParamSet:
        """The set in which every parameter has its default.

        Raises:
            ParamsError: if a parameter has none.
        """
        return self.validate({})

    def _has(self, group: str, name: str) -> bool:
        parameter = self._parameters.get(name)
        return parameter is not None and parameter.group == group

    def _no_such_field(self, group: str, name: str) -> str:
        if name in self._parameters:
            hint = f" It belongs in group '{self._parameters[name].group}'."
        else:
            here = [p.name for p in self.parameters(group)]
            hint = nearest(name, here) or nearest(name, self._parameters)
        return f"'{group}.{shortened(name)}' does not exist.{hint}"

    def _no_such_group(self, group: object) -> str:
        if group in self._parameters:
            return f"'{group}' belongs in group '{self._parameters[group].group}'"
        hint = nearest(group, self.groups) or nearest(group, self._parameters)
        return f"'{shortened(group)}' is no parameter group.{hint}"


def nested(values: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """Return values by dotted name as ``{group: {field: value}}``."""
    groups: dict[str, dict[str, Any]] = {}
    for dotted, value in values.items():
        group, _, name = dotted.partition(".")
        groups.setdefault(group, {})[name] = value
    return groups


def _no_mapping(group: str, raw: Any) -> str:
    return f"{group} must be a mapping of parameters, but got {quoted(raw)}"
