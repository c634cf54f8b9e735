"""The new model, a pipeline from the start, which reads what the team has."""

from datetime import date

import polars as pl
from pydantic import Field
from sklearn.linear_model import Ridge

import ml_pipeline as mp
from transit.existing import rush


class FitParams(mp.ParamGroup):
    """How to fit."""

    alpha: float = Field(default=1.0, ge=0, description="L2 penalty")


PIPELINE = mp.Pipeline("crowding", mp.ParamModel(fit=FitParams), prefixed=True)


@PIPELINE.asset(ins={"rush": rush})
def crowd_model(as_of: date, rush: pl.DataFrame, fit: FitParams) -> Ridge:
    """How full each ferry is."""
    return Ridge(alpha=fit.alpha).fit(rush[["ferry"]].to_numpy(), rush["passengers"].to_numpy())


@PIPELINE.asset(ins={"rush": rush}, objective=mp.Objective(metric="r2", direction="maximize"))
def crowd_score(crowd_model: Ridge, rush: pl.DataFrame) -> mp.Result:
    """How well the model knows that."""
    r2 = float(crowd_model.score(rush[["ferry"]].to_numpy(), rush["passengers"].to_numpy()))
    return mp.Result({"r2": r2}, metrics={"r2": r2})
