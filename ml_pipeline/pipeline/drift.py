"""Whether a model says of the newest examples about what it said of those that it has learned."""

from datetime import date
from typing import TYPE_CHECKING, Any, Final, Literal

from ml_pipeline.pipeline.examples import split
from ml_pipeline.pipeline.judgement import Judgement
from ml_pipeline.pipeline.training import predict

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt
    import polars as pl

_BINS: Final = 5
_HALF: Final = 0.5


def stable_scores(
    model: Any,
    features: "pl.DataFrame",
    *,
    dataset: Literal["orders", "customers"],
    as_of: date,
    horizon_days: int,
    holdout_days: int,
    most: float,
) -> Judgement:
    """Tell whether the scores of examples since training are distributed as those of training.

    Scores are probabilities for customers, and for orders revenue relative to its recent level:
    levels may change as they like.

    Args:
        model: what `fit` made of the features.
        features: what `build_features` made.
        dataset: ``orders`` or ``customers``.
        as_of: the last known day.
        horizon_days: days after its own that the target of an example covers.
        holdout_days: most recent days, which were kept from training.
        most: population stability index that is no drift.
    """
    parts = split(features, as_of=as_of, horizon_days=horizon_days, holdout_days=holdout_days)
    learned = parts.training
    newest = features.filter(features["day"] > learned["day"].max())
    if learned.is_empty() or newest.is_empty():
        return Judgement(True, "there is nothing to compare", {})
    before, now = (_scores(model, table, dataset) for table in (learned, newest))
    index, shares = stability_index(before, now)
    return Judgement(
        index <= most,
        f"the population stability index of the scores since training must be at most {most:g}, and"
        f" is {index:.2f}"
        + ("" if index <= most else ": look at the newest features, or train on newer examples"),
        {"stability_index": index, "examples": newest.height, "shares": shares},
    )


def stability_index(
    before: "npt.NDArray[np.float64]", now: "npt.NDArray[np.float64]"
) -> tuple[float, list[dict[str, Any]]]:
    """Return the population stability index of two samples, and their shares by bin.

    Bins are fifths of the first sample. What chance alone makes of samples of these sizes is taken
    off, so that two samples of one distribution have about 0.

    Args:
        before: the first sample.
        now: the second.
    """
    import numpy as np

    edges = np.unique(np.quantile(before, np.linspace(0, 1, _BINS + 1)[1:-1]))
    bins = len(edges) + 1
    counts = [
        np.bincount(np.searchsorted(edges, sample, side="right"), minlength=bins) + _HALF
        for sample in (before, now)
    ]
    was, is_now = (count / count.sum() for count in counts)
    index = float(((is_now - was) * np.log(is_now / was)).sum())
    by_chance = (bins - 1) * (1 / len(before) + 1 / len(now))
    names = [f"below {edge:.4g}" for edge in edges] + ["above"]
    shares = [
        {"scores": name, "in training": float(one), "since": float(other)}
        for name, one, other in zip(names, was, is_now, strict=True)
    ]
    return max(0.0, index - by_chance), shares


def _scores(model: Any, features: "pl.DataFrame", dataset: str) -> "npt.NDArray[np.float64]":
    found = predict(model, features)
    if dataset == "customers":
        return found
    scale: npt.NDArray[np.float64] = features["scale"].to_numpy()
    return found / scale
