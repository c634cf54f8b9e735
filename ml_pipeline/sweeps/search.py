"""Searching: trials are proposed one after the other, by what came of those before.

Results are told in the order of the proposals, so what is proposed depends on the seed and on how
many trials are in flight, and not on which worker was faster. (Whether a trial is pruned does
depend on what the others had reported by then.)
"""

import logging
from collections.abc import Callable, Iterator, Sequence
from typing import Final

from ml_pipeline.errors import ParamsError
from ml_pipeline.sweeps.attempts import Attempt, Attempts
from ml_pipeline.sweeps.request import SweepRequest
from ml_pipeline.sweeps.runner import Cell, Runner
from ml_pipeline.sweeps.study import Earlier, Study

_MOST_REPEATS: Final = 50

log = logging.getLogger(__name__)


class Search:
    """Keeps some trials in flight until enough have been tried."""

    def __init__(
        self,
        request: SweepRequest,
        attempts: Attempts,
        runner: Runner,
        study: Study,
        in_flight: int,
    ) -> None:
        """Prepare to search.

        Args:
            request: what is swept.
            attempts: where results are noted.
            runner: computes.
            study: proposes.
            in_flight: most trials that are proposed and not yet told.
        """
        self.request = request
        self.attempts = attempts
        self.runner = runner
        self.study = study
        self.in_flight = in_flight
        self.ended: str | None = None
        self._flight: list[Attempt] = []
        self._asked = 0
        self._is_stepwise = request.options.pruner != "none"

    def resume(self, earlier: Sequence[Earlier]) -> None:
        """Take up what an earlier sweep left: failed and unfinished trials run again."""
        self._asked = len(earlier)
        for known in earlier:
            if known.state in ("failed", "running"):
                self._start(self.attempts[known.trial.key])

    def run(self, is_late: Callable[[], bool]) -> Iterator[Cell]:
        """Search, yielding each cell as it is done.

        Args:
            is_late: tells whether the time is up, so that nothing more is proposed.
        """
        self._propose_more(is_late)
        for cell in self.runner.finished():
            attempt = self.attempts.take(cell)
            if self._is_stepwise and attempt.handle is not None:
                self._prune_or_go_on(attempt, cell)
            while self._flight and self._flight[0].state != "running":
                self._tell(self._flight.pop(0))
            self._propose_more(is_late)
            yield cell

    def _propose_more(self, is_late: Callable[[], bool]) -> None:
        while (
            self.ended is None
            and self._asked < self.request.options.n_trials
            and len(self._flight) < self.in_flight
        ):
            if is_late():
                self.ended = "the time limit is reached"
            elif (attempt := self._propose()) is None:
                self.ended = "the space has nothing new to try"
            else:
                self._asked += 1
                self._start(attempt)

    def _propose(self) -> Attempt | None:
        """Ask the study for something that has not been tried; None where it has nothing."""
        for _ in range(_MOST_REPEATS):
            handle, varied = self.study.ask()
            try:
                trial = self.request.trial(varied, handle.number)
            except ParamsError as error:
                log.warning("trial %d is not valid: %s", handle.number, error.problems[0])
                self.study.tell(handle.number, "", None, "invalid")
                continue
            twin = self.attempts.get(trial.key)
            if twin is None:
                return self.attempts.begin(trial, handle.number, handle)
            self.study.tell(handle.number, trial.key, twin.value, "duplicate")
        return None

    def _start(self, attempt: Attempt) -> None:
        attempt.state = "running"
        self._flight.append(attempt)
        one_by_one = self._is_stepwise and attempt.handle is not None
        for day in self.attempts.dates[:1] if one_by_one else self.attempts.dates:
            self.runner.add(attempt.trial, day)

    def _prune_or_go_on(self, attempt: Attempt, cell: Cell) -> None:
        """Report a trial's mean over its first dates; start the next date, or give it up."""
        step, dates = len(attempt.cells), self.attempts.dates
        if attempt.state != "running":
            return
        if cell.error is not None:
            attempt.state = "failed"
        else:
            attempt.handle.report(self.attempts.mean(attempt), step)
            if not attempt.handle.should_prune():
                self.runner.add(attempt.trial, dates[step])
                return
            attempt.state = "pruned"
        self.attempts.total -= len(dates) - step

    def _tell(self, attempt: Attempt) -> None:
        if attempt.number is None:
            return
        if attempt.value is not None and self.study.is_over(attempt.number):
            # It failed in an earlier sweep, and a study does not take an answer back.
            self.study.add(attempt.trial, attempt.value)
        else:
            why = None if attempt.state == "complete" else attempt.state
            self.study.tell(attempt.number, attempt.trial.key, attempt.value, why)
