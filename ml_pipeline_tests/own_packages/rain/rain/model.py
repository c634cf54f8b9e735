"""The model: days as examples, the season as a transformer, and trees."""

from pathlib import Path
from typing import Any

import lightgbm as lgb
import numpy as np
import polars as pl
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.metrics import roc_auc_score

import ml_pipeline as mp

FEATURES = ("day_of_year", "precipitation", "temp_max", "temp_min", "wind")


class Season(TransformerMixin, BaseEstimator):
    """Adds the time of the year as a point on a circle, and how warm it is for that time.

    The first column is the day of the year, the third how warm it gets.
    """

    def fit(self, examples: NDArray[np.float64], _targets: object = None) -> "Season":
        """Learn how warm it usually gets."""
        usual, *_ = np.linalg.lstsq(self._circle(examples), examples[:, 2], rcond=None)
        self.usual_ = usual
        return self

    def transform(self, examples: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the examples with four columns more."""
        circle = self._circle(examples)
        return np.column_stack([examples, circle, examples[:, 2] - circle @ self.usual_])

    def _circle(self, examples: NDArray[np.float64]) -> NDArray[np.float64]:
        angle = 2 * np.pi * examples[:, 0] / 365.25
        return np.column_stack([np.ones(len(angle)), np.sin(angle), np.cos(angle)])


class TreesFormat(mp.Format):
    """LightGBM's own text, without the time that it took."""

    name = "lightgbm"
    filename = "trees.txt"
    types = ("lightgbm:Booster",)

    def write(self, value: lgb.Booster, path: Path) -> None:
        """Write trees."""
        path.write_text(value.model_to_string())

    def read(self, path: Path, lazy: bool) -> lgb.Booster:
        """Read trees."""
        return lgb.Booster(model_str=path.read_text())


def examples_of(days: pl.DataFrame) -> pl.DataFrame:
    """Return each day with whether it rained on the next, which the last one does not know."""
    rains = (pl.col("precipitation").shift(-1) > 0).alias("rains")
    day_of_year = pl.col("date").dt.ordinal_day().cast(pl.Float64).alias("day_of_year")
    return days.with_columns(day_of_year, rains).drop_nulls()


def grown(season: Season, seen: pl.DataFrame, params: dict[str, Any], rounds: int) -> lgb.Booster:
    """Return trees that were grown on examples."""
    data = lgb.Dataset(season.transform(matrix(seen)), seen["rains"].to_numpy().astype(float))
    fixed = {"objective": "binary", "verbosity": -1, "num_threads": 1, "deterministic": True}
    return lgb.train({**fixed, **params}, data, rounds)


def judged(season: Season, trees: lgb.Booster, held_out: pl.DataFrame) -> dict[str, float]:
    """Return the area under the ROC curve, and that of saying tomorrow is as wet as today."""
    rains = held_out["rains"].to_numpy()
    probability = trees.predict(season.transform(matrix(held_out)))
    return {
        "auc": float(roc_auc_score(rains, probability)),
        "naive_auc": float(roc_auc_score(rains, held_out["precipitation"].to_numpy())),
    }


def matrix(examples: pl.DataFrame) -> NDArray[np.float64]:
    """Return what the model sees, a row for each example."""
    return examples.select(FEATURES).to_numpy()
