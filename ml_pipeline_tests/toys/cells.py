"""Cells of a leaderboard, made up."""

from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from typing import Any

from ml_pipeline.leaderboard.board import Leaderboard, leaderboard
from ml_pipeline.leaderboard.cells import Cell
from ml_pipeline.leaderboard.sides import Side
from ml_pipeline.store.record import Objective

NASTY = '<script>alert("1")</script> | `x` [y](z) [x](javascript:alert(1)) \\ é\n\x1b[31mred'
FORMULA = "=cmd|'/C calc'!A0"
FIRST = date(2026, 1, 5)
ERROR = Objective(metric="error", direction="minimize", baseline="naive_error")


def days(count: int, first: date = FIRST) -> list[date]:
    """Return consecutive days."""
    return [first + timedelta(days=n) for n in range(count)]


def cell(
    day: date | None,
    error: float | None,
    naive: float | None = None,
    objective: Objective | None = ERROR,
    codes: Mapping[str, str] | None = None,
    seconds: float = 1.0,
    failed: str | None = None,
    metrics: Mapping[str, float] | None = None,
    dataset: str = "orders",
    **params: Any,
) -> Cell:
    """Return what one parameter set came to at one date."""
    known = {"error": error, "naive_error": naive, **(metrics or {})}
    return Cell(
        asset="score",
        params={"data": {"dataset": dataset}, "fit": params},
        dataset={"dataset": dataset},
        as_of=day,
        objective=objective,
        codes=codes or {"model": "1", "score": "1"},
        metrics={name: value for name, value in known.items() if value is not None},
        seconds=seconds,
        run_id="" if failed else f"run-{day}",
        error=failed,
    )


def row(errors: Sequence[float], naive: float | None = 0.5, **given: Any) -> list[Cell]:
    """Return the cells of one parameter set over consecutive days."""
    return [
        cell(day, error, naive, **given)
        for day, error in zip(days(len(errors)), errors, strict=True)
    ]


def nasty_board() -> Leaderboard:
    """Return a board whose names, values and failures would act wherever they are not escaped."""
    cells = row([0.1] * 3, kind=FORMULA, dataset=NASTY, rate=1)
    cells += row([0.2] * 3, kind="plain", dataset=NASTY, rate=2)
    cells += [cell(day, None, failed=NASTY, kind="b", dataset=NASTY, rate=-3) for day in days(3)]
    return leaderboard(cells)


def wide_board() -> Leaderboard:
    """Return a board of twelve rows with twenty parameters, at dates that are not evenly apart."""
    along = [FIRST + timedelta(days=n) for n in (0, 1, 2, 30, 31, 60)]
    cells = []
    for n in range(12):
        params = {f"parameter_{p:02}": round(n * (p + 1) / 7, 3) for p in range(19)}
        for day in along:
            error = (n % 5) / 10 + day.day / 100
            cells.append(cell(day, error, 0.4, kind=["a", "b", "c"][n % 3], **params))
    cells += [cell(day, 0.3, 0.4, kind="d") for day in along[:4]]
    return leaderboard(cells)


def side(name: str, cells: Sequence[Cell], store: str = "here") -> Side:
    """Return the side of a comparison that cells of one parameter set make."""
    return Side(name, cells[0].params, {cell.as_of: cell for cell in cells}, store)
