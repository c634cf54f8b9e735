"""Running trials: what is published is taken, the rest goes to the workers, shared work first.

Trials of a sweep often agree in their data and features. Stages that do not depend on everything
that is varied are made once for each distinct set of their parameters, as a task of their own;
trials that need them wait for that task and no other.
"""

import math
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import FIRST_COMPLETED, Future, wait
from dataclasses import dataclass, field
from datetime import date
from typing import Final

from ml_pipeline.errors import MlPipelineError, told
from ml_pipeline.record import Record
from ml_pipeline.reuse import Materializer
from ml_pipeline.stages import Stage
from ml_pipeline.sweeps.request import Trial
from ml_pipeline.sweeps.workers import Made, Task, Workers

_LIVES: Final = 2


@dataclass(frozen=True)
class Cell:
    """One trial at one date, done or failed.

    Attributes:
        trial: the trial.
        as_of: the date.
        run_id: identity of the judged artifact; empty where it failed.
        revision: its revision.
        code: fingerprint of the code that judged.
        metrics: what it came to.
        seconds: what the trial's own stages took when they were computed.
        reused: whether nothing had to be computed for it.
        error: why it failed, or None.
    """

    trial: Trial
    as_of: date | None
    run_id: str = ""
    revision: str = ""
    code: str = ""
    metrics: Mapping[str, float] = field(default_factory=dict)
    seconds: float = 0.0
    reused: bool = False
    error: str | None = None


@dataclass
class _Shared:
    """Upstream artifacts that several trials may read.

    Attributes:
        records: by stage name, complete once they are all published.
        waiting: what needs them.
        error: why they cannot be made.
    """

    records: dict[str, Record] = field(default_factory=dict)
    waiting: list[tuple[Trial, date | None]] = field(default_factory=list)
    is_ready: bool = False
    error: str | None = None


@dataclass
class _Job:
    """A task and what it is for: a cell, or shared work."""

    task: Task
    cell: tuple[Trial, date | None] | None
    shared: _Shared
    lives: int = _LIVES


