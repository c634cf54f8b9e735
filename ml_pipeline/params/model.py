"""Typed parameters: groups, the model that holds them together, and one validated set of values.

A pipeline declares its parameters as `ParamGroup` classes and joins them in a `ParamModel`. Every
door (launchpad, backfill, command line, Python) turns what was typed into a `ParamSet` through the
same `ParamModel.validate`, so the same text is accepted, or refused with the same message,
wherever it was typed.
"""

import types
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from ml_pipeline.errors import ParamsError, PipelineError
from ml_pipeline.params.group import (
    OPTIONS,
    Config,
    ParamGroup,
    RunOptions,
    Thresholds,
    as_group,
)
from ml_pipeline.params.layout import Section
from ml_pipeline.params.names import Names, is_fields
from ml_pipeline.params.parameter import Parameter, plain
from ml_pipeline.params.relations import Relations
from ml_pipeline.params.validation import checked_group, unsettled


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
        return {group: plain(made) for group, made in self.groups.items() if group in wanted}

    def flat(self, groups: Iterable[str] | None = None) -> dict[str, Any]:
        """Return the values in JSON form by dotted name.

        Args:
            groups: names of the groups wanted; the model's scope if omitted.
        """
        values = self.values(groups)
        return {
            p.dotted: p.of(values[p.group]) for p in self.model.parameters() if p.group in values
        }

    def identity_values(self, groups: Iterable[str]) -> dict[str, dict[str, Any]]:
        """Return the values of `groups` that take part in identity, by the names that they keep."""
        wanted = tuple(groups)
        found: dict[str, dict[str, Any]] = {
            section.kept[0]: {} for name, section in self.model.sections.items() if name in wanted
        }
        for dotted, value in self.flat(wanted).items():
            parameter = self.model.find(dotted)
            if parameter.is_identity and not parameter.was_absent_as(value):
                _put(found, parameter.kept, value)
        for name in wanted:
            for place, value in self.model.retired(name).items():
                _put(found, place, value)
        return found

    def labels(self, groups: Iterable[str]) -> Iterator[tuple[str, str, Any]]:
        """Yield ``(group, name, value)`` of every path label of `groups`, in the model's order.

        Group and name are those that paths and ids keep.
        """
        for dotted, value in self.flat(groups).items():
            parameter = self.model.find(dotted)
            if parameter.is_label:
                yield parameter.kept[0], ".".join(parameter.kept[1:]), value

    def origin(self, dotted: str) -> str:
        """Where the value of a parameter came from, by its `dotted` name."""
        return self.origins.get(dotted, "default")


