"""The parameters of the reference pipeline: the first place to edit.

One group per stage. Type, bounds, choices, default and description of a parameter live in its
`Field` and nowhere else; the launchpad, `ml-pipeline params`, every error message and this
module's readers all see the same ones.
"""

from collections.abc import Mapping
from typing import Final, Literal

from pydantic import Field, field_validator

from ml_pipeline import PATH_LABEL, ParamGroup, PipelineError, Thresholds, filled_in
from ml_pipeline.pipeline.locations import normalized

NATURAL_HORIZON: Final[Mapping[str, int]] = {"orders": 1, "customers": 30}


class DataParams(ParamGroup):
    """Which data the run learns from."""

    dataset: Literal["orders", "customers"] = Field(
        default="orders",
        description="orders: forecast daily revenue. customers: predict who buys again; no guests.",
        json_schema_extra=PATH_LABEL,
    )
    source: str = Field(
        default="sample",
        min_length=1,
        max_length=1024,
        description=(
            "where orders come from: sample, a name from the settings, or a Parquet or CSV file,"
            " folder or URI with customer_id (empty for guests), ordered_at, amount"
        ),
    )
    history_days: int = Field(
        default=730,
        ge=28,
        le=36525,
        description="days of orders, up to and including as_of, that the run may use",
    )

    @field_validator("source")
    @classmethod
    def _source_is_written_one_way(cls, source: str) -> str:
        return normalized(source)


class FeatureParams(ParamGroup):
    """What the model sees, and how far ahead it looks."""

    follows = ("data",)

    lookback_days: int = Field(
        default=28,
        ge=7,
        le=365,
        description="days of recent behaviour summarised in each row of features",
    )
    horizon_days: int | None = Field(
        default=None,
        ge=1,
        le=365,
        description="days ahead that the target covers; 1 for orders and 30 for customers if unset",
        json_schema_extra=filled_in("data.dataset", NATURAL_HORIZON),
    )

    @property
    def horizon(self) -> int:
        """Days ahead that the target covers, resolved."""
        if self.horizon_days is None:
            raise PipelineError("horizon_days is open: take the group from a ParamSet.")
        return self.horizon_days


class TrainingParams(ParamGroup):
    """How the model is fitted, and what part of the past is held out to judge it."""

    follows = ("features",)
    rules = ("holdout_days >= features.horizon_days",)

    estimator: Literal["gradient_boosting", "linear"] = Field(
        default="gradient_boosting", description="family of the model"
    )
    learning_rate: float = Field(
        default=0.1, gt=0, le=1, description="shrinkage per boosting step; unused by linear"
    )
    max_depth: int = Field(
        default=3, ge=1, le=32, description="depth of each boosted tree; unused by linear"
    )
    max_iter: int = Field(
        default=100, ge=1, le=5000, description="boosting steps, or solver iterations of linear"
    )
    regularization: float = Field(
        default=1.0, ge=0, le=1e6, description="L2 penalty of the leaves or the coefficients"
    )
    holdout_days: int = Field(
        default=56,
        ge=7,
        le=3650,
        description="most recent days kept from training and used for evaluation",
    )
    seed: int = Field(default=0, ge=0, le=2**32 - 1, description="seed of every random choice")
    model_version: str = Field(
        default="v1",
        min_length=1,
        max_length=64,
        pattern=r"^[A-Za-z0-9][A-Za-z0-9._+-]*$",
        description="your label for this line of models: letters, digits and . _ + -",
        json_schema_extra=PATH_LABEL,
    )


class RealisedParams(ParamGroup):
    """Which earlier predictions are set beside what came true."""

    realised_days: int = Field(
        default=60,
        ge=1,
        le=100,
        description="latest days with predictions that are looked at; a day counts once all that it"
        " foretold is over",
    )


class RealisedLimits(Thresholds):
    """How much worse than promised a run may be."""

    worse_percent: float = Field(
        default=25.0,
        ge=0,
        le=1000,
        description="how much worse than the metric that a run was promoted with, in percent of it",
    )
    fewest_days: int = Field(
        default=7, ge=1, le=100, description="days that must be over before a run is judged"
    )


class CheckParams(Thresholds):
    """What checks let pass; never part of a run's identity."""

    days_behind: int = Field(
        default=3, ge=0, le=366, description="days that may have passed since the newest order"
    )
    volume_weeks: int = Field(
        default=4, ge=2, le=52, description="weeks before whose same weekday a day is compared with"
    )
    volume_factor: float = Field(
        default=2.5, ge=1, le=100, description="times as many or as few orders as usual, unremarked"
    )
    volume_deviations: float = Field(
        default=4, ge=0, le=100, description="times the usual deviation from usual, unremarked"
    )
    repeated_share: float = Field(
        default=0.02, ge=0, le=1, description="share of orders that may repeat another, unremarked"
    )
    repeated_share_blocking: float = Field(
        default=0.4, ge=0, le=1, description="share of orders that may repeat another at all"
    )
    negative_share: float = Field(
        default=0.05, ge=0, le=1, description="share of orders whose amount may be negative"
    )
    days_made_again: int = Field(
        default=1, ge=0, le=50, description="days whose features are made again to find leaks"
    )
    drift: float = Field(
        default=1.25, ge=0, le=100, description="population stability index of scores, unremarked"
    )
    naive_dates: int = Field(
        default=7, ge=1, le=100, description="dates over which models are compared with the naive"
    )
    better_than_naive_by: float = Field(
        default=0.0, ge=-1, le=1, description="by how much models must be better, in the metric"
    )
