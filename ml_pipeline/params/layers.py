"""Values gathered from several places before they are validated, each with its origin.

Layers come in order of precedence, the weakest first: an environment's standing parameters, an
earlier run that this one is to be like, parameter files in the order given, the command line.
Nothing but names is checked here: whether a value is right is the model's to say, once, for what
came out on top.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from ml_pipeline.params.model import ParamModel, ParamSet, nested
from ml_pipeline.text import shortened

SEARCH: Final = "search"
"""Name of the section that says how to sweep, beside the parameter groups of a file."""

_DATE: Final = "as_of"


@dataclass(frozen=True)
class Layer:
    """Values that came from one place.

    Attributes:
        origin: what the place is called: ``base.yaml``, ``environment prod``, ``command line``.
        values: by plain name, by dotted name, as ``{group: {field: value}}``, or mixed.
        is_typed: whether the values are text that somebody typed, to be read as such.
    """

    origin: str
    values: Mapping[str, Any]
    is_typed: bool = False


@dataclass
class Given:
    """What came out of all layers.

    Attributes:
        values: raw values as ``{group: {field: value}}``.
        origins: where each value came from, and what it overrides, by dotted name.
        places: the files, or what else was not typed, that values stand in, by dotted name.
        search: content of the sections `SEARCH`.
        problems: what is wrong with names and sections.
    """

    values: dict[str, dict[str, Any]] = field(default_factory=dict)
    origins: dict[str, str] = field(default_factory=dict)
    places: dict[str, str] = field(default_factory=dict)
    search: dict[str, Any] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)

    def validated(self, model: ParamModel) -> ParamSet:
        """Return the values as a set.

        Raises:
            ParamsError: naming every problem, those found before included.
        """
        return model.validate(
            self.values, problems=self.problems, origins=self.origins, places=self.places
        )


def gathered(model: ParamModel, layers: Sequence[Layer], with_search: bool = False) -> Given:
    """Lay values over each other; later layers win.

    Args:
        model: the parameters.
        layers: the weakest first.
        with_search: whether a section `SEARCH` is wanted; it is a problem if not.
    """
    given = Given()
    found: dict[str, Any] = {}
    sources: dict[str, str] = {}
    names = {*model.groups, *(p.name for p in model.parameters())}
    for layer in layers:
        place = "" if layer.is_typed else f"{layer.origin}: "
        values = dict(layer.values)
        if _DATE in values and _DATE not in names:
            del values[_DATE]
            given.problems.append(f"{place}{_DATE} is no parameter: give the date with --as-of")
        if SEARCH in values and SEARCH not in names:
            section = values.pop(SEARCH)
            if not with_search:
                problem = "belongs to a sweep: use `ml-pipeline sweep`"
                given.problems.append(f"{place}{SEARCH} {problem}")
            elif not isinstance(section, Mapping | None):
                problem = f"must be a mapping, but got {shortened(section)}"
                given.problems.append(f"{place}{SEARCH} {problem}")
            else:
                given.search.update(section or {})
        placed, problems = model.placed(values)
        given.problems += [f"{place}{problem}" for problem in problems]
        for dotted, raw in placed.items():
            origin = layer.origin
            if dotted in found:
                origin += f"; overrides {shortened(found[dotted])} of {sources[dotted]}"
            is_text = layer.is_typed and isinstance(raw, str)
            found[dotted] = model.find(dotted).from_text(raw) if is_text else raw
            sources[dotted] = layer.origin
            given.origins[dotted] = origin
            if layer.is_typed:
                given.places.pop(dotted, None)
            else:
                given.places[dotted] = layer.origin
    given.values = nested(found)
    return given


def like(model: ParamModel, identity: Mapping[str, Any], origin: str) -> Layer:
    """Return the parameters that identify an earlier run.

    A parameter that was added since has the literal that the run had in effect.

    Args:
        model: the parameters as they are now.
        identity: the document that the run's id was made of.
        origin: what to call the run.
    """
    return Layer(origin, completed(model, identity.get("params") or {}))


def completed(
    model: ParamModel, recorded: Mapping[str, Mapping[str, Any]]
) -> dict[str, dict[str, Any]]:
    """Return the values of an earlier run with what it had in effect for fields added since.

    Args:
        model: the parameters as they are now.
        recorded: what was written down then, ``{group: {field: value}}``.
    """
    return {
        group: {
            **{p.name: p.absent_as for p in model.parameters(group) if p.absent_as is not ...},
            **values,
        }
        for group, values in recorded.items()
    }
