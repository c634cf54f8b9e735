"""Requests that are written down: documents that become runs and sweeps.

A request, as a file holds it:

    as_of: 1998-05-31           # or from: and to:
    params:
      training:
        learning_rate: 0.2
    select: [model]             # all assets if left out

With a section `search`, which may be empty, it is a sweep, and parameters may have several values.
"""

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from ml_pipeline.current import in_environment
from ml_pipeline.errors import ParamsError, nearest
from ml_pipeline.launch.dates import Calendar, EveryDay
from ml_pipeline.launch.names import names_of
from ml_pipeline.launch.run_config import (
    date_tags,
    environment_tags,
    label_tags,
    origin_tags,
    sweep_config,
)
from ml_pipeline.launch.run_request import RequestedRun, requested_run
from ml_pipeline.launch.standing import ENVIRONMENT, environment_of, standing_layers
from ml_pipeline.params.as_of import AsOf
from ml_pipeline.params.layers import SEARCH, Given, Layer, gathered
from ml_pipeline.params.limits import beyond_limits
from ml_pipeline.params.model import ParamModel, ParamSet
from ml_pipeline.runs.stages import Pipeline
from ml_pipeline.settings import settings
from ml_pipeline.sweeps.contradictions import without_effect_on
from ml_pipeline.sweeps.objective import objective_of
from ml_pipeline.sweeps.request import SweepRequest
from ml_pipeline.text import quoted, shortened

_FIELDS: Final = ("as_of", "from", "to", "params", "select", SEARCH)


@dataclass(frozen=True)
class Rules:
    """What a request may ask for here.

    Attributes:
        pipeline: the stages.
        calendar: the partitions that can be asked for.
        refuses: says why values, valid or not, cannot be asked for here; it gets them by dotted
            name, raw as a request gives them, or one parameter set of a sweep after the other.
        standing: raw values of the parameters that a request does not name, where no environments
            are configured: these have their own.
    """

    pipeline: Pipeline
    calendar: Calendar = field(default_factory=EveryDay)
    refuses: Callable[[Mapping[str, Any]], Iterable[str]] = lambda _values: ()
    standing: Mapping[str, Any] = field(default_factory=dict)


@dataclass
class _Reading:
    """A document being read, and what is wrong with it so far."""

    document: Mapping[str, Any]
    problems: list[str] = field(default_factory=list)


def read_request(document: Any, origin: str, rules: Rules) -> RequestedRun:
    """Read a request that was written down as a document.

    Args:
        document: what the file or setting held.
        origin: what the values came from, kept with the run.
        rules: what may be asked for here.

    Raises:
        ParamsError: naming every problem.
    """
    if not isinstance(document, Mapping):
        raise ParamsError([f"a request must be names and values, but is {quoted(document)}"])
    model = rules.pipeline.params
    reading = _Reading(document)
    for name in document:
        if name not in _FIELDS:
            reading.problems.append(_unknown(str(name), model))
    dates = _dates(reading, rules.calendar)
    selection = _selection(reading, rules.pipeline)
    given = _given(reading, origin, rules)
    problems = [*reading.problems, *given.problems]
    if SEARCH in document:
        if selection is not None:
            problems.append("select does not go with search: a sweep makes all assets")
        values = {**given.values, SEARCH: document[SEARCH] or {}}
        request = SweepRequest.parse(model, values, given.origins, problems)
        _refuse_unwritable(request.environment)
        return requested_sweep(
            rules.pipeline, request, dates, lambda params: _refused(rules, params)
        )
    given.problems[:] = problems
    params = given.validated(model)
    _refuse_unwritable(params.options.environment, beyond_limits(params))
    return requested_run(rules.pipeline, params, dates, selection)


