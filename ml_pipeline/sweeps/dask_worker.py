"""Beside one Dask worker: processes that compute what it is given.

A task has a process of its own, as on one machine, so that a limit of time or memory, a crash or
the end of the sweep ends that computation and not the worker. They are forked from a server that
has the pipeline's imports, and wait for the next task for a while.
"""

import os
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any, Final, cast

from distributed import Reschedule, Worker, WorkerPlugin, get_worker

from ml_pipeline.current import current_environment, in_environment
from ml_pipeline.errors import MlPipelineError, told
from ml_pipeline.store.artifacts import ArtifactStore
from ml_pipeline.sweeps.processes import Ended
from ml_pipeline.sweeps.tasks import Answer, Site, Task, Unusable
from ml_pipeline.sweeps.workers import LocalWorkers

_IDLE_S: Final = 60.0
"""Processes without work for so long end: the sweep that they are for may have been killed."""
_LOOK_S: Final = 2.0
"""How often a worker looks whether what it computes is still wanted."""


def places(environment: str | None) -> dict[str, str]:
    """Return what the names of sources stand for here, in full."""
    with in_environment(environment):
        return {name: str(place) for name, place in current_environment().sources.items()}


def compute(name: str, task: Task, timeout_s: float | None) -> Answer | Ended:
    """Compute a task beside the Dask worker that this runs in.

    Args:
        name: of the sweep's `Bench`.
        task: what to do.
        timeout_s: seconds after which it is given up.
    """
    worker = get_worker()
    key = worker.get_current_task()

    def is_wanted() -> bool:
        known = worker.state.tasks.get(key)
        return known is not None and known.state == "executing"

    bench = cast("Bench", worker.plugins[name])
    return bench.compute(task, timeout_s, is_wanted)


class Bench(WorkerPlugin):
    """Where tasks of one sweep are computed beside a Dask worker."""

    def __init__(self, name: str, site: Site, sign: str, places: dict[str, str]) -> None:
        """Describe it; it is sent to every worker, those that come later included.

        Args:
            name: of the sweep.
            site: what computing needs to know once.
            sign: an object that the sweep has left in its store.
            places: what the names of sources stand for where the sweep is.
        """
        self.name = name
        self.site = site
        self.sign = sign
        self.places = places

    def setup(self, worker: Worker) -> None:
        """Settle beside a worker."""
        # OpenMP takes a list, a number for each level: 4,2.
        asked = os.environ.get("OMP_NUM_THREADS", "").partition(",")[0].strip()
        threads = int(asked) if asked.isdecimal() and int(asked) else 1
        self.site = replace(self.site, output=None, threads=threads)
        self._lock = threading.Lock()
        self._free: list[LocalWorkers] = []
        self._busy: list[LocalWorkers] = []
        self._is_over = False
        self._problem: str | None = None
        self._is_checked = False
        self._idle: threading.Timer | None = None

    def compute(
        self, task: Task, timeout_s: float | None, is_wanted: Callable[[], bool]
    ) -> Answer | Ended:
        """Compute a task in a process that has nothing else to do, and wait for it.

        Args:
            task: what to do.
            timeout_s: seconds after which it is given up.
            is_wanted: whether somebody still waits for it: a sweep that is killed says no word.

        Raises:
            Reschedule: if the Dask worker or the sweep ended first; of a worker, another one takes
                the task.
        """
        taken = self._take()
        if isinstance(taken, Unusable):
            return taken
        answers: list[tuple[Any, Answer | Ended]] = []
        try:
            taken.give(task, None, timeout_s)
            while not answers and not self._is_over and is_wanted():
                answers = list(taken.answers(time.monotonic() + _LOOK_S))
        finally:
            self._put_back(taken, is_usable=bool(answers))
        if not answers:
            raise Reschedule
        return answers[0][1]

    def teardown(self, worker: Worker) -> None:
        """End everything that is being computed."""
        with self._lock:
            self._is_over = True
            # Only the thread that waits for a process may end it.
            for started in self._busy:
                started.interrupt()
            self._leave()

    def _take(self) -> LocalWorkers | Unusable:
        with self._lock:
            if not self._is_checked:
                self._problem, self._is_checked = self._found(), True
            if self._problem is not None:
                return Unusable(self._problem)
            if self._is_over:
                raise Reschedule
            if self._idle is not None:
                self._idle.cancel()
            taken = self._free.pop() if self._free else LocalWorkers(self.site, 1)
            self._busy.append(taken)
            return taken

    def _put_back(self, taken: LocalWorkers, *, is_usable: bool) -> None:
        with self._lock:
            self._busy.remove(taken)
            if self._is_over or not is_usable:
                taken.close()
                return
            self._free.append(taken)
            if not self._busy:
                self._idle = threading.Timer(_IDLE_S, self._rest)
                self._idle.daemon = True
                self._idle.start()

    def _rest(self) -> None:
        with self._lock:
            if not self._busy:
                self._leave()

    def _leave(self) -> None:
        while self._free:
            self._free.pop().close()

    def _found(self) -> str | None:
        """Say why nothing may be computed here: it would not be what the sweep asks for."""
        here = f"on the machine of the Dask worker {os.uname().nodename}"
        try:
            if ArtifactStore(self.site.store).read(self.sign) is None:
                return (
                    f"The store must be one that every worker reaches, but {here} {self.site.store}"
                    " is another. Set ML_PIPELINE_STORE to a bucket, or to a folder they share."
                )
            found = places(self.site.environment)
        except MlPipelineError as error:
            return f"Nothing can be computed {here}: {told(error)}"
        if found != self.places:
            return (
                f"Sources must be the same on every machine, but {here} they are"
                f" {found or 'none'}, and {self.places or 'none'} where the sweep was started. Give"
                " workers the same settings.toml and ML_PIPELINE_HOME."
            )
        return None
