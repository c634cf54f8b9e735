"""The names of all parameters, as people type them, and what to say of those that are none.

A name is as short as it can be: ``learning_rate``, ``tree.depth``. Where groups share it, it is
written with its group: ``training.learning_rate``, which always works.
"""

import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

import pydantic

from ml_pipeline.errors import ParamsError, closest
from ml_pipeline.params.documents import read_document
from ml_pipeline.params.group import OPTIONS
from ml_pipeline.params.layout import Section, laid_out
from ml_pipeline.params.parameter import Parameter
from ml_pipeline.params.partial import Partial, joined, partial_of
from ml_pipeline.params.reading import fields_of
from ml_pipeline.params.secret import Hidden
from ml_pipeline.text import quoted, shortened

COLUMNS: Final = frozenset({"run_id", "as_of", "asset", "revision", "duration_s", "made_at"})
"""What lists of runs call something else: a parameter of such a name is told with its group."""

Node = Parameter | Section


class Names:
    """The names of a model's parameters.

    Attributes:
        groups: the groups by name.
        parameters: the parameters by dotted name, in order of declaration.
    """

    def __init__(
        self,
        classes: Mapping[str, type[pydantic.BaseModel]],
        former: Mapping[str, tuple[str, ...]],
    ) -> None:
        """Find out what every parameter is called.

        Args:
            classes: the groups by name.
            former: the names that each group had before, the first first.
        """
        kept = {name: (*former[name], name)[0] for name in classes}
        found = {name: laid_out(name, cls, kept[name]) for name, cls in classes.items()}
        # What may be typed for one must not be the name of another, but for the run's environment:
        # whoever has a field of that name had it before there were environments.
        names = [one for group in found.values() for one in dict(_spelt(group)).items()]
        counts = Counter(name for name, node in names if not _gives_way(node))
        shared = frozenset(n for n, count in counts.items() if count > 1 or n in COLUMNS)
        taken = frozenset(name for name, node in names if _gives_way(node) and name in counts)
        if shared or taken:
            for name, cls in classes.items():
                others = shared | taken if name == OPTIONS else shared
                found[name] = laid_out(name, cls, kept[name], others)
        self._former_groups = {old: name for name, names in former.items() for old in names}
        self.groups: Mapping[str, Section] = found
        self.parameters = {p.dotted: p for group in found.values() for p in group.parameters}
        self._plain: dict[str, list[Node]] = {}
        self._dotted: dict[str, Node] = {}
        self._gone: dict[str, str] = {}
        for group in found.values():
            for spelt, node in _spelt(group):
                if not (_gives_way(node) and spelt in taken):
                    self._plain.setdefault(spelt, []).append(node)
                self._dotted[f"{group.name or group.group}.{spelt}"] = node
            for spelt, told in _gone(group):
                self._gone.setdefault(spelt, told)
                self._gone[f"{group.group}.{spelt}"] = told

    def problems(self) -> Iterator[str]:
        """Say why the names do not fit together, if they do not."""
        for group in self.groups.values():
            yield from group.problems()
            for name, member in group.members.items():
                if isinstance(member, Section) and name in self.groups:
                    yield f"'{member.dotted}' has the name of a group: rename one"
        labels: dict[str, str] = {}
        for parameter in self.parameters.values():
            if parameter.is_label:
                name = ".".join(parameter.kept[1:])
                other = labels.setdefault(name, parameter.dotted)
                if other != parameter.dotted:
                    yield (
                        f"'{other}' and '{parameter.dotted}' would both show in paths as '{name}':"
                        " rename one, or let one be no path label"
                    )

    def find(self, name: str) -> Parameter:
        """Return the parameter of a plain or dotted name.

        Raises:
            ParamsError: if there is none, naming the nearest, or more than one.
        """
        node = self.node(name)
        if isinstance(node, Section):
            raise ParamsError([_no_mapping(node, "one value")])
        return node

    def node(self, name: str) -> Node:
        """Return the parameter or section of a plain or dotted name.

        Raises:
            ParamsError: if there is none, naming the nearest, or more than one.
        """
        if name in self._dotted:
            return self._dotted[name]
        found = self._plain.get(name, [])
        if len(found) == 1:
            return found[0]
        raise ParamsError([_several(name, found) if found else self._no_such_name(name)])

    def placed(self, values: Mapping[str, Any]) -> tuple[dict[str, Any], list[str]]:
        """Return values by dotted name, and all problems with their names.

        Args:
            values: by plain name, by dotted name, as ``{group: {field: value}}``, or mixed.
        """
        found: dict[str, Any] = {}
        problems: list[str] = []
        for name, raw in values.items():
            here: list[tuple[str, Any]] = []
            if name in self.groups and not self.is_plain(name):
                here = list(self.spread(self.groups[name], raw, problems))
            elif isinstance(raw, Mapping) and not self.is_plain(name) and "." not in name:
                problems.append(self.no_such_group(name))
            elif (within := self._within(name, raw)) is not None:
                here = [within]
            else:
                try:
                    node = self.node(name)
                except ParamsError as error:
                    problems.extend(error.problems)
                    continue
                if isinstance(node, Section):
                    here = list(self.spread(node, raw, problems))
                else:
                    here = [(node.dotted, raw)]
            _add(found, here, problems)
        return found, problems

    def placed_by_group(self, values: Mapping[str, Any]) -> tuple[dict[str, Any], list[str]]:
        """Return values given as ``{group: {field: value}}`` by dotted name, and all problems."""
        found: dict[str, Any] = {}
        problems = [self.no_such_group(name) for name in values if name not in self.groups]
        for group, section in self.groups.items():
            _add(found, list(self.spread(section, values.get(group), problems)), problems)
        return found, problems

    def _within(self, name: str, raw: Any) -> tuple[str, Partial] | None:
        """Return the field of a value that a name stands for, with what the value is called."""
        steps = name.split(".")
        for end in range(1, len(steps)):
            holder = ".".join(steps[:end])
            found = self._plain.get(holder, [])
            node = self._dotted.get(holder, found[0] if len(found) == 1 else None)
            if isinstance(node, Parameter):
                partial = partial_of(node.kind, steps[end:], raw)
                if partial is not None:
                    return node.dotted, partial
        return None

    def why_not(self, name: str) -> str | None:
        """Say why a name stands for nothing, if it did before, or stands for more than one."""
        found = self._plain.get(name, [])
        if name not in self._dotted and len(found) > 1:
            return _several(name, found)
        gone = self._gone.get(name)
        return f"'{name}' {gone}" if gone and not found else None

    def is_plain(self, name: str) -> bool:
        """Whether something in a group is called so."""
        return name in self._plain

    def spread(self, section: Section, raw: Any, problems: list[str]) -> Iterator[tuple[str, Any]]:
        """Yield the raw values of a section by dotted name.

        Args:
            section: a group, or a section of one.
            raw: names and values, from any door.
            problems: what is wrong is added here.
        """
        fields = _fields(raw)
        if fields is None:
            # Where secrets are referred to, what was typed may be one by mistake.
            is_hidden = any(parameter.holds_secret for parameter in section.parameters)
            problems.append(_no_mapping(section, quoted(Hidden() if is_hidden else raw)))
            return
        for name, value in fields.items():
            node: Node | None = section
            for step in str(name).split("."):
                node = node.member(step) if isinstance(node, Section) else None
            if isinstance(node, Section) and node is not section:
                yield from self.spread(node, value, problems)
            elif isinstance(node, Parameter):
                yield node.dotted, value
            else:
                problems.append(self.no_such_field(section, str(name), value))

    def no_such_field(self, section: Section, name: str, value: Any) -> str:
        """Say that a section has no field of a name, for which there is a value."""
        where = f"'{section.dotted}.{shortened(name)}' does not exist."
        if name in section.retired:
            return (
                f"'{section.dotted}.{name}' is retired: every run has"
                f" {shortened(section.retired[name])} for it, but got {quoted(value)}: leave it out"
            )
        if (gone := self._gone.get(f"{section.dotted}.{name}")) is not None:
            return f"'{section.dotted}.{shortened(name)}' {gone}"
        if elsewhere := self._plain.get(name):
            groups = " or ".join(f"'{node.group}'" for node in elsewhere)
            return f"{where} It belongs in group {groups}."
        return where + (_nearest(name, _told_in(section)) or _nearest(name, self._told))

    def no_such_group(self, name: object) -> str:
        """Say that there is no group of a name."""
        if found := self._plain.get(str(name)):
            groups = " or ".join(f"'{node.group}'" for node in found)
            return f"'{name}' belongs in group {groups}"
        if (present := self._former_groups.get(str(name))) is not None:
            return f"group '{name}' is called '{present}' now"
        hint = _nearest(name, dict.fromkeys(self.groups, "")) or _nearest(name, self._told)
        return f"'{shortened(name)}' is no parameter group.{hint}"

    @property
    def _told(self) -> dict[str, str]:
        """What to call what is called something, by names without those of groups."""
        return {
            spelt: " or ".join(f"'{node.told}'" for node in nodes)
            for spelt, nodes in self._plain.items()
        }

    def _no_such_name(self, name: str) -> str:
        shown = f"'{shortened(name)}'"
        if name in self._gone:
            return f"{shown} {self._gone[name]}"
        steps = name.split(".")
        if len(steps) > 1 and steps[0] in self._former_groups:
            return self.no_such_group(steps[0])
        for start in range(1, len(steps)):
            if found := self._plain.get(".".join(steps[start:])):
                told = " or ".join(f"'{node.dotted}'" for node in found)
                return f"{shown} does not exist. Did you mean {told}?"
        for end in range(len(steps) - 1, 0, -1):
            holders = self._plain.get(".".join(steps[:end])) or [
                node for node in [self._dotted.get(".".join(steps[:end]))] if node is not None
            ]
            holder = holders[0] if holders else None
            if isinstance(holder, Parameter) and holder.kind.shapes:
                inner = {n: f"'{holder.told}.{n}'" for s in holder.kind.shapes for n in s.members}
                return f"{shown} does not exist.{_nearest(steps[-1], inner)}"
            if isinstance(holder, Parameter) and holder.kind.values:
                key = json.dumps(shortened(".".join(steps[end:])))
                remedy = f"give it whole, {holder.told}={{{key}: ...}}"
                return f"{shown} is one key of a mapping: {remedy}"
            if isinstance(holder, Section):
                hint = _nearest(steps[-1], _told_in(holder)) or _nearest(steps[-1], self._told)
                return f"{shown} does not exist.{hint}"
        within = [p for p in self.parameters.values() if p.name.endswith(f".{steps[-1]}")]
        if within:
            told = " or ".join(f"'{p.told}'" for p in within)
            return f"{shown} does not exist. Did you mean {told}?"
        return f"{shown} does not exist.{_nearest(steps[-1], self._told)}"


