"""The resources that check a run's parameters and carry them to its assets.

One holds all groups in one block of run config. Dagster builds it while it makes the execution
plan, so a bad value is refused before a run exists, in the launchpad, in backfills and from code,
with every problem in one message. To that end the config schema lets any name and nearly any value
pass: Dagster would stop at the first kind of problem, not say which name is nearest, and take
neither ``1e-3`` nor ``"2"`` for a number. It tells what a value must be all the same, and choices
are its own, so that the editor completes them and marks others as they are typed.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any, Final

import dagster as dg

from ml_pipeline.dagster.errors import unwrapped
from ml_pipeline.dagster.origins import origins_of
from ml_pipeline.dagster.private import anything_called
from ml_pipeline.dagster.run_config import REFUSED, refuse_without_effect
from ml_pipeline.launch.names import names_of
from ml_pipeline.launch.standing import DIFFERS, defaults, with_standing
from ml_pipeline.params.kind import Kind
from ml_pipeline.params.layout import Section
from ml_pipeline.params.model import ParamModel, ParamSet
from ml_pipeline.params.parameter import Parameter
from ml_pipeline.runs.stages import Pipeline
from ml_pipeline.settings import settings

_MOST_KNOWN: Final = 16


def params_resource(pipeline: Pipeline) -> dg.ResourceDefinition:
    """Return the resource whose config is the parameters and whose value is a `ParamSet`.

    Args:
        pipeline: the stages.
    """
    model = pipeline.params
    schema = config_schema([model])
    known: dict[str, ParamSet] = {}

    def read(config: Mapping[str, Any]) -> ParamSet:
        """Validate config once: Dagster asks three times while it plans a run, and then for it."""
        written = repr(config)
        if written not in known:
            if len(known) >= _MOST_KNOWN:
                known.clear()
            known[written] = model.validate(with_standing(model, config))
        return known[written]

    @dg.resource(config_schema=schema, description="The parameters of the run.")
    @unwrapped()
    def carry(context: dg.InitResourceContext) -> ParamSet:
        refuse_without_effect(context, pipeline)
        params = read(context.resource_config)
        origins = origins_of(context, model, names_of(pipeline).params)
        return params if origins is None else replace(params, origins=origins)

    return checked(carry, schema, lambda config: pipeline.refuse_unready(read(config)))


def config_schema(models: Sequence[ParamModel], several: bool = False) -> Any:
    """Return the config type of the groups of some models, with defaults and descriptions.

    Args:
        models: the models, that of the pipeline first.
        several: whether a parameter may have more than one value.
    """
    stands = defaults(models[0])
    return _open(
        {
            group: dg.Field(_fields(section, several, stands), description=section.cls.__doc__)
            for model in models
            for group, section in model.sections.items()
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
        with unwrapped(REFUSED):
            validate(config)
        return config

    return check


def _open(fields: Mapping[str, dg.Field]) -> Any:
    """Return a config type that names fields and lets any other pass, for us to refuse."""
    return dg.Permissive(dict(fields))  # type: ignore[no-untyped-call]


def _fields(section: Section, several: bool, stands: Mapping[str, Any]) -> Any:
    fields = {}
    for name, one in section.members.items():
        if isinstance(one, Section):
            described = one.info.description if one.info else None
            fields[name] = dg.Field(_fields(one, several, stands), description=described)
        elif one.is_offered:
            fields[name] = _field(one, several, stands.get(one.dotted, one.default_shown))
    return _open(fields)


def _field(parameter: Parameter, several: bool, default: Any) -> dg.Field:
    description = f"{parameter.must_be}. {parameter.description}"
    accepted = _accepted(parameter, several)
    if default is ...:
        return dg.Field(accepted, is_required=True, description=description)
    if default is DIFFERS:
        stands = f"{description}. Left out, it is what stands in the run's environment"
        return dg.Field(accepted, is_required=False, description=stands)
    shown = "none" if default is None else default
    return dg.Field(accepted, default_value=shown, description=description)


def _accepted(parameter: Parameter, several: bool) -> Any:
    if parameter.is_environment:
        names = settings().environments.configured
        return dg.Enum(parameter.type, [dg.EnumValue(name) for name in names])
    choices = parameter.choices
    is_choice_of_texts = all(isinstance(choice, str) for choice in choices) and (
        parameter.kind == Kind(choices=choices)
    )
    if is_choice_of_texts and not several:
        return dg.Enum(parameter.type, [dg.EnumValue(choice) for choice in choices])
    return anything_called(f"{parameter.type}, or several" if several else parameter.type)
