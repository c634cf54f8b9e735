"""The resources that check a run's parameters and carry them to its assets.

`params` holds all groups in one block of run config. Dagster builds it while it makes the execution
plan, so a bad value is refused before a run exists, in the launchpad, in backfills and from code,
with every problem in one message. To that end the config schema lets any value and any name pass:
Dagster would stop at the first kind of problem, and would not say which name is nearest.
"""

from collections.abc import Callable, Collection, Mapping
from functools import partial
from pathlib import Path
from typing import Any, Final

import dagster as dg

from ml_pipeline.dagster.errors import unwrapped
from ml_pipeline.dagster.io_manager import ParamIOManager
from ml_pipeline.errors import ParamsError, nearest
from ml_pipeline.launch.run_config import PARAMS, origins_in
from ml_pipeline.params.model import ParamModel, ParamSet
from ml_pipeline.params.parameter import Parameter
from ml_pipeline.runs.materializer import Materializer
from ml_pipeline.runs.provenance import provenance
from ml_pipeline.runs.stages import Pipeline
from ml_pipeline.store.artifacts import ArtifactStore

IO_MANAGER: Final = "io_manager"
NO_IO: Final = "no_io"
"""An IO manager for assets that keep nothing of their own, and so need no parameters."""

_SECTIONS: Final = ("resources", "ops", "execution", "loggers")


def params_resource(
    model: ParamModel,
    resources: Collection[str] = (PARAMS, IO_MANAGER),
    ops: Callable[[], Collection[str]] = tuple,
) -> dg.ResourceDefinition:
    """Return the resource whose config is the parameters and whose value is a `ParamSet`.

    Args:
        model: all parameter groups.
        resources: names that run config may have under ``resources``.
        ops: returns the names that run config may have under ``ops``.
    """
    schema = config_schema(model)

    @dg.resource(config_schema=schema, description="The parameters of the run.")
    @unwrapped()
    def carry(context: dg.InitResourceContext) -> ParamSet:
        origins = origins_of(context, model, PARAMS, resources, ops())
        return model.validate(context.resource_config, origins=origins)

    return checked(carry, schema, model.validate)


def config_schema(*models: ParamModel) -> Any:
    """Return the config type of the groups of some models, with defaults and descriptions."""
    return _open(
        {
            group: dg.Field(
                _open({p.name: _field(p) for p in model.parameters(group)}),
                description=cls.__doc__,
            )
            for model in models
            for group, cls in model.groups.items()
        }
    )


def checked(
    resource: dg.ResourceDefinition, schema: Any, validate: Callable[[Any], Any]
) -> dg.ResourceDefinition:
    """Return a resource whose config is refused before a run exists, if it is not valid.

    Args:
        resource: the resource.
        schema: its config type.
        validate: raises for config that is not valid.
    """

    @dg.configured(resource, config_schema=schema)
    def check(config: Any) -> Any:
        with unwrapped():
            validate(config)
        return config

    return check


def origins_of(
    context: dg.InitResourceContext,
    model: ParamModel,
    name: str,
    resources: Collection[str],
    ops: Collection[str],
) -> dict[str, str] | None:
    """Return where the values of a resource's config came from, by dotted name.

    Args:
        context: the context in which it is made; outside a run nothing is known.
        model: all parameter groups.
        name: the resource's name.
        resources: names that run config may have under ``resources``.
        ops: names that run config may have under ``ops``.

    Raises:
        ParamsError: if run config has other names, which Dagster lets pass without a word.
    """
    run = context.run
    if run is None:
        return None
    if isinstance(run.run_config, Mapping):
        _refuse_unknown_keys(run.run_config, resources, ops)
    return _origins(model, run, name, context.instance)


def io_manager_resource(
    pipeline: Pipeline, store_root: Callable[[], str], code: Path
) -> dg.IOManagerDefinition:
    """Return the IO manager of a pipeline.

    Args:
        pipeline: the stages.
        store_root: returns the store's directory or URI; called once in each run.
        code: a directory in the checkout whose commit is recorded.
    """

    @dg.io_manager(required_resource_keys={PARAMS})
    @unwrapped()
    def manager(context: dg.InitResourceContext) -> ParamIOManager:
        dagster_run_id = context.run.run_id if context.run is not None else None
        around = partial(provenance, dagster_run_id, code, pipeline.first_party)
        materializer = Materializer(pipeline, ArtifactStore(store_root()), around)
        return ParamIOManager(materializer, context.resources.params)

    return manager


def _open(fields: Mapping[str, dg.Field]) -> Any:
    """Return a config type that names fields and lets any other pass, for us to refuse."""
    return dg.Permissive(dict(fields))  # type: ignore[no-untyped-call]


def _field(parameter: Parameter) -> dg.Field:
    description = f"{parameter.must_be}. {parameter.description}"
    if parameter.default in (..., None):
        return dg.Field(dg.Any, is_required=parameter.default is ..., description=description)
    return dg.Field(dg.Any, default_value=parameter.default, description=description)


def _refuse_unknown_keys(
    typed: Mapping[str, Any], resources: Collection[str], ops: Collection[str]
) -> None:
    problems = []
    for section, allowed in (("resources", resources), ("ops", ops)):
        for key in typed.get(section) or {}:
            if key not in allowed:
                problems.append(f"'{section}: {key}' does not exist.{nearest(key, allowed)}")
    for key in typed:
        if key not in _SECTIONS:
            problems.append(f"'{key}' does not exist.{nearest(key, _SECTIONS)}")
    if problems:
        raise ParamsError(problems)


def _origins(
    model: ParamModel, run: dg.DagsterRun, resource: str, instance: dg.DagsterInstance | None
) -> dict[str, str]:
    """Tell where the values of a run came from: its own tag, or the door that it came through.

    What a re-execution has taken over from an earlier run came from where it came from then.
    """
    typed, door = _typed(model, run, resource), _door(run)
    # The launchpad fills all defaults in, so a value counts as typed only if it is another.
    origins = {
        p.dotted: door for p in model.parameters() if typed.get(p.dotted, p.default) != p.default
    }
    origins |= origins_in(run.tags)
    if instance is None or run.parent_run_id is None:
        return origins
    earlier = instance.get_run_by_id(run.parent_run_id)
    if earlier is None:
        return origins
    before, inherited = (
        _typed(model, earlier, resource),
        _origins(model, earlier, resource, instance),
    )
    return {
        name: inherited.get(name, door) if typed.get(name) == before.get(name) else door
        for name in origins
    }


def _typed(model: ParamModel, run: dg.DagsterRun, resource: str) -> dict[str, Any]:
    """Return the values in a run's config by dotted name."""
    config: Any = run.run_config
    for key in ("resources", resource, "config"):
        config = config.get(key) if isinstance(config, Mapping) else None
    groups = config if isinstance(config, Mapping) else {}
    return {
        p.dotted: groups[p.group][p.name]
        for p in model.parameters()
        if isinstance(groups.get(p.group), Mapping) and p.name in groups[p.group]
    }


def _door(run: dg.DagsterRun) -> str:
    tags = run.tags
    if "dagster/schedule_name" in tags:
        return f"schedule {tags['dagster/schedule_name']}"
    if "dagster/sensor_name" in tags:
        return f"sensor {tags['dagster/sensor_name']}"
    if "dagster/backfill" in tags:
        return "backfill"
    if "dagster/from_ui" in tags:
        return "launchpad"
    # A webserver knows where to find a job by its workspace, Dagster's own commands by its module.
    if run.remote_job_origin is not None:
        return "GraphQL"
    return "dagster command" if run.job_code_origin is not None else "Python"
