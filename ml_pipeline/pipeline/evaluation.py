"""Judging a model on the examples that it was kept from."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from typing import TYPE_CHECKING, Any, Final, Literal, TypeAlias

from ml_pipeline.errors import NotEnoughDataError
from ml_pipeline.pipeline.examples import split
from ml_pipeline.pipeline.training import predict

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt
    import polars as pl

PRIMARY: Final[Mapping[str, tuple[str, Literal["minimize", "maximize"], str]]] = {
    "orders": ("mape", "minimize", "naive_mape"),
    "customers": ("auc", "maximize", "recency_auc"),
}
"""Metric to compare models by, the better direction, and the same metric of the naive baseline."""

_GROUPS: Final = 10

_Judgement: TypeAlias = tuple[dict[str, float], list[dict[str, Any]]]


@dataclass(frozen=True)
class Judged:
    """A report, and what it was made of.

    Attributes:
        report: what `evaluate` returns.
        heldout: the examples that the model was judged on.
        predicted: what it says of each.
    """

    report: dict[str, Any]
    heldout: "pl.DataFrame"
    predicted: "npt.NDArray[np.float64]"


def evaluate(
    model: Any,
    features: "pl.DataFrame",
    *,
    dataset: Literal["orders", "customers"],
    as_of: date,
    horizon_days: int,
    holdout_days: int,
) -> dict[str, Any]:
    """Compare a model's predictions with what happened in the held-out days.

    Args:
        model: what `fit` made of the same features with the same as_of and days.
        features: what `build_features` made.
        dataset: ``orders`` or ``customers``.
        as_of: the last known day.
        horizon_days: days after `day` that a target covers.
        holdout_days: most recent days, which were kept from training.

    Returns:
        A report of plain JSON types, all numbers finite, the order of keys fixed. `metric` names
        the metric to compare models by, `direction` says which way is better, `metrics` holds all
        of them, `holdout` says what they were measured on, `series` is for a plot: a point per
        held-out window for orders, a row per tenth of the customers, likeliest first. Errors are
        fractions (0.2 is 20 %) or in the currency of the amounts; `improvement` is how much better
        the primary metric is than that of the naive baseline, and above 0 is better.

    Raises:
        NotEnoughDataError: if the held-out days leave nothing to measure.
    """
    return judged(
        model,
        features,
        dataset=dataset,
        as_of=as_of,
        horizon_days=horizon_days,
        holdout_days=holdout_days,
    ).report


def judged(
    model: Any,
    features: "pl.DataFrame",
    *,
    dataset: Literal["orders", "customers"],
    as_of: date,
    horizon_days: int,
    holdout_days: int,
) -> Judged:
    """Compare as `evaluate` does, and keep what was compared."""
    parts = split(features, as_of=as_of, horizon_days=horizon_days, holdout_days=holdout_days)
    heldout = parts.heldout
    if heldout.is_empty():
        raise NotEnoughDataError(
            f"Evaluation needs examples whose {horizon_days} target days are all within the"
            f" holdout_days={holdout_days} days up to as_of={as_of}, but there are none. Choose a"
            f" holdout_days of at least {horizon_days}, a smaller horizon_days, or a later as_of."
        )
    judge = _judge_revenue if dataset == "orders" else _judge_customers
    predicted = predict(model, heldout)
    metrics, series = judge(heldout, predicted, as_of)
    metric, direction, _ = PRIMARY[dataset]
    days: list[date] = heldout["day"].to_list()
    report = {
        "dataset": dataset,
        "metric": metric,
        "direction": direction,
        "metrics": metrics,
        "holdout": {
            "first_day": _days_after(min(days), 1),
            "last_day": _days_after(max(days), horizon_days),
            "rows": heldout.height,
            "train_rows": parts.training.height,
        },
        "series": series,
    }
    return Judged(report, heldout, predicted)


def _judge_revenue(
    heldout: "pl.DataFrame", predicted: "npt.NDArray[np.float64]", as_of: date
) -> _Judgement:
    import numpy as np

    actual = heldout["target"].to_numpy()
    naive = heldout["naive"].to_numpy()
    # A relative error needs something to be relative to.
    some = actual != 0
    if not some.any():
        raise NotEnoughDataError(
            f"Evaluation needs held-out days with revenue, but all {heldout.height} up to"
            f" as_of={as_of} have none, so relative errors are undefined. Choose an earlier as_of,"
            " a larger holdout_days, or another source."
        )

    def relative(guess: "npt.NDArray[np.float64]") -> float:
        return float(np.mean(np.abs(guess - actual)[some] / np.abs(actual)[some]))

    def weighted(guess: "npt.NDArray[np.float64]") -> float:
        return float(np.abs(guess - actual).sum() / np.abs(actual).sum())

    def absolute(guess: "npt.NDArray[np.float64]") -> float:
        return float(np.mean(np.abs(guess - actual)))

    return (
        {
            "mape": relative(predicted),
            "wape": weighted(predicted),
            "mae": absolute(predicted),
            "rmse": float(np.sqrt(np.mean((predicted - actual) ** 2))),
            "bias": float(np.mean(predicted - actual)),
            "naive_mape": relative(naive),
            "naive_wape": weighted(naive),
            "naive_mae": absolute(naive),
            "improvement": relative(naive) - relative(predicted),
            "zero_days": float(np.count_nonzero(~some)),
        },
        [
            {"day": _days_after(day, 1), "actual": real, "predicted": guess, "naive": simple}
            for day, real, guess, simple in zip(
                heldout["day"], actual.tolist(), predicted.tolist(), naive.tolist(), strict=True
            )
        ],
    )


def _judge_customers(
    heldout: "pl.DataFrame", predicted: "npt.NDArray[np.float64]", as_of: date
) -> _Judgement:
    import numpy as np
    from sklearn.metrics import (
        average_precision_score,
        brier_score_loss,
        log_loss,
        roc_auc_score,
    )

    bought = heldout["target"].to_numpy()
    if len(set(bought.tolist())) == 1:
        raise NotEnoughDataError(
            "Evaluation needs customers who bought again and customers who did not, but of"
            f" {heldout.height} held-out examples up to as_of={as_of} {bought.sum()} did. Choose"
            " another horizon_days, a larger holdout_days, another as_of, or another source."
        )
    recency = -heldout["days_since_last"].to_numpy()
    auc = float(roc_auc_score(bought, predicted))
    recency_auc = float(roc_auc_score(bought, recency))
    base_rate = float(np.mean(bought))
    groups = _groups(bought, predicted, base_rate)
    return (
        {
            "auc": auc,
            "average_precision": float(average_precision_score(bought, predicted)),
            "brier": float(brier_score_loss(bought, predicted)),
            "log_loss": float(log_loss(bought, predicted)),
            "top_decile_lift": groups[0]["lift"],
            "recency_auc": recency_auc,
            "recency_average_precision": float(average_precision_score(bought, recency)),
            "base_rate": base_rate,
            "improvement": auc - recency_auc,
        },
        groups,
    )


def _groups(
    bought: "npt.NDArray[np.int8]", predicted: "npt.NDArray[np.float64]", base_rate: float
) -> list[dict[str, Any]]:
    """Divide customers into tenths by their prediction, likeliest first."""
    import numpy as np

    likeliest_first = np.argsort(-predicted, kind="stable")
    tenths = np.array_split(likeliest_first, min(_GROUPS, len(predicted)))
    return [
        {
            "decile": place,
            "customers": len(members),
            "bought": int(bought[members].sum()),
            "predicted": float(predicted[members].mean()),
            "rate": float(bought[members].mean()),
            "lift": float(bought[members].mean() / base_rate),
        }
        for place, members in enumerate(tenths, start=1)
    ]


def _days_after(day: date, days: int) -> str:
    return (day + timedelta(days=days)).isoformat()
