"""What has come of a sweep's trials so far."""

import math
import time
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from ml_pipeline.errors import PipelineError, nearest
from ml_pipeline.params.as_of import AsOf
from ml_pipeline.store.record import Objective
from ml_pipeline.sweeps.plan import duration
from ml_pipeline.sweeps.runner import TrialCell
from ml_pipeline.sweeps.trial import Trial


@dataclass
class Attempt:
    """A trial and what has come of it so far.

    Attributes:
        trial: the parameter set.
        cells: by date.
        state: ``running``, ``complete``, ``pruned``, ``failed``, or ``unfinished`` where the sweep
            ended before it.
        value: mean of the objective over the dates, once complete.
        number: its number in a study that proposed it.
        handle: Optuna's own trial, while this process runs it.
    """

    trial: Trial
    cells: dict[AsOf | None, TrialCell] = field(default_factory=dict)
    state: str = "running"
    value: float | None = None
    number: int | None = None
    handle: Any = None

    @property
    def document(self) -> dict[str, Any]:
        """The trial in JSON form."""
        return {
            "number": self.trial.number,
            "state": self.state,
            "value": self.value,
            "varied": dict(self.trial.varied),
            "cells": [
                {
                    "as_of": str(cell.as_of) if cell.as_of is not None else None,
                    "run_id": cell.run_id,
                    "reused": cell.reused,
                    "seconds": cell.seconds,
                    "metrics": dict(cell.metrics),
                    "error": cell.error,
                }
                for cell in self.cells.values()
            ],
        }

    @property
    def told(self) -> dict[str, Any]:
        """What makes it differ, by plain name."""
        find = self.trial.params.model.find
        return {find(name).told: value for name, value in self.trial.varied.items()}


@dataclass(frozen=True)
class SweepProgress:
    """How far a sweep is.

    Attributes:
        done: cells that are finished, failed ones included.
        total: cells in all; at most that many for a search.
        failed: cells that failed.
        best: the best complete trial so far.
        left_s: seconds that the rest will take, None while that is unknown.
    """

    done: int
    total: int
    failed: int
    best: Attempt | None
    left_s: float | None

    @property
    def sentence(self) -> str:
        """The progress in one line."""
        parts = [f"{self.done} of {self.total} done"]
        if self.failed:
            parts.append(f"{self.failed} failed")
        if self.best is not None:
            values = ", ".join(f"{name}={value}" for name, value in self.best.told.items())
            parts.append(f"best {self.best.value:.6g} with {values}")
        if self.left_s is not None:
            parts.append(f"about {duration(self.left_s)} left")
        return ", ".join(parts)


class Attempts(dict[str, Attempt]):
    """All trials of a sweep by the identity of their parameters.

    Attributes:
        total: cells that there will be; at most that many for a search.
        best: the best complete trial so far; of equal ones the one with the lowest number.
    """

    def __init__(
        self, objective: Objective | None, dates: Sequence[AsOf | None], is_typed: bool = False
    ) -> None:
        """Start without any.

        Args:
            objective: what trials are compared by; None where they differ in that.
            dates: what makes a trial complete.
            is_typed: whether somebody typed the objective's metric, and may have mistyped it.
        """
        super().__init__()
        self.objective = objective
        self.dates = dates
        self._is_typed = is_typed
        self.total = 0
        self.best: Attempt | None = None
        self._done = self._failed = self._computed = 0
        self._first_computed: float | None = None

    def begin(self, trial: Trial, number: int | None = None, handle: Any = None) -> Attempt:
        """Add a trial."""
        attempt = self[trial.key] = Attempt(trial, number=number, handle=handle)
        return attempt

    def take(self, cell: TrialCell) -> Attempt:
        """Note a finished cell; return its trial.

        Raises:
            PipelineError: if the metric that somebody typed is none that the first cell has.
        """
        attempt = self[cell.trial.key]
        if cell.error is None and self.objective is not None:
            cell = self._judged(cell, self.objective.metric)
        attempt.cells[cell.as_of] = cell
        self._done += 1
        self._failed += cell.error is not None
        self._computed += not cell.reused
        if self._first_computed is None and not cell.reused:
            self._first_computed = time.monotonic()
        if len(attempt.cells) == len(self.dates):
            failed = any(one.error is not None for one in attempt.cells.values())
            attempt.state = "failed" if failed else "complete"
            attempt.value = None if failed else self.mean(attempt)
            if self._is_better(attempt):
                self.best = attempt
        return attempt

    def _is_better(self, attempt: Attempt) -> bool:
        if attempt.value is None or self.objective is None:
            return False
        if self.best is None or self.best.value is None:
            return True
        if attempt.value == self.best.value:
            # Which one is finished first depends on the workers.
            return attempt.trial.number < self.best.trial.number
        return (attempt.value < self.best.value) == (self.objective.direction == "minimize")

    def mean(self, attempt: Attempt) -> float | None:
        """Return the mean of the objective over the dates that are done."""
        if self.objective is None:
            return None
        values = [cell.metrics[self.objective.metric] for cell in attempt.cells.values()]
        return math.fsum(values) / len(values)

    @property
    def progress(self) -> SweepProgress:
        """How far everything is."""
        left = None
        if self._first_computed is not None and self._computed > 1:
            # Workers take seconds to start: the first result says nothing about the next.
            spent = time.monotonic() - self._first_computed
            left = spent / (self._computed - 1) * (self.total - self._done)
        return SweepProgress(self._done, self.total, self._failed, self.best, left)

    @property
    def has_computed(self) -> bool:
        """Whether anything was computed, and not found."""
        return self._computed > 0

    def close(self) -> None:
        """Note that nothing more will come."""
        for attempt in self.values():
            done = attempt.cells
            attempt.cells = {day: done[day] for day in self.dates if day in done}
            if attempt.state == "running":
                attempt.state = "unfinished"

    def _judged(self, cell: TrialCell, metric: str) -> TrialCell:
        """Return a cell, failed if it lacks the objective."""
        if metric in cell.metrics:
            return cell
        problem = (
            f"the objective '{metric}' must be one of the metrics, but they are"
            f" {', '.join(cell.metrics) or 'none'}.{nearest(metric, cell.metrics)}"
        )
        if self._is_typed and not self._done:
            raise PipelineError(f"{problem} What was computed stays and will be reused.")
        return replace(cell, error=problem)
