"""Running trials: what is published is taken, the rest goes to the workers, shared work first.

Trials of a sweep often agree in their data and features. Stages that do not depend on everything
that is varied are made once for each distinct set of their parameters, as a task of their own;
trials that need them wait for that task and no other.
"""

import math
import signal
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Final, TypeAlias

from ml_pipeline.errors import PipelineError
from ml_pipeline.params.as_of import AsOf
from ml_pipeline.runs.decider import Decider
from ml_pipeline.runs.decisions import Outcome
from ml_pipeline.runs.stage import Stage
from ml_pipeline.store.record import Record
from ml_pipeline.sweeps.lookup import Looked, Lookup, Shared
from ml_pipeline.sweeps.processes import Ended
from ml_pipeline.sweeps.tasks import Answer, Deferred, Done, Failed, Task, Unusable, Workers
from ml_pipeline.sweeps.trial import Trial

_LIVES: Final = 2
_Key: TypeAlias = tuple[AsOf | None, tuple[str, ...]]

Heard: TypeAlias = Callable[[Trial, Outcome], object]
"""Hears of an artifact that a trial has made, or of the judged one that it has found."""


@dataclass(frozen=True)
class TrialCell:
    """One trial at one date, done or failed.

    Attributes:
        trial: the trial.
        as_of: the date.
        run_id: identity of the judged artifact; empty where it failed.
        metrics: what it came to.
        seconds: what computing it took, with all that it was made from.
        reused: whether nothing had to be computed for it.
        error: why it failed, or None.
    """

    trial: Trial
    as_of: AsOf | None
    run_id: str = ""
    metrics: Mapping[str, float] = field(default_factory=dict)
    seconds: float = 0.0
    reused: bool = False
    error: str | None = None


@dataclass
class _Job:
    """A task and what it is for: a cell, or shared work that a trial was the first to need."""

    task: Task
    trial: Trial
    cell: tuple[Trial, AsOf | None] | None
    shared: Shared
    lives: int = _LIVES