class ParamModel:
    """All parameter groups of a pipeline.

    ``learning_rate`` needs no prefix where one group has it; the dotted name
    ``training.learning_rate`` works always.

    Attributes:
        groups: the classes by group name, `RunOptions` as ``run`` last.
        scope: names of the groups that a pipeline's results depend on: all but ``run`` and those
            of `Thresholds`.
        names: the groups' names by the classes that were given for them.
        relations: what groups declare about each other's values.
        beside: models of other pipelines of the same project: settings have parameters of all.
    """

    def __init__(self, **groups: type[Config]) -> None:
        """Join groups under their names.

        Args:
            **groups: the classes by group name, a group after those that it follows. Dagster's
                config classes that are no `ParamGroup` are groups as well.

        Raises:
            PipelineError: if a group follows one that is not before it, a name has two meanings, or
                a field cannot be a parameter: it looks like it would hold a secret, or its values
                have no canonical form.
        """
        self.groups: Mapping[str, type[ParamGroup]] = {
            **{name: as_group(cls) for name, cls in groups.items()},
            OPTIONS: RunOptions,
        }
        self.scope = tuple(name for name, cls in groups.items() if not issubclass(cls, Thresholds))
        self.names = {cls: name for name, cls in groups.items()} | {RunOptions: OPTIONS}
        problems = []
        if OPTIONS in groups:
            problems.append(f"'{OPTIONS}' is the name of the run's own options: choose another")
        former = {name: _former(cls) for name, cls in self.groups.items()}
        for position, (group, cls) in enumerate(self.groups.items()):
            for followed in cls.follows:
                if followed not in list(self.groups)[:position]:
                    problems.append(f"group '{group}' follows '{followed}', which is not before it")
                elif group in self.scope and followed not in self.scope:
                    problems.append(
                        f"group '{group}' follows '{followed}', which has thresholds: what results"
                        " depend on cannot depend on them"
                    )
            others = [names for name, names in former.items() if name != group]
            problems += [
                f"'{name}' must be the name of one group, now and before: choose another for the"
                " new one"
                for name in former[group]
                if name in self.groups or any(name in names for names in others)
            ]
        self.beside: list[ParamModel] = []
        self.former_groups = {old: name for name, names in former.items() for old in names}
        self._names = Names(self.groups, former)
        problems.extend(self._names.problems())
        if not problems:
            self.relations = Relations(self._names, self.groups)
            problems.extend(self.relations.problems)
        if problems:
            raise PipelineError("Parameter groups do not fit together:\n  " + "\n  ".join(problems))

    def stands_beside(self, other: "ParamModel") -> None:
        """Let this and an other model know of each other."""
        self.beside.append(other)
        other.beside.append(self)

    def is_for_another(self, name: str, value: Any) -> bool:
        """Whether a value of a name is meant for a model beside this one alone."""
        meant = {name: value}
        return bool(self.placed(meant)[1]) and any(not one.placed(meant)[1] for one in self.beside)

    @property
    def sections(self) -> Mapping[str, Section]:
        """The groups with their fields, by name."""
        return self._names.groups

    def parameters(self, group: str | None = None) -> list[Parameter]:
        """Return the parameters of one group, or of all, in order of declaration."""
        if group is not None:
            return self.sections[group].parameters if group in self.sections else []
        return list(self._names.parameters.values())

    def find(self, name: str) -> Parameter:
        """Return the parameter of a plain or dotted name.

        Raises:
            ParamsError: if there is none, naming the nearest, or more than one.
        """
        return self._names.find(name)

    def shown(self, name: str) -> str:
        """Return the name that people see of what has a plain or dotted name; itself if nothing."""
        try:
            return self.find(name).told
        except ParamsError:
            return name

    def why_no_parameter(self, name: str) -> str | None:
        """Return why a name is no parameter, if it was that of one or is that of several."""
        return self._names.why_not(name)

    def is_plain(self, name: str) -> bool:
        """Whether something in a group is called `name`."""
        return self._names.is_plain(name)

    def retired(self, group: str) -> dict[tuple[str, ...], Any]:
        """Return the values of a group's fields that are gone, by their places in identities."""
        found: dict[tuple[str, ...], Any] = {}
        waiting = [self.sections[group]] if group in self.sections else []
        while waiting:
            section = waiting.pop()
            for name, value in section.retired.items():
                found[(*section.kept, name)] = value
            waiting += [one for one in section.members.values() if isinstance(one, Section)]
        return found

    def parse(self, values: Mapping[str, Any], origin: str = "python") -> ParamSet:
        """Validate values by plain or dotted name; text is read as on a command line.

        Args:
            values: raw values by name; what is not named gets its default.
            origin: where the values came from, kept with the result.

        Returns:
            One value for every parameter.

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
        return self._names.placed(values)

    def placed_by_group(self, values: Mapping[str, Any]) -> tuple[dict[str, Any], list[str]]:
        """Return values given as ``{group: {field: value}}`` by dotted name, and all problems."""
        return self._names.placed_by_group(values)

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

        Returns:
            One value for every parameter.

        Raises:
            ParamsError: naming every problem.
        """
        found = list(problems)
        checked: dict[str, Any] = {}
        placed: dict[str, Any] = {}
        found += self.placed_by_group({n: of for n, of in nested.items() if n not in self.groups})[
            1
        ]
        for group, section in self.sections.items():
            own, faults = self.placed_by_group({group: nested.get(group)})
            placed |= own
            checked[group], wrong = checked_group(section, own, places)
            is_read = nested.get(group) is None or is_fields(nested[group])
            found += [*faults, *(wrong if is_read else [])]
        if found:
            raise ParamsError(found)
        resolved: dict[str, ParamGroup] = {}
        for group, own in checked.items():
            followed = {name: resolved.get(name, checked[name]) for name in own.follows}
            try:
                filled = self.relations.filled(group, own, followed)
                resolved[group] = filled.resolved(followed)
                found += self.relations.broken(group, resolved[group], followed)
                found += unsettled(group, resolved[group], followed, placed)
            except (ValueError, AssertionError) as error:
                found.append(f"{group}: {error}")
        if found:
            raise ParamsError(found)
        if origins is None:
            origins = dict.fromkeys(placed, origin)
        return ParamSet(self, resolved, origins)

    def part(self, groups: Iterable[str]) -> "ParamModel":
        """Return a model of some groups and those that they follow."""
        wanted = set(groups)
        for group, cls in reversed(list(self.groups.items())):
            wanted.update(cls.follows if group in wanted else ())
        return ParamModel(**{name: self.groups[name] for name in self.scope if name in wanted})

    @cached_property
    def defaults(self) -> ParamSet:
        """The set in which every parameter has its default.

        Raises:
            ParamsError: if a parameter has none.
        """
        return self.validate({})


def nested(values: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """Return values by dotted name as ``{group: {field: value}}``."""
    groups: dict[str, dict[str, Any]] = {}
    for dotted, value in values.items():
        _put(groups, dotted.split("."), value)
    return groups


def _put(values: dict[str, Any], place: Sequence[str], value: Any) -> None:
    for step in place[:-1]:
        values = values.setdefault(step, {})
    values[place[-1]] = value


def _former(cls: type[ParamGroup]) -> tuple[str, ...]:
    """Return the names that a group had, the first first."""
    declared = () if "formerly" in cls.model_fields else cls.formerly
    return (declared,) if isinstance(declared, str) else tuple(declared)
