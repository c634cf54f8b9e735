"""The model: days as examples, the season as a transformer, and trees."""

from typing import Any

import numpy as np
import polars as pl
from lightgbm import LGBMClassifier
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.metrics import roc_auc_score
from sklearn.pipeline import Pipeline

FEATURES = ("day_of_year", "precipitation", "temp_max", "temp_min", "wind")


class Season(TransformerMixin, BaseEstimator):
    """Adds the time of the year as a point on a circle, and how warm it is for that time.

    The first column is the day of the year, the third how warm it gets.
    """

    def fit(self, examples: NDArray[np.float64], _targets: object = None) -> "Season":
        """Learn how warm it usually gets."""
        usual, *_ = np.linalg.lstsq(self._circle(examples), examples[:, 2], rcond=None)
        self.usual_ = usual
        self.n_features_in_ = examples.shape[1]
        return self

    def transform(self, examples: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the examples with four columns more."""
        circle = self._circle(examples)
        return np.column_stack([examples, circle, examples[:, 2] - circle @ self.usual_])

    def _circle(self, examples: NDArray[np.float64]) -> NDArray[np.float64]:
        angle = 2 * np.pi * examples[:, 0] / 365.25
        return np.column_stack([np.ones(len(angle)), np.sin(angle), np.cos(angle)])


def examples_of(days: pl.DataFrame) -> pl.DataFrame:
    """Return each day with whether it rained on the next, which the last one does not know."""
    rains = (pl.col("precipitation").shift(-1) > 0).cast(pl.Int64).alias("rains")
    day_of_year = pl.col("date").dt.ordinal_day().cast(pl.Float64).alias("day_of_year")
    return days.with_columns(day_of_year, rains).drop_nulls()


def fitted(seen: pl.DataFrame, **trees: Any) -> Pipeline:
    """Return the season and trees, fitted to examples."""
    classifier = LGBMClassifier(random_state=0, n_jobs=1, verbosity=-1, **trees)
    model = Pipeline([("season", Season()), ("trees", classifier)])
    return model.fit(matrix(seen), seen["rains"].to_numpy())


def judged(model: Pipeline, held_out: pl.DataFrame) -> dict[str, float]:
    """Return the area under the ROC curve, and that of saying tomorrow is as wet as today."""
    rains = held_out["rains"].to_numpy()
    probability = model.predict_proba(matrix(held_out))[:, 1]
    return {
        "auc": float(roc_auc_score(rains, probability)),
        "naive_auc": float(roc_auc_score(rains, held_out["precipitation"].to_numpy())),
    }


def matrix(examples: pl.DataFrame) -> NDArray[np.float64]:
    """Return what the model sees, a row for each example."""
    return examples.select(FEATURES).to_numpy()
