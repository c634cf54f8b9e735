"""Three backfills: one that is good, one that is refused, one in which one date fails."""

from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path

from ml_pipeline_tests.e2e.dagster_ui import DagsterUi, run_config


@dataclass(frozen=True)
class Backfill:
    """A backfill that somebody launched.

    Attributes:
        id: Dagster's id of it.
        dates: its dates.
    """

    id: str
    dates: tuple[date, ...]


@dataclass(frozen=True)
class Backfills:
    """All three."""

    good: Backfill
    refused: Backfill
    shop: Backfill


CLOSED_WEEK = date(1998, 4, 20)
"""The one date whose last seven days are without orders in the shop's data."""


def launch(ui: DagsterUi, folder: Path) -> Backfills:
    """Launch all three in the UI's dialog.

    Args:
        ui: a page.
        folder: where to keep the data that one of them reads.
    """
    shop = folder / "shop.csv"
    shop.write_text(_orders_of_a_shop())

    def launched(first: date, days: int, config: str) -> Backfill:
        dates = tuple(first + timedelta(days=n) for n in range(days))
        return Backfill(ui.backfill(f"[{dates[0]}...{dates[-1]}]", config), dates)

    return Backfills(
        good=launched(
            date(1998, 5, 1), 14, run_config(training={"learning_rate": 0.3, "max_iter": 10})
        ),
        refused=launched(
            date(1998, 4, 1), 3, run_config(training={"learning_rate": 5, "max_dept": 10})
        ),
        shop=launched(
            CLOSED_WEEK - timedelta(days=3),
            7,
            run_config(data={"source": str(shop)}, training={"holdout_days": 7, "max_iter": 5}),
        ),
    )


def _orders_of_a_shop() -> str:
    """Return orders of every day but a week, as CSV.

    An evaluation on the last seven days has nothing to measure at the end of that week; the day
    before and the day after have one day with orders.
    """
    closed = {CLOSED_WEEK - timedelta(days=n) for n in range(7)}
    days = [date(1998, 1, 1) + timedelta(days=n) for n in range(120)]
    orders = [
        f"{customer},{day},{10 + day.weekday() + customer}"
        for day in days
        if day not in closed
        for customer in range(3)
    ]
    return "\n".join(["customer_id,ordered_at,amount", *orders, ""])
