"""Cells of a leaderboard, made up."""

from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from typing import Any

from ml_pipeline.leaderboard.cells import Cell
from ml_pipeline.store.record import Objective

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
