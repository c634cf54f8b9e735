"""What is computed for one day, step by step; signatures say what depends on what."""

from datetime import date, timedelta
from typing import TYPE_CHECKING

import ml_pipeline as mp
import polars as pl

from new_pipeline.config import DataParams, TrainingParams
from new_pipeline.source import examples_between

if TYPE_CHECKING:
    # Where it is used it is imported: loading the definitions takes less than half as long.
    from sklearn.linear_model import Ridge

PIPELINE = mp.Pipeline("new_pipeline", mp.ParamModel(data=DataParams, training=TrainingParams))


@PIPELINE.asset(kinds=["polars", "parquet"])
def examples(as_of: date, data: DataParams) -> pl.DataFrame:
    """Examples of the last `history_days`, one row each."""
    return examples_between(as_of - timedelta(days=data.history_days - 1), as_of)


@PIPELINE.asset(
    kinds=["scikitlearn"],
    card=mp.Card(
        intended_use="Prices of houses of a known size, in a first estimate.",
        limits="It knows the size alone, and sizes such as it has seen.",
    ),
)
def model(as_of: date, examples: pl.DataFrame, training: TrainingParams) -> "Ridge":
    """The fitted model, which has seen nothing of the held-out days."""
    from sklearn.linear_model import Ridge

    seen = examples.filter(pl.col("day") <= _last_seen(as_of, training))
    return Ridge(alpha=training.alpha).fit(seen.select("size").to_numpy(), seen["price"].to_numpy())


@PIPELINE.asset(objective=mp.Objective(metric="r2", direction="maximize"), kinds=["json"])
def evaluation(
    as_of: date, model: "Ridge", examples: pl.DataFrame, training: TrainingParams
) -> mp.Result:
    """How good the model is on the held-out days."""
    held_out = examples.filter(pl.col("day") > _last_seen(as_of, training))
    r2 = float(model.score(held_out.select("size").to_numpy(), held_out["price"].to_numpy()))
    return mp.Result({"r2": r2, "rows": held_out.height}, metrics={"r2": r2})


def _last_seen(as_of: date, training: TrainingParams) -> date:
    return as_of - timedelta(days=training.holdout_days)
