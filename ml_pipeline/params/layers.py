"""Values gathered from several places before they are validated, each with its origin.

Layers come in order of precedence, the weakest first: an environment's standing parameters, an
earlier run that this one is to be like, parameter files in the order given, the command line.
Nothing but names is checked here: whether a value is right is the model's to say, once, for what
came out on top.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Final

from ml_pipeline.params.history import completed
from ml_pipeline.params.model import ParamModel, ParamSet, nested
from ml_pipeline.params.partial import Partial, over
from ml_pipeline.params.secret import Hidden
from ml_pipeline.text import shortened

SEARCH: Final = "search"
"""Name of the section that says how to sweep, beside the parameter groups of a file."""

STANDING: Final = "settings"
"""Origin of the parameters that stand in the settings of an environment."""


@dataclass(frozen=True)
class Layer:
    """Values that came from one place.

    Attributes:
        origin: what the place is called: ``base.yaml``, ``environment prod``, ``command line``.
        values: by plain name, by dotted name, as ``{group: {field: value}}``, or mixed.
        is_typed: whether the values are text that somebody typed, to be read as such.
        is_told: whether problems with what was not typed tell the place.
    """

    origin: str
    values: Mapping[str, Any]
    is_typed: bool = False
    is_told: bool = True

    @property
    def place(self) -> str:
        """What problems with the values tell of where they stand; nothing if empty."""
        return self.origin if self.is_told and not self.is_typed else ""


@dataclass
class Given:
    """What came out of all layers.

    Attributes:
        values: raw values as ``{group: {field: value}}``.
        origins: where each value came from, and what it overrides, by dotted name.
        places: the files, or what else was not typed, that values stand in, by dotted name.
        sections: content of the sections that were wanted.
        problems: what is wrong with names and sections.
    """

    values: dict[str, dict[str, Any]] = field(default_factory=dict)
    origins: dict[str, str] = field(default_factory=dict)
    places: dict[str, str] = field(default_factory=dict)
    sections: dict[str, dict[str, Any]] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)

    def validated(self, model: ParamModel) -> ParamSet:
        """Return the values as a set.

        Raises:
            ParamsError: naming every problem, those found before included.
        """
        return model.validate(
            self.values, problems=self.problems, origins=self.origins, places=self.places
        )


def gathered(
    model: ParamModel,
    layers: Sequence[Layer],
    sections: Mapping[str, str | None] = MappingProxyType({}),
) -> Given:
    """Lay values over each other; later layers win.

    Args:
        model: the parameters.
        layers: the weakest first.
        sections: names that may stand beside the parameters, each with the reason why it may not
            be used here, or none where its content is wanted.

    Returns:
        The raw values by group, where each came from, and every problem found so far; its
        `validated` makes a `ParamSet` of them.
    """
    given = Given()
    found: dict[str, Any] = {}
    sources: dict[str, str] = {}
    for layer in layers:
        place = f"{layer.place}: " if layer.place else ""
        values = dict(layer.values)
        for name, reason in sections.items():
            if name not in values or name in model.groups or model.is_plain(name):
                continue
            section = values.pop(name)
            if reason is not None:
                given.problems.append(f"{place}{name} {reason}")
            elif not isinstance(section, Mapping | None):
                problem = f"must be a mapping, but got {shortened(section)}"
                given.problems.append(f"{place}{name} {problem}")
            else:
                given.sections.setdefault(name, {}).update(section or {})
        placed, problems = model.placed(values)
        given.problems += [f"{place}{problem}" for problem in problems]
        for dotted, raw in placed.items():
            origin = layer.origin
            if dotted in found:
                former = Hidden() if model.find(dotted).holds_secret else shortened(found[dotted])
                origin += f"; overrides {former} of {sources[dotted]}"
            is_text = layer.is_typed and isinstance(raw, str)
            parameter = model.find(dotted)
            if isinstance(raw, Partial):
                raw = over(parameter.kind, raw, found.get(dotted, parameter.default))
            found[dotted] = parameter.from_text(raw) if is_text else raw
            sources[dotted] = layer.origin
            given.origins[dotted] = origin
            given.places[dotted] = layer.place
    given.values = nested(found)
    return given


def like(model: ParamModel, identity: Mapping[str, Any], origin: str) -> Layer:
    """Return the parameters that identify an earlier run.

    A parameter that was added since has the literal that the run had in effect, and one that was
    renamed since is found by the name that it had.

    Args:
        model: the parameters as they are now.
        identity: the document that the run's id was made of.
        origin: what to call the run.
    """
    return Layer(origin, completed(model, identity.get("params") or {}))
