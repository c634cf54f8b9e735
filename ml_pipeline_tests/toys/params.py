"""Parameter groups with a field of every kind, and what their model says to bad values."""

import datetime
import enum
from collections.abc import Mapping
from typing import Any, Literal, Self

import pydantic
import pytest
from pydantic import Field

from ml_pipeline.errors import ParamsError
from ml_pipeline.params.group import ParamGroup
from ml_pipeline.params.marks import NOT_IDENTITY, PATH_LABEL
from ml_pipeline.params.model import ParamModel

FOOTER = (
    "\nNothing was launched. `ml-pipeline params` lists every parameter with its type and bounds."
)


class Color(enum.Enum):
    RED = "red"
    BLUE = "blue"


class Data(ParamGroup):
    dataset: Literal["orders", "customers"] = Field(default="orders", json_schema_extra=PATH_LABEL)
    source: str = Field(default="sample", min_length=1, max_length=12)
    first_day: datetime.date = datetime.date(1997, 1, 1)


class Features(ParamGroup):
    follows = ("data",)

    lookback_days: int = Field(default=28, ge=7, le=365)
    horizon_days: int | None = Field(default=None, ge=1)

    def resolved(self, others: Mapping[str, ParamGroup]) -> Self:
        if self.horizon_days is not None:
            return self
        natural = {"orders": 1, "customers": 30}
        return self.model_copy(update={"horizon_days": natural[others["data"].dataset]})


class Training(ParamGroup):
    learning_rate: float = Field(default=0.1, gt=0, le=1)
    max_depth: int = Field(default=3, ge=1, le=32)
    regularization: float = Field(default=1.0, ge=0, lt=10)
    shuffle: bool = False
    color: Color = Color.RED
    weights: list[float] = Field(default=[1.0])
    limits: dict[str, int] = Field(default={})
    note: str | None = None
    model_version: str = Field(default="v1", pattern=r"^[a-z0-9.]+$", json_schema_extra=PATH_LABEL)
    workers: int = Field(default=1, ge=1, json_schema_extra=NOT_IDENTITY)

    @pydantic.field_validator("note")
    @classmethod
    def _note_is_short(cls, note: str | None) -> str | None:
        if note is not None and len(note) > 5:
            raise ValueError("must be short")
        return note


SCOPE = ("data", "features", "training")


def refusal(model: ParamModel, values: dict[str, Any]) -> str:
    with pytest.raises(ParamsError) as caught:
        model.parse(values)
    message = str(caught.value)
    assert message.endswith(FOOTER)
    return message.removesuffix(FOOTER)
