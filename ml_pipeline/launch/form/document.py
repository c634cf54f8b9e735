"""What a page has to know of a pipeline to fill in, check and identify its parameters."""

import inspect
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ml_pipeline.launch.form.kinds import info_spec, kind_spec
from ml_pipeline.launch.form.own_code import code_in_fields, field_rows, group_rows, has_code
from ml_pipeline.launch.names import names_of
from ml_pipeline.launch.standing import standing_values
from ml_pipeline.params.identity import SCHEME
from ml_pipeline.params.layout import Section
from ml_pipeline.params.model import ParamModel
from ml_pipeline.params.parameter import Parameter, plain
from ml_pipeline.params.secret import schemes
from ml_pipeline.runs.stages import Pipeline
from ml_pipeline.settings import settings


@dataclass(frozen=True)
class Dates:
    """The keys of one axis of partitions, as far as a page needs them.

    Attributes:
        name: of the dimension.
        keys: those that can be asked for, in order; of very many, the last.
        first: the first day, where every day from it to the last is a key.
        last: the last one.
        is_open: whether there may be others, or may be soon.
        suggested: the key to begin with.
    """

    name: str
    keys: Sequence[str] = ()
    first: str | None = None
    last: str | None = None
    is_open: bool = False
    suggested: str | None = None


def form_document(
    pipeline: Pipeline, dates: Sequence[Dates], launchpad: str, webserver: str
) -> dict[str, Any]:
    """Return all that the page of a pipeline is made from, as plain data.

    Args:
        pipeline: the stages.
        dates: one for each axis of the partitions; none for a pipeline without.
        launchpad: path of the page of the webserver that fills a launchpad in.
        webserver: where the webserver answers, to begin with.
    """
    model, known = pipeline.params, settings().environments
    own = [] if known.default is None else [known.default]
    offered = list(dict.fromkeys([*own, *known.writable])) if known.configured else []
    standing = {name: standing_values(model, name) for name in offered}
    return {
        "scheme": SCHEME,
        "title": pipeline.name,
        "dates": [{n: v for n, v in vars(one).items() if v} for one in dates],
        "environments": offered,
        "environment": known.default,
        "standing": standing,
        "secrets": schemes(),
        "groups": [
            _group(model, section, list(standing.values())) for section in model.sections.values()
        ],
        "resource": names_of(pipeline).params,
        "launchpad": launchpad,
        "webserver": webserver,
        "command": pipeline.typed("run"),
        "identify": pipeline.typed("id"),
    }


def _group(
    model: ParamModel, section: Section, standing: Sequence[Mapping[str, Any]]
) -> dict[str, Any]:
    found: dict[str, Any] = {
        "name": section.group,
        "about": (inspect.getdoc(section.cls) or "").partition("\n")[0],
        "members": list(_members(model, section, standing)),
    }
    relations = model.relations
    if rules := relations.rules[section.group]:
        found["rules"] = [[rule.left.dotted, rule.sign, rule.right.dotted] for rule in rules]
    if section.group not in model.scope:
        return found
    found |= {"scope": True, "kept": section.kept[0]}
    if retired := model.retired(section.group):
        found["retired"] = [[list(place), value] for place, value in retired.items()]
    if has_code(section):
        reach = model.part([section.group]).scope
        found |= {"code": group_rows(model, section), "reach": list(reach)}
    return found


def _members(
    model: ParamModel, section: Section, standing: Sequence[Mapping[str, Any]]
) -> Iterator[dict[str, Any]]:
    is_asked = section.group in model.scope
    coded = {p.dotted for p in code_in_fields(section)} if is_asked else set()
    for name, member in section.members.items():
        if isinstance(member, Section):
            about = member.info.description if member.info else None
            about = about or (inspect.getdoc(member.cls) or "").partition("\n")[0]
            inner = list(_members(model, member, standing))
            yield {"section": name, "about": about, "members": inner}
        elif member.is_offered and not member.is_environment:
            yield _parameter(model, section, member, member.dotted in coded, standing)


def _parameter(
    model: ParamModel,
    section: Section,
    parameter: Parameter,
    is_coded: bool,
    standing: Sequence[Mapping[str, Any]],
) -> dict[str, Any]:
    found: dict[str, Any] = {
        "dotted": parameter.dotted,
        "kind": kind_spec(parameter.kind),
        **info_spec(parameter.info),
        "must": parameter.must_be,
    }
    if parameter.is_shared:
        found["told"] = parameter.dotted
    if parameter.default is not ...:
        found["default"] = parameter.default
    for filling in model.relations.fillings[section.group]:
        if filling.parameter.dotted == parameter.dotted:
            pairs = [[choice, plain(value)] for choice, value in filling.values.items()]
            found["filled"] = [filling.by.dotted, pairs]
    if section.group not in model.scope:
        return found
    if parameter.is_identity:
        is_as_told = list(parameter.kept) == parameter.dotted.split(".")
        found["kept"] = True if is_as_told else list(parameter.kept)
    if parameter.absent_as is not ...:
        found["absent"] = parameter.absent_as
    if is_coded:
        besides = [values[parameter.dotted] for values in standing if parameter.dotted in values]
        group = model.sections[section.group]
        found["code"] = field_rows(model, group, parameter, besides)
    return found
