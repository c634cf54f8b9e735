"""Pipelines that tell what their arguments got of the partition, one for each way of asking."""

from datetime import date, datetime
from typing import Any, Final

import dagster as dg
from pydantic import Field

from ml_pipeline import Objective, ParamGroup, ParamModel, Pipeline, Result

OBJECTIVE: Final = Objective(metric="loss", direction="minimize")


class Fit(ParamGroup):
    """How to fit."""

    rate: float = Field(default=1.0, ge=0, description="of learning")


BY_DAY = Pipeline("by_day", ParamModel(fit=Fit))
BY_START = Pipeline("by_start", ParamModel(fit=Fit))
BY_KEY = Pipeline("by_key", ParamModel(fit=Fit))
BY_REGION = Pipeline("by_region", ParamModel(fit=Fit))
AT_ONCE = Pipeline("at_once", ParamModel(fit=Fit))


def _of_day(as_of: date, fit: Fit) -> list[str]:
    return [as_of.isoformat(), type(as_of).__name__]


def _of_start(as_of: datetime, fit: Fit) -> list[str]:
    return [as_of.isoformat(), type(as_of).__name__]


def _of_key(as_of: str, fit: Fit) -> list[str]:
    return [as_of, type(as_of).__name__]


def _of_region(as_of: date, region: str, day: datetime, fit: Fit) -> list[str]:
    return [as_of.isoformat(), region, day.isoformat()]


def _of_nothing(fit: Fit) -> list[str]:
    return ["all"]


def score(seen: list[Any], fit: Fit) -> Result:
    """Nearer to two is better, and worse the later in the alphabet."""
    loss = abs(fit.rate - 2) + len(str(seen[0])) / 100
    return Result({"seen": seen}, {"loss": loss})


for _pipeline, _function in {
    BY_DAY: _of_day,
    BY_START: _of_start,
    BY_KEY: _of_key,
    BY_REGION: _of_region,
    AT_ONCE: _of_nothing,
}.items():
    _function.__name__ = "seen"
    _pipeline.asset(_function)
    _pipeline.asset(objective=OBJECTIVE)(score)

OSLO = "Europe/Oslo"
REGIONS = dg.StaticPartitionsDefinition(["oslo", "bergen", "tromso"])
DAYS = dg.DailyPartitionsDefinition("2026-01-01", end_date="2026-02-01")
