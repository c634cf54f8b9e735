"""A pipeline that computes next to nothing, so that a sweep's own work is what takes time."""

from datetime import date

from pydantic import Field

from ml_pipeline.params.group import ParamGroup
from ml_pipeline.params.model import ParamModel
from ml_pipeline.runs.stage import Result
from ml_pipeline.runs.stages import Pipeline
from ml_pipeline.store.record import Objective


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
