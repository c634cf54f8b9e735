"""What is computed for one week, which `as_of` is the first day of."""

import hashlib
from datetime import date, timedelta

import polars as pl
from sklearn.pipeline import Pipeline

import ml_pipeline as mp
from rain import model
from rain.config import DataParams, TreeParams
from rain.weather import Weather, weather

WEEK = timedelta(weeks=1)
PIPELINE = mp.Pipeline(
    "rain",
    mp.ParamModel(data=DataParams, trees=TreeParams),
    trusted=[model.Season],
)


def window(as_of: date, data: DataParams) -> tuple[date, date]:
    """Return the first and the last day that a run may know."""
    return as_of - (data.weeks - 1) * WEEK, as_of + WEEK - timedelta(days=1)


def held(as_of: date, data: DataParams) -> str:
    """Return a digest of the days that a run may know."""
    content = weather().days(*window(as_of, data)).write_csv()
    return hashlib.sha256(content.encode()).hexdigest()


@PIPELINE.asset(reads=held)
def days(as_of: date, data: DataParams, weather: Weather) -> pl.DataFrame:
    """Days, each with whether it rained on the next."""
    found = model.examples_of(weather.days(*window(as_of, data)))
    if found.height < data.holdout_weeks * 14:
        raise mp.NotEnoughDataError(
            f"{data.weeks} weeks must be known, but only {found.height} days are."
        )
    return found.with_columns(seen=pl.col("date") <= as_of - data.holdout_weeks * WEEK)


@PIPELINE.asset
def rain_model(days: pl.DataFrame, trees: TreeParams) -> Pipeline:
    """The season and trees, which have not seen the last weeks."""
    return model.fitted(
        days.filter("seen"),
        learning_rate=trees.learning_rate,
        num_leaves=trees.leaves,
        n_estimators=trees.rounds,
    )


@PIPELINE.asset(objective=mp.Objective(metric="auc", direction="maximize", baseline="naive_auc"))
def judgement(days: pl.DataFrame, rain_model: Pipeline) -> mp.Result:
    """How good the model is in the last weeks."""
    metrics = model.judged(rain_model, days.filter(~pl.col("seen")))
    return mp.Result(metrics, metrics=metrics)
