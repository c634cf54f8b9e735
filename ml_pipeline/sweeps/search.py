"""Searching: trials are proposed one after the other, by what came of those before.

Results are told in the order of the proposals, so what is proposed depends on the seed and on how
many trials are in flight, and not on which worker was faster. (Whether a trial is pruned does
depend on what the others had reported by then.)
"""

import logging
import warnings
from collections.abc import Iterator, Sequence
from types import TracebackType
from typing import Final, Self

from ml_pipeline.errors import ParamsError
from ml_pipeline.sweeps.attempts import Attempt, Attempts
from ml_pipeline.sweeps.request import SweepRequest
from ml_pipeline.sweeps.runner import Runner, TrialCell
from ml_pipeline.sweeps.study import Earlier, Study

_MOST_REPEATS: Final = 50
_TIME_IS_UP: Final = "the time limit is reached"
_NOTHING_NEW: Final = "the strategy has nothing new to try"

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
            runner: computes, until the time is up.
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
        self._is_stepwise = request.options.pruner != "none"

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Leave what is unfinished to whoever takes the study up next."""
        for attempt in self._flight:
            if attempt.number is not None:
                self.study.leave(attempt.number)

    def resume(self, earlier: Sequence[Earlier]) -> None:
        """Take up what an earlier sweep left: failed and unfinished trials run again."""
        for known in earlier:
            if known.state in ("failed", "running"):
                attempt = self.attempts[known.trial.key]
                attempt.handle = self.study.begin(known.number, known.trial.key)
                self._start(attempt)

    def run(self) -> Iterator[TrialCell]:
        """Search, yielding each cell as it is done."""
        self._propose_more()
        for cell in self.runner.finished():
            attempt = self.attempts.take(cell)
            if self._is_stepwise and attempt.handle is not None:
                self._prune_or_go_on(attempt, cell)
            # One by one: what is proposed next must not depend on who else is done by now.
            while self._flight and self._flight[0].state != "running":
                self._tell(self._flight.pop(0))
                self._propose_more()
            yield cell
        if self.runner.was_cut:
            self.ended = _TIME_IS_UP

    def _propose_more(self) -> None:
        while self.ended is None and len(self._flight) < self.in_flight:
            missing = self.request.options.n_trials - len(self.study.tried())
            if missing <= 0:
                return
            attempt = None if self.runner.is_late else self._propose()
            if attempt is None:
                self.ended = _TIME_IS_UP if self.runner.is_late else _NOTHING_NEW
                self.attempts.total -= missing * len(self.attempts.dates)
            else:
                self._start(attempt)

    def _propose(self) -> Attempt | None:
        """Ask the study for something that has not been tried; None where it has nothing."""
        if len(self.attempts) >= self.request.size:
            return None
        for _ in range(_MOST_REPEATS):
            number, varied = self.study.ask()
            try:
                trial = self.request.trial(varied, number)
            except ParamsError as error:
                log.warning("trial %d is not valid: %s", number, error.problems[0])
                self.study.tell(number, None, "invalid")
                continue
            if trial.key not in self.attempts and trial.key not in self.study.tried():
                handle = self.study.begin(number, trial.key)
                return self.attempts.begin(trial, number, handle)
            self.study.tell(number, self._known_value(trial.key), "duplicate")
        return None

    def _known_value(self, key: str) -> float | None:
        """Return what came of a parameter set, if the study has been told already."""
        twin = self.attempts.get(key)
        if twin is None or any(twin is attempt for attempt in self._flight):
            return None
        return twin.value

    def _start(self, attempt: Attempt) -> None:
        attempt.state = "running"
        self._flight.append(attempt)
        one_by_one = self._is_stepwise and attempt.handle is not None
        for day in self.attempts.dates[:1] if one_by_one else self.attempts.dates:
            self.runner.add(attempt.trial, day)

    def _prune_or_go_on(self, attempt: Attempt, cell: TrialCell) -> None:
        """Report a trial's mean over its first dates; start the next date, or give it up."""
        step, dates = len(attempt.cells), self.attempts.dates
        if attempt.state != "running":
            return
        if cell.error is not None:
            attempt.state = "failed"
        else:
            with warnings.catch_warnings():
                # What was reported before the sweep was interrupted is the same.
                warnings.simplefilter("ignore")
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
            self.study.tell(attempt.number, attempt.value, why)
