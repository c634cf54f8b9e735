"""What arguments of a stage may ask Dagster for: resources, the context, assets that are no stages.

They are told by their annotations, as Dagster tells them, but for assets, which are named by the
option ``ins``: an argument that names nothing known is most likely misspelt.
"""

import inspect
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, TypeAlias, get_origin

import dagster as dg

from ml_pipeline.dagster import private
from ml_pipeline.errors import PipelineError
from ml_pipeline.runs.stage import Stage
from ml_pipeline.runs.stages import Pipeline

_CONTEXT: Final = "context"

WORDS: Final = (
    " What Dagster provides is annotated with the class of a resource, dg.ResourceParam[...] or"
    " dg.AssetExecutionContext, imported where the module runs and not for type checkers alone; an"
    " asset that is no stage is named by the option ins."
)


@dataclass(frozen=True)
class Resource:
    """A resource of the code location.

    Attributes:
        key: its name there, which is the argument's.
    """

    key: str

    def __str__(self) -> str:
        """Say what it is."""
        return f"resource '{self.key}'"


@dataclass(frozen=True)
class Context:
    """The context of the asset at one partition."""

    def __str__(self) -> str:
        """Say what it is."""
        return "the context"


@dataclass(frozen=True)
class OtherValue:
    """The value of an asset that is no stage.

    Attributes:
        key: its key in Dagster.
        python_type: what it should be loaded as; None where that is not told.
    """

    key: dg.AssetKey
    python_type: type | None

    def __str__(self) -> str:
        """Say what it is."""
        return f"asset '{self.key.to_user_string()}'"


Asked: TypeAlias = Resource | Context | OtherValue


def asked_by(argument: str, annotation: Any, ins: Mapping[str, dg.AssetKey]) -> Asked | None:
    """Return what an argument asks Dagster for, or None if nothing.

    Args:
        argument: its name.
        annotation: its annotation, evaluated.
        ins: assets that are no stages, by argument.

    Raises:
        PipelineError: if it asks for a context that no asset has.
    """
    if argument in ins:
        return OtherValue(ins[argument], annotation if _is_class(annotation) else None)
    if annotation is dg.AssetExecutionContext:
        return Context()
    if argument == _CONTEXT and annotation is inspect.Parameter.empty:
        return Context()
    if _is_class(annotation) and issubclass(annotation, dg.OpExecutionContext):
        raise PipelineError(
            f"The argument '{argument}' must be annotated with dg.AssetExecutionContext to get the"
            f" context, but is with {annotation.__name__}, which is that of an op."
        )
    return resource_asked_by(argument, annotation)


def resource_asked_by(argument: str, annotation: Any) -> Resource | None:
    """Return the resource that an argument asks for, or None if it asks for none."""
    return Resource(argument) if private.is_resource(annotation) else None


def resources_of(stage: Stage) -> frozenset[str]:
    """Return the keys of the resources that a stage asks for, by itself or by its ``reads``."""
    asked = [*stage.signature.provided.values(), *stage.asked_by_reads.values()]
    return frozenset(one.key for one in asked if isinstance(one, Resource))


def resources_to_decide(pipeline: Pipeline) -> frozenset[str]:
    """Return the keys of the resources without which nobody knows what stages would read."""
    asked = [one for stage in pipeline.stages.values() for one in stage.asked_by_reads.values()]
    return frozenset(one.key for one in asked if isinstance(one, Resource))


def _is_class(annotation: Any) -> bool:
    # A parametrized class such as list[int] says that it is a class, and is none.
    return isinstance(annotation, type) and get_origin(annotation) is None
