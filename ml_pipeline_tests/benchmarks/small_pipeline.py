"""A pipeline that computes next to nothing, so that a sweep's own work is what takes time."""

from datetime import date

from pydantic import Field

from ml_pipeline.params import ParamGroup, ParamModel
from ml_pipeline.record import Objective
from ml_pipeline.stages import Pipeline, Result


class Data(ParamGroup):
    """Which numbers."""

    rows: int = Field(default=100, description="how many")


class Fit(ParamGroup):
    """How to fit."""

    step: int = Field(default=1, description="size of a step")


PIPELINE = Pipeline("small", ParamModel(data=Data, fit=Fit))


@PIPELINE.asset
def numbers(as_of: date, data: Data) -> list[int]:
    return list(range(data.rows))


@PIPELINE.asset
def fitted(numbers: list[int], fit: Fit) -> dict[str, int]:
    return {"sum": sum(numbers[:: fit.step])}


@PIPELINE.asset(objective=Objective(metric="loss", direction="minimize"))
def score(fitted: dict[str, int]) -> Result:
    return Result(fitted, metrics={"loss": float(fitted["sum"])})
