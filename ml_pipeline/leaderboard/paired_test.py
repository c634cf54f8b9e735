"""Whether paired differences lie on one side of zero: Wilcoxon's signed-rank test, exact.

Ranks are used, not the differences themselves: a leaderboard has few dates, nothing says that
differences of an error metric are normal, and one odd date should not decide. All signs that the
ranks could have had are counted, so ties need no correction and few dates no approximation.

It takes the differences for independent. Days that consecutive dates are judged on overlap, and a
leaderboard asks the question once for each row: take a value for a hint, smaller than it should be.
"""

from collections.abc import Sequence
from functools import lru_cache
from itertools import groupby
from typing import Final

LEAST: Final = 6
"""Fewer differences cannot give a value below 0.05, whatever they are."""


def signed_rank_p(differences: Sequence[float]) -> float | None:
    """Return the probability of signs at least as one-sided as these, two-sided.

    Args:
        differences: one for each pair; those that are zero speak for neither side.

    Returns:
        A value from 0 to 1, or None for fewer than `LEAST` differences.
    """
    if len(differences) < LEAST:
        return None
    some = sorted((value for value in differences if value), key=abs)
    doubled: list[int] = []
    for _, tied in groupby(some, key=abs):
        first = len(doubled) + 1
        count = len(list(tied))
        doubled += [2 * first + count - 1] * count
    positive = sum(rank for rank, value in zip(doubled, some, strict=True) if value > 0)
    smaller = min(positive, sum(doubled) - positive)
    return min(1.0, 2 * _share_of_signs(tuple(doubled), smaller))


@lru_cache(maxsize=256)
def _share_of_signs(ranks: tuple[int, ...], most: int) -> float:
    """Return the share of all choices of signs whose positive ranks sum to `most` or less."""
    import numpy as np

    shares = np.zeros(sum(ranks) + 1)
    shares[0] = 1.0
    for rank in ranks:
        shares[rank:] = (shares[rank:] + shares[: len(shares) - rank]) / 2
        shares[:rank] /= 2
    return float(shares[: most + 1].sum())
