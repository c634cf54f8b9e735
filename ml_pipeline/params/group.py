"""The base of every parameter group, and the options that every run has."""

from collections.abc import Mapping
from functools import cache
from types import new_class
from typing import Any, ClassVar, Final, Self, TypeAlias

import dagster as dg
import pydantic
from pydantic_core import PydanticCustomError

from ml_pipeline.params.kind import Kind, NoKind, kind_of
from ml_pipeline.params.parameter import ENVIRONMENT, NOT_IDENTITY
from ml_pipeline.params.reading import Unreadable, read
from ml_pipeline.settings import settings
from ml_pipeline.text import quoted

OPTIONS: Final = "run"
"""Name of the group that every model has beside its own: `RunOptions`."""


Config: TypeAlias = dg.Config
"""What can be a group: `ParamGroup` and, as they are, the config classes of ops and assets."""


class ParamGroup(dg.Config):
    """Base of a group of parameters, usually one for each stage.

    Values are immutable, unknown names are refused, and NaN and infinity are not numbers here.
    No text carries credentials: parameters are recorded.

    Attributes:
        follows: names of the groups whose values `resolved` looks at.
    """

    model_config = pydantic.ConfigDict(
        frozen=True, extra="forbid", allow_inf_nan=False, hide_input_in_errors=True
    )

    follows: ClassVar[tuple[str, ...]] = ()

    @pydantic.field_validator("*", mode="before")
    @classmethod
    def _read(cls, value: Any, info: pydantic.ValidationInfo) -> Any:
        kind = _kind(cls, str(info.field_name))
        try:
            return value if kind is None else read(kind, value)
        except Unreadable as error:
            message = "{found}{at} is not what the field takes"
            at = f" at {error.place}" if error.place else ""
            details = {"found": quoted(error.found), "at": at}
            raise PydanticCustomError("unreadable", message, details) from None

    def resolved(self, others: Mapping[str, "ParamGroup"]) -> Self:
        """Return this group with every default filled in that depends on other groups.

        Override it together with `follows`; identity is taken from the result, so a value that was
        filled in and the same value typed by hand are one run.

        Args:
            others: the groups named in `follows`, already resolved.

        Raises:
            ValueError: if the values do not go together; the message says what must hold.
        """
        return self


@cache
def as_group(cls: type[Config]) -> type[ParamGroup]:
    """Return a class as a group: itself, or a subclass by which its values are read as a group's.

    Args:
        cls: a group, or any other config class, which is left as it is.
    """
    if issubclass(cls, ParamGroup):
        return cls
    # The base that comes last has the last word on what is frozen and forbidden.
    named = {"__module__": cls.__module__, "__qualname__": cls.__qualname__, "__doc__": cls.__doc__}
    made: type[ParamGroup] = new_class(
        cls.__name__, (cls, ParamGroup), exec_body=lambda body: body.update(named)
    )
    return made


@cache
def _kind(group: type[ParamGroup], name: str) -> Kind | None:
    """Return the kind of a field; what has none is for a model to refuse."""
    try:
        return kind_of(group.model_fields[name].annotation)
    except NoKind:
        return None


class RunOptions(ParamGroup):
    """How a run goes about its work; never part of any identity."""

    environment: str | None = pydantic.Field(
        default=None,
        description="where the run reads and writes, and whose standing parameters it has",
        json_schema_extra=ENVIRONMENT,
    )
    force: bool = pydantic.Field(
        default=False,
        description="compute even what is published, and compare the bytes",
        json_schema_extra=NOT_IDENTITY,
    )
    max_age_days: float | None = pydantic.Field(
        default=None,
        ge=0,
        le=36_500,
        description="do not reuse what was computed, or last confirmed, longer ago",
        json_schema_extra=NOT_IDENTITY,
    )

    @pydantic.field_validator("environment")
    @classmethod
    def _environment_is_configured(cls, name: str | None) -> str | None:
        if (problem := settings().environments.unknown(name)) is not None:
            raise ValueError(problem)
        return name

    def resolved(self, others: Mapping[str, ParamGroup]) -> Self:
        """Fill in this deployment's own environment, so that whoever reads a set knows it."""
        own = settings().environments.default
        return (
            self
            if self.environment or own is None
            else self.model_copy(update={"environment": own})
        )
