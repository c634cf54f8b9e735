import itertools
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ml_pipeline.leaderboard.paired_test import LEAST, signed_rank_p, signed_rank_sum


def by_trying_all_signs(differences: list[float]) -> float:
    """The definition: how often random signs give ranks at least as one-sided."""
    some = [value for value in differences if value]
    sizes = sorted(map(abs, some))
    ranks = [
        sum(place for place, size in enumerate(sizes, 1) if size == abs(value))
        / sizes.count(abs(value))
        for value in some
    ]
    total = sum(ranks)

    def smaller(signs: tuple[int, ...]) -> float:
        positive = sum(rank for rank, sign in zip(ranks, signs, strict=True) if sign > 0)
        return min(positive, total - positive)

    ours = smaller(tuple(1 if value > 0 else -1 for value in some))
    every = list(itertools.product((1, -1), repeat=len(some)))
    return sum(smaller(signs) <= ours for signs in every) / len(every)


@given(st.lists(st.integers(-5, 5).map(float), min_size=LEAST, max_size=9))
def test_signed_rank_p_with_ties_and_zeros_is_what_all_signs_give(differences: list[float]) -> None:
    assert signed_rank_p(differences) == pytest.approx(by_trying_all_signs(differences), abs=1e-12)


@given(st.lists(st.integers(-5, 5).map(float), max_size=12))
def test_signed_rank_sum_is_that_of_positive_less_that_of_negative_ranks(
    differences: list[float],
) -> None:
    from scipy.stats import rankdata

    some = [value for value in differences if value]
    ranks = rankdata([abs(value) for value in some])
    expected = sum(rank if value > 0 else -rank for rank, value in zip(ranks, some, strict=True))
    assert signed_rank_sum(differences) == expected


@pytest.mark.parametrize("size", [6, 14, 31, 60])
def test_signed_rank_p_without_ties_is_exact(size: int) -> None:
    from scipy.stats import wilcoxon

    source = random.Random(size)
    differences = [source.gauss(0.3, 1) for _ in range(size)]
    expected = wilcoxon(differences, method="exact").pvalue
    assert signed_rank_p(differences) == pytest.approx(expected, abs=1e-12)


def test_signed_rank_p_of_many_with_ties_is_near_the_definition_and_quick() -> None:
    differences = [0.1 * place for place in (-5, -3, -2, 1, 1, 2, 3, 4, 4, 5, 6, 7, 8)]
    assert signed_rank_p(differences) == pytest.approx(by_trying_all_signs(differences), abs=0.02)


def test_signed_rank_p_of_few_differences_is_none() -> None:
    assert signed_rank_p([0.1] * (LEAST - 1)) is None
    assert signed_rank_p([0.1 * n for n in range(1, LEAST + 1)]) == 2 / 2**LEAST


def test_signed_rank_p_of_no_difference_is_one() -> None:
    assert signed_rank_p([0.0] * 8) == 1.0