def requested_sweep(
    pipeline: Pipeline,
    request: SweepRequest,
    dates: Sequence[AsOf | None],
    refuses: Callable[[ParamSet], Iterable[str]] = lambda _params: (),
) -> RequestedRun:
    """Return the run that sweeps over parameters and dates.

    Args:
        pipeline: the stages.
        request: what is swept.
        dates: consecutive days in order.
        refuses: says why parameters that are valid cannot be asked for here.

    Raises:
        ParamsError: naming every problem.
    """
    objective_of(pipeline, request)
    refused = [problem for params in request.representatives for problem in refuses(params)]
    refused += without_effect_on(request.options, dates)
    if refused:
        raise ParamsError(list(dict.fromkeys(refused)))
    tags = origin_tags(request.base.origins) | label_tags(request.representatives)
    tags |= date_tags(dates) if len(dates) > 1 else {}
    tags |= environment_tags(request.environment)
    sweep = names_of(pipeline).sweep
    return RequestedRun(dates, sweep_config(request.values, sweep), [sweep], tags, {})


def _refused(rules: Rules, params: ParamSet) -> list[str]:
    with in_environment(params.options.environment):
        return list(rules.refuses(params.flat()))


def _known(environment: str | None) -> str | None:
    """Return the name of an environment, or None for one that is refused elsewhere."""
    return environment if environment in settings().environments.configured else None


def _refuse_unwritable(environment: str | None, beyond: Iterable[str] = ()) -> None:
    refusal = settings().environments.refusal(environment)
    problems = [*([f"{ENVIRONMENT} {refusal}"] if refusal is not None else []), *beyond]
    if problems:
        raise ParamsError(problems)


def example(pipeline: Pipeline, calendar: Calendar) -> str:
    """Return a request that would be accepted, to show to somebody whose request was not."""
    first = pipeline.params.parameters()[0]
    parameter = next((p for p in pipeline.params.parameters() if p.default is not ...), first)
    as_of = f"as_of: {calendar.suggested}\n" if calendar.is_partitioned else ""
    value = json.dumps(parameter.default, default=str)
    *groups, name = parameter.dotted.split(".")
    lines = [f"{'  ' * depth}{group}:\n" for depth, group in enumerate(groups, 1)]
    last = f"{'  ' * (len(groups) + 1)}{name}: {value}\n"
    return f"{as_of}params:\n{''.join(lines)}{last}"


def _unknown(name: str, model: ParamModel) -> str:
    if name in model.groups or model.is_plain(name):
        return f"'{name}' belongs under params"
    return f"'{shortened(name)}' does not exist.{nearest(name, _FIELDS)}"


def _dates(reading: _Reading, calendar: Calendar) -> Sequence[AsOf | None]:
    given = [name for name in ("as_of", "from", "to") if reading.document.get(name) is not None]
    if calendar.is_partitioned and given not in (["as_of"], ["from", "to"]):
        found = " and ".join(given) or "neither"
        reading.problems.append(
            f"a request needs as_of, or from and to, but has {found}: write as_of:"
            f" {calendar.example} for one date"
        )
        return []
    return calendar.read({name: reading.document[name] for name in given}, reading.problems)


def _selection(reading: _Reading, pipeline: Pipeline) -> list[str] | None:
    wanted = reading.document.get("select")
    if wanted is None:
        return None
    names = [wanted] if isinstance(wanted, str) else wanted
    if not isinstance(names, list) or not names or not all(isinstance(n, str) for n in names):
        reading.problems.append(f"select must be a list of assets, but got {quoted(wanted)}")
        return None
    unknown = [name for name in names if name not in pipeline.stages]
    reading.problems += [
        f"select: '{name}' is no asset.{nearest(name, pipeline.stages)}" for name in unknown
    ]
    return [name for name in names if name not in unknown]


def _given(reading: _Reading, origin: str, rules: Rules) -> Given:
    """Lay a request's values, nested by group or flat, over those that stand without it."""
    model = rules.pipeline.params
    params = reading.document.get("params") or {}
    if not isinstance(params, Mapping):
        reading.problems.append(f"params must be names and values, but got {quoted(params)}")
        params = {}
    asked = Layer(origin, params, is_told=False)
    if SEARCH not in reading.document:
        with in_environment(_known(environment_of(model, [asked]))):
            reading.problems += rules.refuses(model.placed(params)[0])
    return gathered(model, [*standing_layers(model, [asked], rules.standing), asked])
