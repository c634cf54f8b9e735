"""Resources on their way to another process: what they are made of, not what they hold open."""

import pickle
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

import dagster as dg

from ml_pipeline.errors import PipelineError


@dataclass(frozen=True)
class Recipe:
    """How a configurable resource is made again.

    Attributes:
        kind: its class.
        fields: the values that it was made with; resources among them are recipes, too.
    """

    kind: type[dg.ConfigurableResource[Any]] | type[dg.ConfigurableIOManager]
    fields: Mapping[str, Any]

    def made(self) -> dg.ConfigurableResource[Any] | dg.ConfigurableIOManager:
        """Return a resource of the same class and values that has not begun yet."""
        return self.kind(
            **{
                name: value.made() if isinstance(value, Recipe) else value
                for name, value in self.fields.items()
            }
        )


def begun(
    key: str, resource: Any, until: ExitStack, instance: dg.DagsterInstance | None = None
) -> Any:
    """Return what a resource provides where there is no step.

    Args:
        key: its key.
        resource: its definition.
        until: closes it.
        instance: the instance that it is told of.

    Raises:
        Exception: what the resource has raised.
    """
    try:
        made = until.enter_context(dg.build_resources({key: resource}, instance=instance))
    except dg.DagsterUserCodeExecutionError as error:
        # Dagster's own says that something happened, and not what.
        raise error.user_exception from error
    return getattr(made, key)


def packed_resource(value: object) -> object:
    """Return what stands for a resource in a message to another process.

    A configurable resource is made again there: connections cannot be shared. Anything else is sent
    as it is.

    Raises:
        PipelineError: if it cannot be sent, ready to follow its name.
    """
    packed = _recipe(value)
    try:
        pickle.dumps(packed)
    except (pickle.PicklingError, TypeError, AttributeError) as error:
        raise PipelineError(
            f"is a {type(value).__name__} that cannot be pickled ({error})"
        ) from error
    return packed


def _recipe(value: object) -> object:
    if not isinstance(value, dg.ConfigurableResource | dg.ConfigurableIOManager):
        return value
    fields = type(value).model_fields
    return Recipe(
        type(value),
        {field.alias or name: _recipe(getattr(value, name)) for name, field in fields.items()},
    )