class Runner:
    """Brings trials to the workers and their results back.

    Attributes:
        was_cut: whether something was left out because the time was up.
    """

    def __init__(
        self,
        decider: Decider,
        stages: list[Stage],
        varied_groups: frozenset[str],
        workers: Callable[[int], Workers],
        timeout_s: float | None = None,
        deadline: float = math.inf,
        heard: Heard = lambda _trial, _outcome: None,
    ) -> None:
        """Prepare to run.

        Args:
            decider: pipeline and store, to look up what is published.
            stages: what a trial makes, in order of dependence; the last one judges it.
            varied_groups: names of the groups in which trials differ.
            workers: starts so many workers; called when there is something to compute.
            timeout_s: seconds after which a task is given up.
            deadline: when nothing more is begun, on the clock `time.monotonic`.
            heard: called with every artifact that a trial makes, those that it is made from first,
                and with the judged one of a trial that finds everything there.
        """
        self.lookup = Lookup(decider)
        own = [varied_groups <= set(stage.scope) for stage in stages]
        self.shared_stages = [
            stage for stage, is_own in zip(stages, own, strict=True) if not is_own
        ]
        self.own_stages = [stage for stage, is_own in zip(stages, own, strict=True) if is_own]
        self.timeout_s = timeout_s
        self.deadline = deadline
        self.most_workers = 1
        self.was_cut = False
        self.heard = heard
        self._start_workers = workers
        self._workers: Workers | None = None
        self._shared: dict[_Key, Shared] = {}
        self._found: deque[TrialCell] = deque()
        self._queue: deque[_Job] = deque()

    def add(self, trial: Trial, as_of: AsOf | None) -> bool:
        """Take a cell on.

        Returns:
            Whether it is not done already, as far as can be told yet.
        """
        return self.add_all([(trial, as_of)])[0]

    def add_all(self, cells: Iterable[tuple[Trial, AsOf | None]]) -> list[bool]:
        """Take cells on, as `add` does; where a look takes long, many are looked up at a time."""
        cells = list(cells)
        keys = [self._shared_by(*cell) for cell in cells]
        first: dict[_Key, tuple[Trial, AsOf | None]] = {}
        for key, cell in zip(keys, cells, strict=True):
            first.setdefault(key, cell)
        self._look_up_shared(first)
        shared = (self._shared[key] for key in keys)
        return self._add_own([(*cell, one) for cell, one in zip(cells, shared, strict=True)])

    def finished(self) -> Iterator[TrialCell]:
        """Yield cells as they are done, until nothing is left; more may be added meanwhile."""
        while True:
            if self.is_late:
                self._drop()
            self._feed()
            if self._found:
                yield self._found.popleft()
            elif self._workers is None or not self._workers.has_busy:
                return
            else:
                until = math.inf if self.is_late else self.deadline
                for job, answer in self._workers.answers(until):
                    self._collect(job, answer)

    @property
    def is_late(self) -> bool:
        """Whether the time is up, so that nothing more is begun."""
        return time.monotonic() > self.deadline

    def close(self) -> None:
        """Stop the workers at once."""
        if self._workers is not None:
            self._workers.close()

    def _shared_by(self, trial: Trial, as_of: AsOf | None) -> _Key:
        """Return what tells which upstream artifacts a cell shares with others."""
        slots = tuple(stage.slot(trial.params, as_of).run_id for stage in self.shared_stages)
        return as_of, slots

    def _look_up_shared(self, cells: Mapping[_Key, tuple[Trial, AsOf | None]]) -> None:
        """Look up what cells share, unless that was done, and let what is missing be made."""
        new = {key: cell for key, cell in cells.items() if key not in self._shared}
        asked = [(*cell, Shared(is_ready=True)) for cell in new.values()]
        found = self.lookup.cells(asked, self.shared_stages)
        for (key, (trial, as_of)), looked in zip(new.items(), found, strict=True):
            shared = self._shared[key] = Shared(looked.records)
            if looked.error is not None:
                shared.error, shared.is_ready = looked.error, True
            elif looked.is_complete:
                shared.is_ready = True
            else:
                missing = [s.name for s in self.shared_stages if s.name not in shared.records]
                task = _task(trial, as_of, missing, looked)
                # Before everything else: all that waits for it could not even be looked up.
                self._queue.appendleft(_Job(task, trial, None, shared))

    def _add_own(self, cells: Sequence[tuple[Trial, AsOf | None, Shared]]) -> list[bool]:
        found = self.lookup.cells(cells, self.own_stages)
        return [self._take_on(*cell, one) for cell, one in zip(cells, found, strict=True)]

    def _take_on(self, trial: Trial, as_of: AsOf | None, shared: Shared, looked: Looked) -> bool:
        if not shared.is_ready:
            shared.waiting.append((trial, as_of))
            return True
        if (error := shared.error or looked.error) is not None:
            self._found.append(TrialCell(trial, as_of, error=error))
            return True
        records = looked.records
        if looked.is_complete:
            self._hear(trial, as_of, self.own_stages[-1], records, is_reused=True)
            self._found.append(self._cell(trial, as_of, records, reused=True))
            return False
        names = [stage.name for stage in self.own_stages if stage.name not in records]
        task = _task(trial, as_of, names, looked)
        self._queue.append(_Job(task, trial, (trial, as_of), shared))
        return True

    def _feed(self) -> None:
        """Give every worker that has nothing to do a task."""
        if self._queue and self._workers is None:
            self._workers = self._start_workers(self.most_workers)
        while self._queue and self._workers is not None and self._workers.has_idle:
            job = self._queue.popleft()
            self._workers.give(job.task, job, self.timeout_s)

    def _drop(self) -> None:
        """Give up what has not begun."""
        waiting = [shared.waiting for shared in self._shared.values() if shared.waiting]
        self.was_cut |= bool(self._queue or waiting)
        self._queue.clear()
        for cells in waiting:
            cells.clear()

    def _collect(self, job: _Job, answer: Answer | Ended) -> None:
        if isinstance(answer, Unusable):
            raise PipelineError(answer.reason)
        if isinstance(answer, Deferred):
            # Whatever else there is comes first: by then the other run has published, or it is
            # worth waiting for. Two processes on one grid so share it.
            job.task = replace(job.task, waits=True)
            self._queue.append(job)
            return
        if isinstance(answer, Ended) and answer.exitcode is not None:
            job.lives -= 1
            if job.lives:
                self._queue.appendleft(job)
                return
        if isinstance(answer, Done):
            for stage in (*self.shared_stages, *self.own_stages):
                if stage.name in answer.records:
                    is_reused = stage.name in answer.reused
                    self._hear(job.trial, job.task.as_of, stage, answer.records, is_reused)
        if job.cell is None:
            self._share(job, answer)
        elif isinstance(answer, Done):
            is_reused = len(answer.reused) == len(answer.records)
            records = {**job.task.known, **answer.records}
            self._found.append(self._cell(*job.cell, records, is_reused))
        else:
            self._found.append(TrialCell(*job.cell, error=self._reason(job, answer)))

    def _reason(self, job: _Job, answer: Failed | Ended) -> str:
        """Say why a task failed."""
        if isinstance(answer, Failed):
            return answer.reason
        names = " and ".join(job.task.selection)
        if answer.exitcode is None:
            return f"making {names} took longer than {self.timeout_s:g} s and was stopped"
        if answer.exitcode == -signal.SIGKILL:
            return (
                f"the process that made {names} was killed twice: most likely it needs more memory"
                " than there is"
            )
        by = (
            f"by {signal.Signals(-answer.exitcode).name}"
            if answer.exitcode < 0
            else f"with exit code {answer.exitcode}"
        )
        return f"the process that made {names} ended twice {by}"

    def _share(self, job: _Job, answer: Done | Failed | Ended) -> None:
        shared = job.shared
        shared.is_ready = True
        if isinstance(answer, Done):
            shared.records.update(answer.records)
        else:
            shared.error = self._reason(job, answer)
        waiting = [(trial, as_of, shared) for trial, as_of in shared.waiting]
        shared.waiting.clear()
        self._add_own(waiting)

    def _hear(
        self,
        trial: Trial,
        as_of: AsOf | None,
        stage: Stage,
        records: Mapping[str, Record],
        is_reused: bool,
    ) -> None:
        slot = stage.slot(trial.params, as_of)
        self.heard(trial, Outcome(slot, records[stage.name], is_reused))

    def _cell(
        self, trial: Trial, as_of: AsOf | None, records: Mapping[str, Record], reused: bool
    ) -> TrialCell:
        judged = records[self.own_stages[-1].name]
        return TrialCell(
            trial,
            as_of,
            run_id=judged.run_id,
            metrics=judged.metrics,
            seconds=math.fsum(record.duration_s for record in records.values()),
            reused=reused,
        )


def _task(trial: Trial, as_of: AsOf | None, selection: list[str], looked: Looked) -> Task:
    values, origins = trial.params.values(trial.params.model.groups), dict(trial.params.origins)
    return Task(values, origins, as_of, selection, dict(looked.records), empty=looked.empty)