class Runner:
    """Brings trials to the workers and their results back."""

    def __init__(
        self,
        materializer: Materializer,
        stages: list[Stage],
        varied_groups: frozenset[str],
        workers: Callable[[int], Workers],
        timeout_s: float | None = None,
    ) -> None:
        """Prepare to run.

        Args:
            materializer: pipeline and store, to look up what is published.
            stages: what a trial makes, in order of dependence; the last one judges it.
            varied_groups: names of the groups in which trials differ.
            workers: starts so many workers; called when there is something to compute.
            timeout_s: seconds after which a cell is given up.
        """
        self.materializer = materializer
        own = [varied_groups <= set(stage.scope) for stage in stages]
        self.shared_stages = [
            stage for stage, is_own in zip(stages, own, strict=True) if not is_own
        ]
        self.own_stages = [stage for stage, is_own in zip(stages, own, strict=True) if is_own]
        self.timeout_s = timeout_s
        self.most_workers = 1
        self._start_workers = workers
        self._workers: Workers | None = None
        self._shared: dict[tuple[date | None, tuple[str, ...]], _Shared] = {}
        self._found: deque[Cell] = deque()
        self._queue: deque[_Job] = deque()
        self._running: dict[Future[Made], _Job] = {}

    def add(self, trial: Trial, as_of: date | None) -> bool:
        """Take a cell on.

        Returns:
            Whether something has to be computed for it, as far as can be told yet.
        """
        slots = tuple(stage.slot(trial.params, as_of).run_id for stage in self.shared_stages)
        shared = self._shared.get((as_of, slots))
        if shared is None:
            shared = self._shared[as_of, slots] = self._look_up_shared(trial, as_of)
        if not shared.is_ready:
            shared.waiting.append((trial, as_of))
            return True
        return self._add_own(trial, as_of, shared)

    def finished(self) -> Iterator[Cell]:
        """Yield cells as they are done, until nothing is left; more may be added meanwhile."""
        while self._found or self._queue or self._running:
            while self._found:
                yield self._found.popleft()
            self._feed()
            if not self._running:
                continue
            done, _ = wait(self._running, return_when=FIRST_COMPLETED)
            for future in done:
                self._collect(self._running.pop(future), future)

    def drop(self) -> bool:
        """Give up what has not begun; return whether there was any."""
        had = bool(self._queue)
        self._queue.clear()
        for shared in self._shared.values():
            shared.waiting.clear()
        return had

    def close(self) -> None:
        """Stop the workers at once."""
        if self._workers is not None:
            self._workers.close()

    def _look_up_shared(self, trial: Trial, as_of: date | None) -> _Shared:
        shared = _Shared()
        try:
            complete = self._look_up(self.shared_stages, trial, as_of, shared.records)
        except MlPipelineError as error:
            shared.error, shared.is_ready = str(error), True
            return shared
        if complete:
            shared.is_ready = True
        else:
            missing = [s.name for s in self.shared_stages if s.name not in shared.records]
            task = _task(trial, as_of, missing, shared.records)
            # Before everything else: all that waits for it could not even be looked up.
            self._queue.appendleft(_Job(task, None, shared))
        return shared

    def _add_own(self, trial: Trial, as_of: date | None, shared: _Shared) -> bool:
        if shared.error is not None:
            self._found.append(Cell(trial, as_of, error=shared.error))
            return False
        records = dict(shared.records)
        try:
            complete = self._look_up(self.own_stages, trial, as_of, records)
        except MlPipelineError as error:
            self._found.append(Cell(trial, as_of, error=str(error)))
            return False
        if complete:
            own = {stage.name: records[stage.name] for stage in self.own_stages}
            self._found.append(self._cell(trial, as_of, own, reused=True))
            return False
        names = [stage.name for stage in self.own_stages if stage.name not in records]
        self._queue.append(_Job(_task(trial, as_of, names, records), (trial, as_of), shared))
        return True

    def _look_up(
        self, stages: list[Stage], trial: Trial, as_of: date | None, records: dict[str, Record]
    ) -> bool:
        """Add the records of what is published; stop at the first that is not."""
        for stage in stages:
            found = self.materializer.decide(stage, trial.params, as_of, records).reuse
            if found is None:
                return False
            records[stage.name] = found
        return True

    def _feed(self) -> None:
        """Keep every worker busy with one task in hand, and no more: the rest can still change."""
        if self._queue and self._workers is None:
            self._workers = self._start_workers(self.most_workers)
        while self._queue and self._workers and len(self._running) < 2 * self._workers.count:
            job = self._queue.popleft()
            self._running[self._workers.submit(job.task, self.timeout_s)] = job

    def _collect(self, job: _Job, future: "Future[Made]") -> None:
        from pebble import ProcessExpired

        raised = future.exception()
        made = future.result() if raised is None else None
        error = None
        if isinstance(raised, TimeoutError):
            error = f"it took longer than {self.timeout_s:g} s and was stopped"
        elif isinstance(raised, ProcessExpired):
            job.lives -= 1
            if job.lives:
                self._queue.appendleft(job)
                return
            error = _death(raised.exitcode)
        elif raised is not None:
            error = told(raised)
        if job.cell is None:
            self._share(job.shared, made, error)
        elif made is not None:
            trial, as_of = job.cell
            own = {**job.task.known, **made.records}
            own = {stage.name: own[stage.name] for stage in self.own_stages}
            is_reused = len(made.reused) == len(made.records)
            self._found.append(self._cell(trial, as_of, own, is_reused))
        else:
            self._found.append(Cell(*job.cell, error=error))

    def _share(self, shared: _Shared, made: Made | None, error: str | None) -> None:
        shared.is_ready, shared.error = True, error
        if made is not None:
            shared.records.update(made.records)
        for trial, as_of in shared.waiting:
            self._add_own(trial, as_of, shared)
        shared.waiting.clear()

    def _cell(
        self, trial: Trial, as_of: date | None, own: Mapping[str, Record], reused: bool
    ) -> Cell:
        judged = own[self.own_stages[-1].name]
        return Cell(
            trial,
            as_of,
            run_id=judged.run_id,
            revision=judged.revision,
            code=judged.code,
            metrics=judged.metrics,
            seconds=math.fsum(record.duration_s for record in own.values()),
            reused=reused,
        )


def _task(
    trial: Trial, as_of: date | None, selection: list[str], known: Mapping[str, Record]
) -> Task:
    values = trial.params.values(trial.params.model.groups)
    return Task(values, dict(trial.params.origins), as_of, selection, dict(known))


def _death(exitcode: int) -> str:
    if exitcode in (-9, 137):
        return "its process was killed twice: most likely it needs more memory than there is"
    return f"its process died twice, with exit code {exitcode}"
