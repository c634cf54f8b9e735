"""The parameters."""

from pydantic import Field

import ml_pipeline as mp


class DataParams(mp.ParamGroup):
    """Which days the run learns from."""

    weeks: int = Field(default=104, ge=20, le=520, description="weeks up to the end of as_of's")
    holdout_weeks: int = Field(default=8, ge=1, le=10, description="last weeks, used to judge")


class TreeParams(mp.ParamGroup):
    """How trees are grown."""

    learning_rate: float = Field(default=0.05, gt=0, le=1, description="shrinkage per tree")
    leaves: int = Field(default=7, ge=2, le=256, description="leaves of each tree")
    rounds: int = Field(default=60, ge=1, le=5000, description="trees")
