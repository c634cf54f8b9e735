"""Where the values of a run came from: what its tags tell, or the door that it came through."""

import dagster as dg

from ml_pipeline.dagster import private
from ml_pipeline.dagster.run_config import typed_values
from ml_pipeline.launch.run_config import origins_in
from ml_pipeline.launch.standing import ENVIRONMENT, defaults, origin_of, standing_values
from ml_pipeline.params.model import ParamModel
from ml_pipeline.settings import settings


def origins_of(
    context: dg.InitResourceContext, model: ParamModel, resource: str
) -> dict[str, str] | None:
    """Return where the values of a resource's config came from, by dotted name.

    Args:
        context: the context in which it is made; outside a run nothing is known.
        model: all parameter groups.
        resource: the resource's name.
    """
    run = context.run
    return None if run is None else _origins(model, run, resource, context.instance)


def _origins(
    model: ParamModel, run: dg.DagsterRun, resource: str, instance: dg.DagsterInstance | None
) -> dict[str, str]:
    """Tell where the values of a run came from: its own tag, or the door that it came through.

    What a re-execution has taken over from an earlier run came from where it came from then.
    """
    typed, door = typed_values([model], run.run_config, resource), door_of(run)
    shown = {p.dotted: p.default for p in model.parameters()} | defaults(model)
    # The launchpad fills all defaults in, so a value counts as typed only if it is another.
    origins = {
        dotted: door for dotted, default in shown.items() if typed.get(dotted, default) != default
    }
    named = typed.get(ENVIRONMENT) or settings().environments.default
    if named is not None:
        stands = standing_values(model, named)
        origins = {dotted: origin_of(named) for dotted in stands} | origins
    origins |= origins_in(run.tags)
    if instance is None or run.parent_run_id is None:
        return origins
    earlier = instance.get_run_by_id(run.parent_run_id)
    if earlier is None:
        return origins
    before, inherited = (
        typed_values([model], earlier.run_config, resource),
        _origins(model, earlier, resource, instance),
    )
    return {
        name: inherited.get(name, door) if typed.get(name) == before.get(name) else door
        for name in origins
    }


def door_of(run: dg.DagsterRun) -> str:
    """Return the door that a run came through."""
    tags = run.tags
    if "dagster/schedule_name" in tags:
        return f"schedule {tags['dagster/schedule_name']}"
    if "dagster/sensor_name" in tags:
        return f"sensor {tags['dagster/sensor_name']}"
    if "dagster/backfill" in tags:
        return "backfill"
    if private.FROM_UI_TAG in tags:
        return "launchpad"
    if private.location_of(run) is not None:
        return "GraphQL"
    return "dagster command" if private.is_of_a_command(run) else "Python"
