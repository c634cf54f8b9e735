"""Standing parameters: what is asked for where nobody says otherwise.

An environment has its own, which are the defaults of every run in it, whichever door it comes
through. Where no environments are configured there are those of the installation, for its schedules
and sensors alone.
"""

import json
from collections.abc import Mapping, Sequence
from typing import Any, Final

from ml_pipeline.environments import Environment
from ml_pipeline.errors import ParamsError, SettingsError, nearest
from ml_pipeline.params.layers import SEARCH, STANDING, Layer, gathered
from ml_pipeline.params.limits import beyond_limits, limits_of
from ml_pipeline.params.model import ParamModel, ParamSet
from ml_pipeline.params.parameter import plain
from ml_pipeline.params.reading import Unreadable
from ml_pipeline.settings import settings
from ml_pipeline.sweeps.options import MODEL as SEARCH_OPTIONS

ENVIRONMENT: Final = "run.environment"
"""Dotted name of the parameter that says where a run reads and writes."""

DIFFERS: Final = object()
"""Stands for a default that is another in each environment."""


def standing(model: ParamModel) -> ParamSet:
    """Return the standing parameters of this deployment: of the environment that it runs in.

    Raises:
        SettingsError: naming every problem with them.
    """
    try:
        own = settings().params
        return gathered(model, standing_layers(model, (), own)).validated(model)
    except ParamsError as error:
        raise unusable("params", error) from None


def standing_layers(
    model: ParamModel, asked: Sequence[Layer], own: Mapping[str, Any] | None = None
) -> list[Layer]:
    """Return the layers that stand below what is asked for.

    Args:
        model: the parameters.
        asked: what is asked for, the weakest first: it may name the environment.
        own: standing parameters where no environments are configured.
    """
    known = settings().environments
    if known.default is None:
        return [Layer(STANDING, _ours(model, own), is_told=False)] if own else []
    named = environment_of(model, asked)
    if named is not None and named not in known.configured:
        return []  # which is refused elsewhere
    chosen = [] if named is not None else [Layer(STANDING, {ENVIRONMENT: known.default})]
    return [*chosen, _layer(model, known.named(named))]


