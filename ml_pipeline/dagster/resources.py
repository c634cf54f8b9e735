"""The resources that check a run's parameters and carry them to its assets.

`params` holds all groups in one block of run config. Dagster builds it while it makes the execution
plan, so a bad value is refused before a run exists, in the launchpad, in backfills and from code,
with every problem in one message. To that end the config schema lets any value and any name pass:
Dagster would stop at the first kind of problem, and would not say which name is nearest.
"""

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, Final

import dagster as dg

from ml_pipeline.dagster.errors import unwrapped
from ml_pipeline.dagster.origins import origins_of
from ml_pipeline.dagster.run_config import refuse_without_effect
from ml_pipeline.launch.run_config import PARAMS
from ml_pipeline.params.model import ParamModel, ParamSet
from ml_pipeline.params.parameter import Parameter

_MOST_KNOWN: Final = 16


def params_resource(
    model: ParamModel, refuse_unready: Callable[[ParamSet], None] = lambda _params: None
) -> dg.ResourceDefinition:
    """Return the resource whose config is the parameters and whose value is a `ParamSet`.

    Args:
        model: all parameter groups.
        refuse_unready: raises for parameters whose run could not even begin.
    """
    schema = config_schema(model)
    known: dict[str, ParamSet] = {}

    def read(config: Mapping[str, Any]) -> ParamSet:
        """Validate config once: Dagster asks three times while it plans a run, and then for it."""
        written = repr(config)
        if written not in known:
            if len(known) >= _MOST_KNOWN:
                known.clear()
            known[written] = model.validate(config)
        return known[written]

    @dg.resource(config_schema=schema, description="The parameters of the run.")
    @unwrapped()
    def carry(context: dg.InitResourceContext) -> ParamSet:
        refuse_without_effect(context, model)
        params, origins = read(context.resource_config), origins_of(context, model, PARAMS)
        return params if origins is None else replace(params, origins=origins)

    return checked(carry, schema, lambda config: refuse_unready(read(config)))


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


def _open(fields: Mapping[str, dg.Field]) -> Any:
    """Return a config type that names fields and lets any other pass, for us to refuse."""
    return dg.Permissive(dict(fields))  # type: ignore[no-untyped-call]


def _field(parameter: Parameter) -> dg.Field:
    description = f"{parameter.must_be}. {parameter.description}"
    if parameter.default is ...:
        return dg.Field(dg.Any, is_required=True, description=description)
    # Only what may be none may have that for a default, and only defaults are in the scaffold.
    accepted = dg.Noneable(dg.Any) if parameter.default is None else dg.Any
    return dg.Field(accepted, default_value=parameter.default, description=description)
