"""Whether paired differences lie on one side of zero: Wilcoxon's signed-rank test.

Ranks are used, not the differences themselves: a leaderboard has few dates, nothing says that
differences of an error metric are normal, and one odd date should not decide. It is exact where no
two differences are of one size, as is usual, and an approximation for many with some that are.

It takes the differences for independent. Days that consecutive dates are judged on overlap, and a
leaderboard asks the question once for each row: take a value for a hint, smaller than it should be.
"""

from collections.abc import Sequence
from itertools import groupby
from typing import Final

LEAST: Final = 6
"""Fewer differences cannot give a value below 0.05, whatever they are."""

# With ties, SciPy tries all signs to be exact: 20 ms for nine, half a second for thirteen.
_MOST_TRIED: Final = 9


def signed_rank_sum(differences: Sequence[float]) -> float:
    """Return the sum of the signed ranks: above 0 where the test speaks for more than zero."""
    some = sorted((value for value in differences if value), key=abs)
    total, place = 0.0, 0
    for _, same in groupby(some, key=abs):
        tied = list(same)
        rank = place + (len(tied) + 1) / 2
        total += rank * sum(1 if value > 0 else -1 for value in tied)
        place += len(tied)
    return total


def signed_rank_p(differences: Sequence[float]) -> float | None:
    """Return the probability of signs at least as one-sided as these, two-sided.

    Args:
        differences: one for each pair; those that are zero speak for neither side.

    Returns:
        A value from 0 to 1, or None for fewer than `LEAST` differences.
    """
    if len(differences) < LEAST:
        return None
    some = [value for value in differences if value]
    if not some:
        return 1.0
    # Imported late: it takes half a second, as long as all else of a board.
    from scipy.stats import wilcoxon

    if len({abs(value) for value in some}) == len(some):
        method = "exact"
    else:
        method = "auto" if len(some) <= _MOST_TRIED else "asymptotic"
    return float(wilcoxon(some, method=method).pvalue)