def with_standing(model: ParamModel, config: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the values of run config over what stands in the environment that it names.

    Args:
        model: the parameters.
        config: ``{group: {field: value}}``; what is wrong in it stays as it is.
    """
    known = settings().environments
    run = config.get("run")
    named = run.get("environment") if isinstance(run, Mapping) else None
    if known.default is None or (named is not None and named not in known.configured):
        return config
    placed, _ = model.placed(known.named(named).params)
    for dotted, value in placed.items():
        config = _with_default(config, dotted.split("."), value)
    return config


def standing_values(model: ParamModel, environment: str | None) -> dict[str, Any]:
    """Return what stands in an environment, in JSON form by dotted name.

    Args:
        model: the parameters.
        environment: which one; this deployment's own if None.
    """
    known = settings().environments
    if known.default is None:
        return {}
    placed, _ = model.placed(known.named(environment).params)
    return {dotted: plain(model.find(dotted).read(raw)) for dotted, raw in placed.items()}


def defaults(model: ParamModel) -> dict[str, Any]:
    """Return the defaults that environments change, by dotted name.

    A value is the one of every environment that may be written to, or `DIFFERS` where there is not
    one: whoever fills a form in with it would say what not all of them mean.

    Args:
        model: the parameters.
    """
    known = settings().environments
    if known.default is None:
        return {}
    by_environment = [standing_values(model, name) for name in known.writable or [known.default]]
    found: dict[str, Any] = {ENVIRONMENT: known.default}
    for dotted in dict.fromkeys(name for values in by_environment for name in values):
        first, *others = [values.get(dotted, DIFFERS) for values in by_environment]
        found[dotted] = first if all(one == first for one in others) else DIFFERS
    return found


def check_standing(model: ParamModel) -> None:
    """Refuse standing parameters of environments that the model would not take.

    Args:
        model: the parameters.

    Raises:
        SettingsError: naming every problem of every environment.
    """
    known = settings().environments
    problems: list[str] = []
    for name in known.configured:
        layer = Layer(f"environments.{name}.params", _ours(model, known[name].params))
        given = gathered(model, [Layer("", {ENVIRONMENT: name}), layer])
        limits = limits_of(model, known[name], problems)
        problems += _of_no_group(model, known[name])
        try:
            problems += [
                f"{beyond}: it stands there (environments.{name}.limits)"
                for beyond in beyond_limits(given.validated(model), limits)
            ]
        except ParamsError as error:
            # What a run has to say is lacking here.
            lacking = {f"{p.dotted} is required" for p in model.parameters() if p.default is ...}
            problems += [one for one in error.problems if one.partition(":")[0] not in lacking]
    if problems:
        raise _refusal(problems, "environments")


def _of_no_group(model: ParamModel, environment: Environment) -> list[str]:
    """Check the limits of sweeps, and refuse those of what is no group."""
    problems: list[str] = []
    here = f"environments.{environment.name}.limits"
    # A pipeline's own group of that name is meant where there is one.
    if SEARCH in environment.limits and SEARCH not in model.groups:
        problems += [
            f"{here}.{limit.parameter.dotted}: must be bounds, of which the upper one holds where"
            " nobody sets it"
            for limit in limits_of(SEARCH_OPTIONS, environment, problems)
            if limit.most is None
        ]
    others = (group for other in model.beside for group in other.groups)
    known = [*model.groups, SEARCH, *others]
    return problems + [
        f"{here}: '{group}' is no parameter group.{nearest(group, known)}"
        for group in environment.limits
        if group not in known
    ]


def unusable(setting: str, error: ParamsError) -> SettingsError:
    """Return the error for a setting that holds parameters which are refused."""
    return _refusal([f"{setting}: {error.problems[0]}", *error.problems[1:]], setting)


def described(params: ParamSet) -> str:
    """Say which parameters are not the defaults, to show in the UI."""
    given = [
        f"{name}={json.dumps(value)}"
        for name, value in params.flat(params.model.groups).items()
        if name in params.origins
    ]
    return f"Parameters: {', '.join(given) or 'the defaults'}."


def origin_of(environment: str) -> str:
    """Return the origin of what stands in an environment."""
    return f"environment {environment}"


def _with_default(values: Mapping[str, Any], path: Sequence[str], value: Any) -> Mapping[str, Any]:
    """Return values with one more at a path, unless there is one."""
    name, *rest = path
    if not rest:
        return values if name in values else {**values, name: value}
    below = values.get(name)
    if not isinstance(below, Mapping | None):
        return values  # which is refused elsewhere
    return {**values, name: _with_default(below or {}, rest, value)}


def _layer(model: ParamModel, environment: Environment) -> Layer:
    return Layer(origin_of(environment.name), _ours(model, environment.params))


def _ours(model: ParamModel, values: Mapping[str, Any]) -> dict[str, Any]:
    """Return what stands, but what is meant for another pipeline of the project."""
    return {n: value for n, value in values.items() if not model.is_for_another(n, value)}


def environment_of(model: ParamModel, asked: Sequence[Layer]) -> str | None:
    """Return the environment that is asked for, if one is.

    Args:
        model: the parameters.
        asked: what is asked for, the weakest first.
    """
    for layer in reversed(asked):
        raw = model.placed(layer.values)[0].get(ENVIRONMENT)
        if raw is not None:
            parameter = model.find(ENVIRONMENT)
            try:
                read = parameter.read(parameter.from_text(raw) if isinstance(raw, str) else raw)
            except Unreadable:
                return None  # which is refused elsewhere
            return None if read is None else str(read)
    return None


def _refusal(problems: Sequence[str], setting: str) -> SettingsError:
    listed = "\n  ".join(problems)
    return SettingsError(
        f"Settings cannot be used:\n  {listed}\nCorrect the variable"
        f" ML_PIPELINE_{setting.upper()} or {settings().home / 'settings.toml'}."
    )
