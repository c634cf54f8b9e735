"""Rows: one parameter set over the dates that it is compared at, and what these come to."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from ml_pipeline.leaderboard.cells import Cell
from ml_pipeline.leaderboard.paired_test import signed_rank_p
from ml_pipeline.params.as_of import AsOf, noun_of
from ml_pipeline.store.record import Direction
from ml_pipeline.text import counted


@dataclass(frozen=True)
class Row:
    """One parameter set over the dates that its group compares.

    Attributes:
        key: identity of the parameter set, apart from any date.
        params: its values, ``{group: {field: value}}``.
        cells: what it came to, for those of the dates that it was run for.
        values: the metric by date, None where it is missing.
        baseline: the naive baseline by date, None where it is missing.
        direction: which way is better.
        rank: its place, or None where it lacks dates; rows with equal means share one.
        is_tied: whether another row has the same rank.
        own: the metric at all dates that the row was judged at, compared or not.
        run_id: identity of its newest result: what can be shown, compared and promoted.
        flat: the parameters by the names that people see.
    """

    key: str
    params: Mapping[str, Mapping[str, Any]]
    cells: Mapping[AsOf | None, Cell] = field(repr=False)
    values: Mapping[AsOf | None, float | None] = field(repr=False)
    baseline: Mapping[AsOf | None, float | None] = field(repr=False)
    direction: Direction
    rank: int | None = None
    is_tied: bool = False
    own: Mapping[AsOf | None, float] = field(default_factory=dict, repr=False)
    run_id: str = ""
    flat: Mapping[str, Any] = field(default_factory=dict, repr=False)

    @property
    def place(self) -> str:
        """The rank as it is shown: ``1``, ``2=`` where it is shared, ``-`` where there is none."""
        return "-" if self.rank is None else f"{self.rank}{'=' if self.is_tied else ''}"

    @cached_property
    def known(self) -> list[float]:
        """The metric at the dates that have it, in order."""
        return [value for value in self.values.values() if value is not None]

    @cached_property
    def mean(self) -> float | None:
        """Mean over the dates."""
        return math.fsum(self.known) / len(self.known) if self.known else None

    @cached_property
    def own_mean(self) -> float | None:
        """Mean over all dates that the row was judged at: not to be ranked by."""
        return math.fsum(self.own.values()) / len(self.own) if self.own else None

    @cached_property
    def sd(self) -> float | None:
        """Sample standard deviation over the dates; None for fewer than two."""
        if self.mean is None or len(self.known) < 2:
            return None
        squares = math.fsum((value - self.mean) ** 2 for value in self.known)
        return math.sqrt(squares / (len(self.known) - 1))

    @cached_property
    def worst(self) -> tuple[AsOf | None, float] | None:
        """The worst value and its date, the first of equal ones."""
        known = [(day, value) for day, value in self.values.items() if value is not None]
        sign = 1 if self.direction == "minimize" else -1
        return max(known, key=lambda pair: sign * pair[1]) if known else None

    @cached_property
    def differences(self) -> list[float]:
        """Metric minus baseline at the dates that have both."""
        pairs = ((value, self.baseline[day]) for day, value in self.values.items())
        return [value - naive for value, naive in pairs if value is not None and naive is not None]

    @cached_property
    def difference(self) -> float | None:
        """Mean of metric minus baseline; below 0 is better for a metric to minimize."""
        found = self.differences
        return math.fsum(found) / len(found) if found else None

    @property
    def is_better(self) -> bool:
        """Whether the row beats the baseline on the mean."""
        sign = -1 if self.direction == "minimize" else 1
        return self.difference is not None and sign * self.difference > 0

    @cached_property
    def p_value(self) -> float | None:
        """Signed-rank test of the differences; not corrected for the number of rows."""
        return signed_rank_p(self.differences)

    @cached_property
    def seconds(self) -> float:
        """What computing all of its dates took."""
        return math.fsum(cell.seconds for cell in self.cells.values())

    @property
    def failures(self) -> dict[str, list[AsOf | None]]:
        """The dates that failed, by reason."""
        found: dict[str, list[AsOf | None]] = {}
        for day, cell in self.cells.items():
            if cell.error is not None:
                found.setdefault(cell.error, []).append(day)
        return found

    @property
    def lacks(self) -> str:
        """What keeps the row from being ranked, in words; empty where nothing does."""
        dates = f"of {counted(len(self.values), noun_of(self.values))}"
        parts = [
            f"failed at {len(days)} {dates}: {reason.partition(chr(10))[0]}"
            for reason, days in self.failures.items()
        ]
        failed = sum(len(days) for days in self.failures.values())
        if missing := len(self.values) - len(self.known) - failed:
            parts.insert(0, f"missing {missing} {dates}")
        return "; ".join(parts)
