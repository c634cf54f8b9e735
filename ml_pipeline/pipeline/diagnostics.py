"""What a model is like beyond its metrics, on the held-out days: for pictures.

Every trial of a sweep is looked at, so the work is bounded: one prediction of a few thousand rows.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from ml_pipeline.pipeline.training import predict

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt
    import polars as pl

    Numbers: TypeAlias = npt.NDArray[np.float64]

_PREDICTIONS: Final = 2_000
_FEWEST_ROWS: Final = 2
_POINTS: Final = 60
_SEED: Final = 0

Curve: TypeAlias = list[tuple[float, float]]


@dataclass(frozen=True)
class Importance:
    """How much worse a model is when one feature tells it nothing.

    Attributes:
        feature: name of the column.
        loss: by how much: in AUC, or in the mean absolute error over the mean of the targets.
    """

    feature: str
    loss: float


def importances(model: Any, heldout: "pl.DataFrame", dataset: str) -> list[Importance]:
    """Shuffle each feature among held-out examples and see how much worse the model gets.

    The same arguments give the same numbers. Of many examples, some at even distances are looked
    at: of customers as many that bought as others, which AUC does not depend on.

    Args:
        model: what `fit` returned.
        heldout: examples that it has not seen, with `target`.
        dataset: ``orders`` or ``customers``.

    Returns:
        One for each feature, the most important first; none where there is too little to tell.
    """
    import numpy as np
    import polars as pl

    columns = list(model.feature_names_in_)
    rows = min(heldout.height, _PREDICTIONS // (len(columns) + 1))
    if rows < _FEWEST_ROWS:
        return []
    chosen = _chosen(heldout, rows, dataset)
    rows = chosen.height
    order = np.random.default_rng(_SEED).permutation(rows).tolist()
    shuffled = chosen[order]
    variants = [chosen, *(chosen.with_columns(shuffled[column]) for column in columns)]
    predicted = predict(model, pl.concat(variants)).reshape(len(variants), rows)
    target = chosen["target"].to_numpy().astype(np.float64)
    losses = _auc_lost(predicted, target) if dataset == "customers" else _error(predicted, target)
    if losses is None:
        return []
    found = [
        Importance(column, loss)
        for column, loss in zip(columns, (losses[1:] - losses[0]).tolist(), strict=True)
    ]
    return sorted(found, key=lambda one: -one.loss)


def _chosen(heldout: "pl.DataFrame", rows: int, dataset: str) -> "pl.DataFrame":
    """Return so many examples at even distances."""
    import numpy as np
    import polars as pl

    parts, each = [heldout], rows
    if dataset == "customers":
        parts = [heldout.filter(pl.col("target") > 0), heldout.filter(pl.col("target") <= 0)]
        each = max(1, rows // 2)
    chosen: pl.DataFrame = pl.concat(
        part[np.linspace(0, part.height - 1, min(each, part.height)).astype(np.int64).tolist()]
        for part in parts
    )
    return chosen


def _error(predicted: "Numbers", target: "Numbers") -> "Numbers | None":
    import numpy as np

    level = float(np.abs(target).mean())
    errors: Numbers = np.abs(predicted - target).mean(axis=1)
    return errors / level if level else None


def _auc_lost(predicted: "Numbers", target: "Numbers") -> "Numbers | None":
    """Return 1 - AUC of each row, by ranks."""
    from scipy.stats import rankdata

    buys = target > 0
    count, others = int(buys.sum()), int((~buys).sum())
    if not count or not others:
        return None
    ranks: Numbers = rankdata(predicted, axis=1)
    above = ranks[:, buys].sum(axis=1) - count * (count + 1) / 2
    lost: Numbers = 1 - above / (count * others)
    return lost


def roc(bought: "npt.NDArray[Any]", score: "Numbers") -> Curve:
    """Return the share of buyers found against the share of others taken for buyers.

    Args:
        bought: whether each customer bought; some did and some did not.
        score: what they are ordered by, likeliest highest.

    Returns:
        Points from (0, 0) to (1, 1), few enough to draw.
    """
    import numpy as np

    order = np.argsort(-score)
    buys, scores = bought[order] > 0, score[order]
    # Customers with one score are found together.
    ends = np.append(np.flatnonzero(np.diff(scores)), len(scores) - 1)
    found, wrong = np.cumsum(buys)[ends], np.cumsum(~buys)[ends]
    if len(ends) > _POINTS:
        places = np.linspace(0, len(ends) - 1, _POINTS).astype(np.int64)
        found, wrong = found[places], wrong[places]
    shares: Sequence[tuple[float, float]] = list(
        zip((wrong / wrong[-1]).tolist(), (found / found[-1]).tolist(), strict=True)
    )
    return [(0.0, 0.0), *shares]
