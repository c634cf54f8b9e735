"""What a sweep came to."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from ml_pipeline.params.as_of import AsOf
from ml_pipeline.store.record import Objective
from ml_pipeline.sweeps.attempts import Attempt
from ml_pipeline.sweeps.plan import Plan
from ml_pipeline.sweeps.runner import TrialCell


@dataclass(frozen=True)
class Swept:
    """What a sweep came to.

    Attributes:
        plan: what it was going to be.
        objective: what trials are compared by; None where they differ in that.
        dates: the dates, in order.
        attempts: every parameter set tried, in order.
        stopped: why it ended before everything was tried, or None.
        study: the study's name.
        best: the best complete trial, if there is one.
    """

    plan: Plan
    objective: Objective | None
    dates: Sequence[AsOf | None]
    attempts: Sequence[Attempt]
    stopped: str | None
    study: str
    best: Attempt | None

    @property
    def cells(self) -> list[TrialCell]:
        """All finished cells."""
        return [cell for attempt in self.attempts for cell in attempt.cells.values()]

    @property
    def failures(self) -> list[TrialCell]:
        """The cells that failed."""
        return [cell for cell in self.cells if cell.error is not None]

    @property
    def failures_by_reason(self) -> dict[str, list[TrialCell]]:
        """The cells that failed, by what they say of it."""
        reasons: dict[str, list[TrialCell]] = {}
        for cell in self.failures:
            reasons.setdefault(cell.error or "", []).append(cell)
        return reasons

    @property
    def document(self) -> dict[str, Any]:
        """Everything in JSON form."""
        return {
            "plan": self.plan.document,
            "objective": self.objective.model_dump() if self.objective is not None else None,
            "study": self.study,
            "stopped": self.stopped,
            "dates": [str(day) if day is not None else None for day in self.dates],
            "trials": [attempt.document for attempt in self.attempts],
        }