def _add(found: dict[str, Any], more: Sequence[tuple[str, Any]], problems: list[str]) -> None:
    for dotted, raw in more:
        known = found.get(dotted)
        together = None
        if isinstance(known, Partial) and isinstance(raw, Partial):
            together = joined(known, raw)
        if dotted in found and together is None:
            problems.append(f"{dotted} is set twice: give it one value")
        found[dotted] = raw if together is None else together


def _gives_way(node: Node) -> bool:
    return isinstance(node, Parameter) and node.is_environment


def _spelt(section: Section, before: str = "") -> Iterator[tuple[str, Node]]:
    """Yield what is in a section by all that it may be called."""
    for called, name in section.own_names.items():
        node = section.members[name]
        yield f"{before}{called}", node
        if isinstance(node, Section):
            yield from _spelt(node, f"{before}{called}.")


def _gone(section: Section, before: str = "") -> Iterator[tuple[str, str]]:
    """Yield names that were in a section, and what to say of each."""
    for called, name in section.former.items():
        yield f"{before}{called}", f"is called '{section.members[name].told}' now"
    for called, value in section.retired.items():
        every = f"every run has {shortened(value)} for it"
        yield f"{before}{called}", f"is retired: {every}, so leave it out"
    for name, node in section.members.items():
        if isinstance(node, Section):
            yield from _gone(node, f"{before}{name}.")


