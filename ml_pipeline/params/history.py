"""What earlier runs were made with, by the names that parameters have now.

A document of a run names parameters as they were called then. Renamed groups and fields are found
by the names that they had; what is gone for good keeps its own.
"""

import json
from collections import Counter
from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any

from ml_pipeline.params.layout import Section
from ml_pipeline.params.model import ParamModel, nested
from ml_pipeline.params.names import COLUMNS

Recorded = Mapping[str, Mapping[str, Any]]


def present(model: ParamModel | None, recorded: Recorded) -> dict[str, Any]:
    """Return the values of an earlier run by dotted name.

    A retired field that had the value which every run has now is left out.

    Args:
        model: the parameters as they are now; nothing is known of any without it.
        recorded: what was written down then, ``{group: {field: value}}``.
    """
    model = model or _without_groups()
    found: dict[str, Any] = {}
    for group, values in recorded.items():
        section = model.sections.get(model.former_groups.get(group, group))
        if section is None:
            found |= {f"{group}.{name}": value for name, value in values.items()}
        else:
            found.update(_in_section(section, values))
    return found


def _in_section(section: Section, values: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    for name, value in values.items():
        member = section.members.get(section.former.get(name, name))
        if isinstance(member, Section) and isinstance(value, Mapping):
            yield from _in_section(member, value)
        elif member is not None and not isinstance(member, Section):
            yield member.dotted, value
        elif name not in section.retired or _json(section.retired[name]) != _json(value):
            yield f"{section.dotted}.{name}", value


def _json(value: Any) -> str:
    """Write a value so that 1 and 1.0 differ, as they do in ids."""
    return json.dumps(value, sort_keys=True, default=repr)


def completed(model: ParamModel | None, recorded: Recorded) -> dict[str, dict[str, Any]]:
    """Return the values of an earlier run with what it had in effect for fields added since.

    Args:
        model: the parameters as they are now; nothing is known of any without it.
        recorded: what was written down then, ``{group: {field: value}}``.

    Returns:
        Values by the names that they have now, ``{group: {field: value}}``.
    """
    model = model or _without_groups()
    groups = [model.former_groups.get(group, group) for group in recorded]
    literals = {
        p.dotted: p.absent_as
        for group in groups
        for p in model.parameters(group)
        if p.absent_as is not ...
    }
    return {group: {} for group in groups} | nested({**literals, **present(model, recorded)})


def told_names(model: ParamModel | None, dotted: Mapping[str, Any]) -> dict[str, str]:
    """Return the names that people see by dotted name; of fields that are gone, too."""
    model = model or _without_groups()
    known = {p.dotted: p.told for p in model.parameters()}
    plain = {name: name.partition(".")[2] for name in dotted if name not in known}
    counts = Counter([*plain.values(), *(p.name for p in model.parameters())])
    alone = {rest for rest, count in counts.items() if count == 1} - COLUMNS
    gone = {name: rest if rest in alone else name for name, rest in plain.items()}
    return {name: known.get(name) or gone[name] for name in dotted}


def told(model: ParamModel | None, recorded: Recorded) -> dict[str, Any]:
    """Return the values of an earlier run by the names that people see."""
    values = present(model, recorded)
    return {name: values[dotted] for dotted, name in told_names(model, values).items()}


@cache
def _without_groups() -> ParamModel:
    return ParamModel()
