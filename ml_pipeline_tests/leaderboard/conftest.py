"""A leaderboard of four rows, one with failures, and of another dataset beside it."""

import pytest

from ml_pipeline.leaderboard.board import Leaderboard, leaderboard
from ml_pipeline.leaderboard.cells import Cell
from ml_pipeline_tests.toys.cells import cell, days, row


@pytest.fixture
def board() -> Leaderboard:
    cells: list[Cell] = []
    for rate in (0.1, 0.2, 0.3):
        cells += row([rate + n / 100 for n in range(8)], rate=rate, kind="a b")
    cells += row([0.9] * 5, rate=0.4, kind="a b")
    cells += [cell(day, None, failed="too few rows", rate=0.4, kind="a b") for day in days(8)[5:7]]
    cells += row([0.2] * 2, dataset="customers", rate=0.1, kind="a b")
    return leaderboard(cells)