def _told_in(section: Section) -> dict[str, str]:
    return {name: f"'{member.told}'" for name, member in section.members.items()}


def _nearest(name: object, told: Mapping[str, str]) -> str:
    found = closest(name, told)
    return "" if found is None else f" Did you mean {told[found] or repr(found)}?"


def _several(name: str, nodes: Sequence[Node]) -> str:
    groups = " and ".join(f"'{node.group}'" for node in nodes)
    ways = " or ".join(node.dotted for node in nodes)
    return f"'{name}' is in the groups {groups}: write {ways}"


def _fields(raw: Any) -> Mapping[Any, Any] | None:
    """Return names and values from any door, or None where it has none."""
    if isinstance(raw, pydantic.BaseModel):
        return fields_of(raw)
    if isinstance(raw, str) and raw.strip()[:1] == "{":
        for name in ("value.json", "value.yaml"):
            try:
                raw = read_document(raw.encode(), name)
                break
            except (ParamsError, UnicodeEncodeError):
                continue
    return {} if raw is None else raw if isinstance(raw, Mapping) else None


def is_fields(raw: Any) -> bool:
    """Whether something has names and values."""
    return _fields(raw) is not None


def _no_mapping(section: Section, found: str) -> str:
    what = f"of {', '.join(section.members)}" if section.name else "of parameters"
    return f"{section.dotted} must be a mapping {what}, but got {found}"
