"""The parameters, one group for each stage that has any: the first place to edit."""

import ml_pipeline as mp
from pydantic import Field


class DataParams(mp.ParamGroup):
    """Which examples the run learns from."""

    history_days: int = Field(
        default=28, ge=2, le=3650, description="days of examples, up to and including as_of"
    )


class TrainingParams(mp.ParamGroup):
    """How the model is fitted, and what is kept from it to judge it."""

    follows = ("data",)
    rules = ("holdout_days < data.history_days",)

    alpha: float = Field(default=1.0, ge=0, le=1e6, description="L2 penalty")
    holdout_days: int = Field(
        default=7, ge=1, le=365, description="last days, kept from the model and used to judge it"
    )
    model_version: str = Field(
        default="v1",
        pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$",
        description="your label for this line of models, part of their paths",
        json_schema_extra=mp.PATH_LABEL,
    )
