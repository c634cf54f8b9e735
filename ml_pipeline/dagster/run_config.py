"""What a run's config may say: in the job of all assets, Dagster lets any name pass in silence.

It shows all of a run's config to nobody before the run exists, so this is checked first thing in
the run; jobs with a name refuse unknown names by themselves.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Final

import dagster as dg

from ml_pipeline.dagster.private import JobNames, names_in_job
from ml_pipeline.errors import ParamsError, nearest
from ml_pipeline.launch.run_config import LEADERBOARD, PARAMS, SWEEP
from ml_pipeline.params.model import ParamModel
from ml_pipeline.params.parameter import Parameter
from ml_pipeline.text import shortened

STOPPED: Final = "The run has done nothing."

_SECTIONS: Final = ("resources", "ops", "execution", "loggers")


def refuse_without_effect(context: dg.InitResourceContext, model: ParamModel) -> None:
    """Refuse config that means nothing to a run: names that do not exist, blocks that nobody reads.

    Args:
        context: the context in which a resource of the run is made.
        model: all parameter groups.

    Raises:
        ParamsError: naming every problem.
    """
    run = context.run
    if run is None or context.instance is None or not isinstance(run.run_config, Mapping):
        return
    config: Mapping[str, Any] = run.run_config
    resources, ops = config.get("resources") or {}, config.get("ops") or {}
    problems: list[str] = []
    if resources or ops:
        job = names_in_job(context.instance, run)
        problems += _unknown("resources", resources, job.resources)
        problems += _unknown("ops", ops, job.ops)
        problems += _unread(resources, job, model)
    for key in config:
        if key not in _SECTIONS:
            problems.append(f"'{shortened(key)}' does not exist.{nearest(key, _SECTIONS)}")
    if problems:
        raise ParamsError(problems, STOPPED)


def typed_values(models: Sequence[ParamModel], config: Any, resource: str) -> dict[str, Any]:
    """Return the values in the block of a resource by dotted name.

    Args:
        models: of the groups in the block.
        config: all of a run's config.
        resource: the resource's name.
    """
    for key in ("resources", resource, "config"):
        config = config.get(key) if isinstance(config, Mapping) else None
    groups = config if isinstance(config, Mapping) else {}
    return {
        p.dotted: _meant(p, groups[p.group][p.name])
        for model in models
        for p in model.parameters()
        if isinstance(groups.get(p.group), Mapping) and p.name in groups[p.group]
    }


def _meant(parameter: Parameter, value: Any) -> Any:
    return parameter.default if value == parameter.default_shown else value


def _unknown(section: str, typed: Iterable[str], known: Sequence[str]) -> Iterator[str]:
    for name in typed:
        if name not in known:
            yield f"'{section}: {shortened(name)}' does not exist.{nearest(name, known)}"


def _unread(resources: Mapping[str, Any], job: JobNames, model: ParamModel) -> Iterator[str]:
    read = {SWEEP} & set(job.ops)
    if set(job.ops) - {SWEEP, LEADERBOARD}:
        read.add(PARAMS)
    for name, models in ((PARAMS, [model]), (SWEEP, _models_of_sweep(model))):
        if name not in resources or name in read:
            continue
        # The launchpad fills all defaults in, so a value counts as typed only if it is another.
        defaults = {p.dotted: p.default for each in models for p in each.parameters()}
        values = typed_values(models, {"resources": resources}, name)
        others = [dotted for dotted, value in values.items() if value != defaults[dotted]]
        if others:
            instead = next((f" or put them under 'resources: {other}'" for other in read), "")
            yield (
                f"'resources: {name}' must be read by a selected asset, but none does, and it sets"
                f" {', '.join(others)}: leave them out{instead}"
            )


def _models_of_sweep(model: ParamModel) -> list[ParamModel]:
    from ml_pipeline.sweeps.options import MODEL

    return [model, MODEL]
