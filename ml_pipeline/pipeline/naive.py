"""Whether models are better than the naive forecast beside them, over several dates."""

import statistics
from collections.abc import Mapping, Sequence
from typing import Literal

from ml_pipeline.pipeline.evaluation import PRIMARY
from ml_pipeline.pipeline.judgement import Judgement


def better_than_naive(
    metrics: Sequence[Mapping[str, float]],
    *,
    dataset: Literal["orders", "customers"],
    least: float,
) -> Judgement:
    """Tell whether models are better than the naive forecast for the same days, on average.

    Args:
        metrics: of the evaluations of some dates, the latest last; at least one.
        dataset: ``orders`` or ``customers``.
        least: by how much, in units of the metric.
    """
    metric, direction, baseline = PRIMARY[dataset]
    known = [one for one in metrics if metric in one and baseline in one]
    if not known:
        return Judgement(True, f"no date has both {metric} and {baseline} to compare", {"dates": 0})
    model = statistics.fmean(one[metric] for one in known)
    naive = statistics.fmean(one[baseline] for one in known)
    gain = naive - model if direction == "minimize" else model - naive
    times = f"{len(known)} dates" if len(known) > 1 else "1 date"
    return Judgement(
        gain >= least,
        f"{metric} must be better than {baseline} by {least:g} over the last dates, and over"
        f" {times} is {model:.4g} against {naive:.4g}"
        + ("" if gain >= least else ": try other parameters, or serve the naive forecast"),
        {"dates": len(known), metric: model, baseline: naive, "better_by": gain},
    )
