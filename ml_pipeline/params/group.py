"""The base of every parameter group, and the options that every run has."""

from collections.abc import Mapping
from typing import Any, ClassVar, Final, Self

import dagster as dg
import pydantic
from pydantic_core import PydanticCustomError

from ml_pipeline.addresses import refusal, texts_in
from ml_pipeline.params.parameter import NOT_IDENTITY

OPTIONS: Final = "run"
"""Name of the group that every model has beside its own: `RunOptions`."""


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
    def _neither_truth_for_number_nor_broken_text(
        cls, value: Any, info: pydantic.ValidationInfo
    ) -> Any:
        members = value if isinstance(value, list | tuple) else [value]
        takes_bool = "bool" in str(cls.model_fields[str(info.field_name)].annotation)
        if not takes_bool and any(isinstance(member, bool) for member in members):
            raise PydanticCustomError("truth_value", "a truth value is not a number or text")
        if any(isinstance(member, str) and not _is_unicode(member) for member in members):
            raise PydanticCustomError("surrogate", "a lone surrogate is not text")
        return value

    @pydantic.field_validator("*", mode="before")
    @classmethod
    def _no_credentials(cls, value: Any) -> Any:
        for text in texts_in(value):
            if (problem := refusal(text)) is not None:
                raise ValueError(problem)
        return value

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


class RunOptions(ParamGroup):
    """How a run goes about its work; never part of any identity."""

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


def _is_unicode(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
