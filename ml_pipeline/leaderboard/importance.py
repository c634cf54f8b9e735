"""How much each parameter matters for the metric: the share of the variance that it explains alone.

The rows are divided by the values of the parameter (numbers with many by quarters of the rows), and
the variance between the parts is compared with that within them: omega squared of a one-way
analysis of variance, which does not grow with the number of parts by chance alone. It tells of the
rows there are, not of values that nobody tried, and not of what parameters do together.

Not `optuna.importance`: importing it takes 1.1 s of processor time, and a repeated sweep, which
draws this at its end, takes 1.2 s in all. Optuna's dashboard may show other shares.
"""

import bisect
from collections.abc import Sequence
from statistics import fmean, quantiles
from typing import Any, Final

from ml_pipeline.leaderboard.groups import Group

LEAST_ROWS: Final = 8
"""Fewer rows say more in the table than in an estimate."""

_MOST_PARTS: Final = 4


def parameter_importance(group: Group) -> dict[str, float]:
    """Return the share of variance that each varying parameter explains, the largest first.

    Empty where there are too few ranked rows, or nothing that differs among them.
    """
    rows = [row for row in group.ranked if row.mean is not None]
    means = [row.mean for row in rows if row.mean is not None]
    if len(rows) < LEAST_ROWS or len(set(means)) < 2:
        return {}
    parts = {name: _parts([row.flat.get(name) for row in rows]) for name in group.varying}
    varying = {name: part for name, part in parts.items() if 1 < len(set(part)) < len(rows)}
    if len(varying) < 2:
        return {}
    shares = {name: _omega_squared(part, means) for name, part in varying.items()}
    return dict(sorted(shares.items(), key=lambda pair: -pair[1])) if any(shares.values()) else {}


def _omega_squared(parts: Sequence[Any], values: Sequence[float]) -> float:
    """Return the share of the variance of `values` that lies between `parts`, at least 0."""
    by_part: dict[Any, list[float]] = {}
    for part, value in zip(parts, values, strict=True):
        by_part.setdefault(part, []).append(value)
    center = fmean(values)
    whole = sum((value - center) ** 2 for value in values)
    within = sum((v - fmean(some)) ** 2 for some in by_part.values() for v in some)
    degrees = len(by_part) - 1
    noise = within / (len(values) - len(by_part))
    return max(0.0, (whole - within - degrees * noise) / (whole + noise))


def _parts(values: Sequence[Any]) -> list[Any]:
    """Return the part that each value belongs to: itself, or a quarter where there are many."""
    is_numeric = all(isinstance(value, int | float) for value in values)
    if not is_numeric or len(set(values)) <= _MOST_PARTS:
        return [repr(value) for value in values]
    limits = quantiles(values, n=_MOST_PARTS)
    return [bisect.bisect_left(limits, value) for value in values]
