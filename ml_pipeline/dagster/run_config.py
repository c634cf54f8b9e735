"""What a run's config may say: in the job of all assets, Dagster lets any name pass in silence.

It shows all of a run's config to nobody before the run exists, so this is checked first thing in
the run; jobs with a name refuse unknown names by themselves. What is near to none of our names is
left alone: it is somebody else's affair.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from typing import Any, Final

import dagster as dg

from ml_pipeline.dagster.private import JobNames, names_in_job
from ml_pipeline.errors import ParamsError, nearest
from ml_pipeline.launch.names import Names, names_of
from ml_pipeline.launch.standing import defaults
from ml_pipeline.params.model import ParamModel
from ml_pipeline.params.parameter import Parameter
from ml_pipeline.runs.stages import Pipeline
from ml_pipeline.text import shortened

STOPPED: Final = "The run has done nothing."
REFUSED: Final = "Nothing was computed."
"""Dagster asks again in the process of the run, which exists by then."""

_SECTIONS: Final = ("resources", "ops", "execution", "loggers", "inputs")


def refuse_without_effect(context: dg.InitResourceContext, pipeline: Pipeline) -> None:
    """Refuse config that means nothing to a run: misspelt names of ours, blocks that nobody reads.

    Args:
        context: the context in which a resource of the run is made.
        pipeline: the stages.

    Raises:
        ParamsError: naming every problem.
    """
    run = context.run
    if run is None or context.instance is None or not isinstance(run.run_config, Mapping):
        return
    config: Mapping[str, Any] = run.run_config
    resources, ops = config.get("resources") or {}, config.get("ops") or {}
    problems: list[str] = []
    names = names_of(pipeline)
    if resources or ops:
        job = names_in_job(context.instance, run)
        problems += _misspelt("resources", resources, job.resources, _blocks(pipeline))
        problems += _misplaced("resources", resources, job.resources, pipeline.params.groups, names)
        # A run knows no ops but its own, so others' are let pass unless they are near to ours.
        ours = [names.leaderboard, names.comparison] if pipeline.is_judged else []
        stages = [pipeline.name, *pipeline.stages]
        problems += _misspelt("ops", ops, [*job.ops, *ours, *stages], [*ours, *stages])
        problems += _misplaced("ops", ops, job.ops, stages, names)
        problems += _not_selected(ops, job, ours)
        problems += _unread(resources, job, pipeline)
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
        dotted: _meant(model.find(dotted), value)
        for model in models
        for dotted, value in model.placed_by_group(groups)[0].items()
    }


def _meant(parameter: Parameter, value: Any) -> Any:
    return parameter.default if value == parameter.default_shown else value


def _blocks(pipeline: Pipeline) -> dict[str, list[ParamModel]]:
    """Return the models of the groups in each resource that takes config of ours."""
    names, model = names_of(pipeline), pipeline.params
    if not pipeline.is_judged:
        return {names.params: [model]}
    from ml_pipeline.sweeps.options import MODEL

    return {names.params: [model], names.sweep: [model, MODEL]}


def _misspelt(
    section: str, typed: Iterable[str], known: Sequence[str], ours: Collection[str]
) -> Iterator[str]:
    """Tell which names are nobody's and near to one of ours."""
    for name in typed:
        meant = "" if name in known else nearest(name, ours)
        if meant:
            yield f"'{section}: {shortened(name)}' does not exist.{meant}"


def _misplaced(
    section: str, typed: Iterable[str], known: Sequence[str], ours: Collection[str], names: Names
) -> Iterator[str]:
    """Tell which names are ours, but take no config there."""
    for name in typed:
        if name in ours and name not in known:
            yield (
                f"'{section}: {shortened(name)}' does not exist: parameters go under"
                f" 'resources: {names.params}: config:', by group"
            )


def _not_selected(typed: Iterable[str], job: JobNames, ours: Collection[str]) -> Iterator[str]:
    for name in typed:
        if name in ours and name not in job.ops:
            yield f"'ops: {name}' does not exist in this run, since its asset is not selected"


def _unread(resources: Mapping[str, Any], job: JobNames, pipeline: Pipeline) -> Iterator[str]:
    names = names_of(pipeline)
    read = {names.sweep} & set(job.ops) if pipeline.is_judged else set()
    aside = {names.sweep, names.leaderboard, names.comparison}
    if not pipeline.is_judged or set(job.ops) - aside:
        read.add(names.params)
    for name, models in _blocks(pipeline).items():
        if name not in resources or name in read:
            continue
        # The launchpad fills all defaults in, so a value counts as typed only if it is another.
        shown = {p.dotted: p.default for each in models for p in each.parameters()}
        shown |= defaults(pipeline.params)
        values = typed_values(models, {"resources": resources}, name)
        others = [dotted for dotted, value in values.items() if value != shown[dotted]]
        if others:
            instead = next((f" or put them under 'resources: {other}'" for other in read), "")
            yield (
                f"'resources: {name}' must be read by a selected asset, but none does, and it sets"
                f" {', '.join(others)}: leave them out{instead}"
            )
