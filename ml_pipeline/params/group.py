"""The base of every parameter group, and the options that every run has."""

import contextlib
from collections.abc import Mapping
from functools import cache
from types import MappingProxyType, new_class
from typing import Any, ClassVar, Final, Self, TypeAlias

import dagster as dg
import pydantic
from pydantic_core import PydanticCustomError

from ml_pipeline.addresses import refusal_in
from ml_pipeline.params.annotations import kind_of
from ml_pipeline.params.kind import Kind, NoKind, aliases_of
from ml_pipeline.params.marks import ENVIRONMENT, NOT_IDENTITY
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
        follows: names of the groups whose values are looked at by `filled_in`, `rules` and
            `resolved`.
        rules: comparisons of two parameters that must hold where both have values, such as
            ``holdout_days < data.history_days``.
        formerly: the name that the group had when runs already existed, or all of them, the
            first first. Ids and paths keep the first one.
        retired: fields that the group had when runs already existed, with the value that every run
            has for each from now on: ids stay what they are with that value.
    """

    model_config = pydantic.ConfigDict(
        frozen=True, extra="forbid", allow_inf_nan=False, hide_input_in_errors=True
    )

    follows: ClassVar[tuple[str, ...]] = ()
    rules: ClassVar[tuple[str, ...]] = ()
    formerly: ClassVar[str | tuple[str, ...]] = ()
    retired: ClassVar[Mapping[str, Any]] = MappingProxyType({})

    # Of all fields together: pydantic has no such validator of the field that tells variants apart.
    @pydantic.model_validator(mode="before")
    @classmethod
    def _read(cls, values: Any) -> Any:
        if not isinstance(values, Mapping):
            return values
        return {called: _read_field(cls, called, raw) for called, raw in values.items()}

    def resolved(self, others: Mapping[str, "ParamGroup"]) -> Self:
        """Return this group with every default filled in that depends on other groups.

        What `filled_in` and `rules` can say is better said there: a form knows it, too. For all
        else, override this together with `follows`; identity is taken from the result, so a value
        that was filled in and the same value typed by hand are one run.

        Args:
            others: the groups named in `follows`, already resolved.

        Raises:
            ValueError: if the values do not go together; the message says what must hold.
        """
        return self


class Thresholds(ParamGroup):
    """Base of a group that checks read: never part of any identity.

    Every door takes its values, as it takes those of other groups. Stages cannot ask for it, so no
    result depends on it, and a judgement may be asked for anew with others at any time.
    """


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


def _read_field(group: type[ParamGroup], called: str, raw: Any) -> Any:
    kind = _kinds(group).get(called)
    if (problem := refusal_in(raw)) is not None:
        raise PydanticCustomError(
            "credentials", "{called} {problem}", {"called": called, "problem": problem}
        )
    try:
        # What has fields of its own reads them itself.
        return raw if kind is None or kind.holds_shapes else read(kind, raw)
    except Unreadable as error:
        message = "{called}: {found}{at} is not what the field takes"
        at = f" at {error.place}" if error.place else ""
        details = {"called": called, "found": quoted(error.found), "at": at}
        raise PydanticCustomError("unreadable", message, details) from None


@cache
def _kinds(group: type[ParamGroup]) -> Mapping[str, Kind]:
    """Return the kinds of fields by all their names; what has none is for a model to refuse."""
    found = {}
    for name, info in group.model_fields.items():
        with contextlib.suppress(NoKind):
            kind = kind_of(info.annotation)
            found.update(dict.fromkeys((name, *aliases_of(info)), kind))
    return found


def instance(cls: type[pydantic.BaseModel], arguments: Mapping[str, Any]) -> Any:
    """Make an instance of a class of values that were read.

    Raises:
        pydantic.ValidationError: if the class refuses them.
    """
    own: Any = cls.__init__
    if own is not dg.Config.__init__:
        return cls(**arguments)
    # Dagster's own constructor takes variants in a form of its own, and other names of choices.
    made = cls.__new__(cls)
    pydantic.BaseModel.__init__(made, **arguments)
    return made


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
