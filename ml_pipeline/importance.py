"""How much each parameter matters for the metric, by what a forest makes of the rows.

A random forest is fitted from parameters to means, and each parameter's values are permuted: how
much worse the forest predicts then is how much it needs the parameter (Breiman's permutation
importance). It tells of the rows there are, not of values that nobody tried.
"""

from collections.abc import Sequence
from typing import Any, Final

from ml_pipeline.leaderboard import Group

LEAST_ROWS: Final = 8
"""Fewer rows say more in the table than in an estimate."""

_TREES: Final = 100
_REPEATS: Final = 10


def parameter_importance(group: Group) -> dict[str, float]:
    """Return the share of each varying parameter, the largest first; the sum is 1.

    Empty where there are too few ranked rows, or nothing that differs among them.
    """
    rows = group.ranked
    names = [name for name in group.varying if len({repr(row.flat.get(name)) for row in rows}) > 1]
    means = [row.mean for row in rows if row.mean is not None]
    if len(rows) < LEAST_ROWS or len(names) < 2 or len(set(means)) < 2:
        return {}
    import numpy as np
    from sklearn.ensemble import RandomForestRegressor
    from sklearn.inspection import permutation_importance

    columns = [as_numbers([row.flat.get(name) for row in rows]) for name in names]
    table, target = np.column_stack(columns), np.asarray(means)
    forest = RandomForestRegressor(_TREES, random_state=0, n_jobs=1).fit(table, target)
    found = permutation_importance(
        forest, table, target, n_repeats=_REPEATS, random_state=0, n_jobs=1
    ).importances_mean.clip(min=0.0)
    total = float(found.sum())
    if total == 0.0:
        return {}
    shares = {name: float(share) / total for name, share in zip(names, found, strict=True)}
    return dict(sorted(shares.items(), key=lambda pair: -pair[1]))


def as_numbers(values: Sequence[Any]) -> list[float]:
    """Return numbers as they are, and anything else as its place among the values there are."""
    if all(isinstance(value, int | float) for value in values):
        return [float(value) for value in values]
    order = {name: place for place, name in enumerate(sorted({repr(value) for value in values}))}
    return [float(order[repr(value)]) for value in values]
