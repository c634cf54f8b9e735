"""Which parameter sets are ranked together, and over which dates."""

from collections.abc import Iterable
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ml_pipeline.leaderboard.board import Leaderboard, leaderboard
from ml_pipeline.leaderboard.cells import Cell
from ml_pipeline_tests.toys.cells import FIRST, cell


def ran(at: Iterable[int], rate: float, naive: float | None = 0.5, **params: Any) -> list[Cell]:
    """Return the results of a parameter set at some days, counted from the first."""
    return [
        cell(FIRST + timedelta(days=n), rate + n / 1000, naive, rate=rate, **params) for n in at
    ]


def told(board: Leaderboard) -> list[tuple[int, list[float]]]:
    """Return how many dates each table compares, and the rows that it ranks."""
    return [(len(g.dates), [round(row.flat["rate"], 6) for row in g.ranked]) for g in board.groups]


def test_ordinary_use_ranks_whatever_overlaps() -> None:
    """A backfill of 60 days, one of 14 days, a sweep of one date and one of three."""
    cells = ran(range(60), 0.5) + ran(range(46, 60), 0.4)
    cells += [c for n in range(5) for c in ran([59], 0.1 + n / 100)]
    cells += [c for n in range(4) for c in ran([55, 56, 57], 0.2 + n / 100)]
    board = leaderboard(cells)
    assert told(board) == [
        (3, [0.2, 0.21, 0.22, 0.23, 0.4, 0.5]),
        (1, [0.1, 0.11, 0.12, 0.13, 0.14, 0.4, 0.5]),
        (14, [0.4, 0.5]),
    ]
    assert board.groups[1].apart == (
        "compared over 2026-03-05 instead of 3 dates from 2026-03-01 to 2026-03-03"
    )
    assert board.groups[2].apart.startswith("compared over 14 dates from 2026-02-20 to 2026-03-05")


def test_rows_have_their_own_mean_and_the_id_of_their_newest_result() -> None:
    backfill, trial = leaderboard(ran(range(10), 0.5) + ran([3, 4], 0.6)).groups[0].rows
    assert (backfill.mean, backfill.own_mean) == (pytest.approx(0.5035), pytest.approx(0.5045))
    assert len(backfill.own) == 10
    assert (trial.mean, trial.own_mean) == (pytest.approx(0.6035), pytest.approx(0.6035))
    assert backfill.run_id == trial.run_id == f"run-{FIRST + timedelta(days=4)}"


def test_rows_that_overlap_in_part_are_ranked_over_what_they_share() -> None:
    assert told(leaderboard(ran(range(10), 0.5) + ran(range(7, 20), 0.4))) == [(3, [0.4, 0.5])]


def test_rows_without_a_common_date_stand_apart_and_say_so() -> None:
    board = leaderboard(ran(range(3), 0.5) + ran(range(5, 7), 0.4))
    assert told(board) == [(3, [0.5]), (2, [0.4])]
    assert board.groups[1].apart == (
        "no date in common: 2 dates from 2026-01-10 to 2026-01-11 instead of 3 dates from"
        " 2026-01-05 to 2026-01-07"
    )


def test_rows_without_a_baseline_or_a_common_date_stand_apart_too() -> None:
    board = leaderboard(ran(range(3), 0.5, naive=None) + ran(range(5, 7), 0.4, naive=None))
    assert told(board) == [(3, [0.5]), (2, [0.4])]


def test_sources_stay_apart_though_only_some_of_their_dates_are_the_same() -> None:
    cells = ran(range(5), 0.5, source="a") + ran([9], 0.4, source="a")
    cells += ran(range(3, 8), 0.3, naive=0.7, source="b") + ran([7], 0.2, naive=0.7, source="b")
    board = leaderboard(cells)
    sources = [{row.flat["source"] for row in group.rows} for group in board.groups]
    assert sources == [{"b"}, {"a"}, {"a"}]
    assert "source a instead of b" in board.groups[1].apart
    assert "the baseline differs" in board.groups[1].apart


def test_parts_that_a_later_row_joins_are_one() -> None:
    cells = ran(range(6), 0.5) + ran(range(10, 16), 0.4) + ran([5, 10], 0.3)
    assert told(leaderboard(cells)) == [(1, [0.3, 0.4]), (1, [0.3, 0.5])]


def test_dates_asked_for_make_one_table_whatever_rows_have() -> None:
    asked = [FIRST, FIRST + timedelta(days=1)]
    board = leaderboard(ran([0, 1], 0.5) + ran([0], 0.4) + ran([5], 0.3), dates=asked)
    (group,) = board.groups
    assert [(row.place, row.lacks) for row in group.rows] == [
        ("1", ""),
        ("-", "missing 1 of 2 dates"),
        ("-", "missing 2 of 2 dates"),
    ]


RUNS = st.lists(st.frozensets(st.integers(0, 6), min_size=1), min_size=1, max_size=8)


@given(RUNS)
def test_every_row_is_shown_and_ranked_if_it_shares_a_date(
    runs: list[frozenset[int]],
) -> None:
    cells = [c for place, at in enumerate(runs) for c in ran(sorted(at), place)]
    groups = leaderboard(cells).groups
    ranked = {row.flat["rate"] for g in groups if len(g.ranked) > 1 for row in g.ranked}
    assert {row.flat["rate"] for group in groups for row in group.rows} == set(range(len(runs)))
    if len(groups) < 6:
        for place, at in enumerate(runs):
            others = frozenset().union(*(o for n, o in enumerate(runs) if n != place))
            lacking = any(row.lacks for g in groups for row in g.rows if row.flat["rate"] == place)
            assert (place in ranked) or lacking or not at & others
    for group in groups:
        for row in group.ranked:
            assert set(row.values) == set(group.dates)
            assert None not in row.values.values()


@given(RUNS)
def test_board_does_not_depend_on_the_order_of_results(runs: list[frozenset[int]]) -> None:
    cells = [c for place, at in enumerate(runs) for c in ran(sorted(at), place)]
    assert told(leaderboard(cells)) == told(leaderboard(reversed(cells)))


def test_board_of_many_rows_at_many_dates_takes_no_time() -> None:
    cells = [c for n in range(150) for c in ran(range(n % 50, n % 50 + 1 + n % 17), n)]
    board = leaderboard(cells)
    assert len({row.key for group in board.groups for row in group.rows}) == 150
