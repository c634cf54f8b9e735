"""Workers on a Dask cluster: Dask brings the same tasks to other machines and notices dead ones."""

import math
import queue
import signal
import time
import uuid
from asyncio import CancelledError
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from ml_pipeline.errors import PipelineError, told
from ml_pipeline.store.artifacts import CLAIMS, ArtifactStore
from ml_pipeline.store.owner import token
from ml_pipeline.sweeps.processes import Ended
from ml_pipeline.sweeps.tasks import Answer, Site, Task, Unusable

if TYPE_CHECKING:
    from distributed import Client, Future

_REACHED_S: Final = 10
_WORKERS_S: Final = 30
_NOTICED_S: Final = 0.5
"""A Ctrl-C that comes in the instant before a wait for a queue does not end it."""
_LOOK_S: Final = 2.0
"""How often is looked whether there is a worker, while a sweep waits."""
_ABSENT_S: Final = 5.0
"""Without a worker for so long, a sweep says so; then again after twice the time. A worker that
dies is replaced by its nanny in less."""
_INSTALL: Final = "pip install 'ml_pipeline[dask]'"
_SCHEDULER: Final = "ML_PIPELINE_SCHEDULER"


@dataclass(frozen=True)
class DaskCluster:
    """Machines behind a Dask scheduler.

    Attributes:
        address: such as ``tcp://host:8786``, or the path of the JSON file that a scheduler writes.
    """

    address: str

    @property
    def start(self) -> str:
        """What starts a worker of it."""
        given = "--scheduler-file " if self._is_file else ""
        return f"`dask worker {given}{self.address}`"

    @property
    def _is_file(self) -> bool:
        return self.address.endswith(".json")

    def connected(self) -> "Client":
        """Connect to the scheduler.

        Raises:
            PipelineError: if it cannot be reached, or the package is missing.
        """
        try:
            from distributed import Client
        except ImportError as error:
            raise PipelineError(
                f"{_SCHEDULER} needs the package distributed, which is not installed: {_INSTALL}."
            ) from error
        kind = "scheduler_file" if self._is_file else "address"
        try:
            if self._is_file and not Path(self.address).exists():
                # Dask would wait for it, for ever.
                raise FileNotFoundError("there is no such file")
            return Client(**{kind: self.address}, timeout=_REACHED_S, set_as_default=False)
        except (OSError, ValueError, CancelledError) as error:
            # Where an event loop runs already, waiting for it too long is told as cancelled.
            why = "it took too long" if isinstance(error, CancelledError) else told(error)
            raise PipelineError(
                f"A Dask scheduler must answer at {self.address}, but does not: {why}."
                f" Start one with `dask scheduler`, correct {_SCHEDULER}, or unset it to compute"
                " here."
            ) from error

    def seats(self) -> int:
        """Return how many tasks the cluster computes at once; waits until there is a worker.

        Raises:
            PipelineError: if the scheduler cannot be reached, or has no workers.
        """
        with self.connected() as client:
            try:
                client.wait_for_workers(1, timeout=_WORKERS_S)
            except TimeoutError as error:
                raise PipelineError(
                    f"The Dask scheduler at {self.address} must have a worker, but has had none for"
                    f" {_WORKERS_S} s. Start one: {self.start}. Where they are started only when"
                    " there is work, say how many there may be: --workers."
                ) from error
            return sum(client.nthreads().values())

    def workers(self, site: Site, count: int, notice: Callable[[str], None]) -> "DaskWorkers":
        """Let every worker prepare for a site.

        Raises:
            PipelineError: if the scheduler cannot be reached, or the pipeline is in a script.
        """
        return DaskWorkers(site, count, self, notice)


class _Attendance:
    """Says that a cluster has no worker while a sweep waits for one, and that one has come."""

    def __init__(self, cluster: DaskCluster, notice: Callable[[str], None]) -> None:
        self._cluster = cluster
        self._notice = notice
        self._look_at = time.monotonic() + _LOOK_S
        self._absent_since: float | None = None
        self._say_after = _ABSENT_S

    def look(self, client: "Client") -> None:
        """Look, unless that was done a moment ago."""
        now = time.monotonic()
        if now < self._look_at:
            return
        self._look_at = now + _LOOK_S
        try:
            count = len(client.nthreads())
        except (OSError, CancelledError):
            # The scheduler has gone: the tasks will say so.
            return
        if count:
            self._came()
            return
        if self._absent_since is None:
            self._absent_since = now
        absent_s = now - self._absent_since
        if absent_s >= self._say_after:
            self._say_after = 2 * absent_s
            self._notice(
                f"The Dask scheduler at {self._cluster.address} has had no worker for"
                f" {absent_s:.0f} s: the sweep waits until there is one. Start one:"
                f" {self._cluster.start}."
            )

    def _came(self) -> None:
        if self._say_after > _ABSENT_S:
            self._notice("A Dask worker has come: the sweep goes on.")
        self._absent_since, self._say_after = None, _ABSENT_S


class DaskWorkers:
    """The workers of a Dask cluster, for one site."""

    def __init__(
        self, site: Site, count: int, cluster: DaskCluster, notice: Callable[[str], None]
    ) -> None:
        """Connect, and let every worker prepare.

        Args:
            site: what workers need to know.
            count: most tasks that are handed out at once.
            cluster: the machines.
            notice: called with a line where tasks wait for a worker that is not there.

        Raises:
            PipelineError: if the scheduler cannot be reached, or the pipeline is in a script.
        """
        if "__main__" in site.modules:
            raise PipelineError(
                f"On a Dask cluster ({_SCHEDULER}) a pipeline must be in a module that its workers"
                " can import, but this one is in a script. Move it to a module, or unset it."
            )
        self.count = count
        self._address = cluster.address
        self._attendance = _Attendance(cluster, notice)
        self._name = f"ml_pipeline-{uuid.uuid4().hex}"
        self._store = ArtifactStore(site.store)
        self._sign = f"{CLAIMS}/{self._name}"
        self._busy: dict[Future[Answer | Ended], Any] = {}
        self._over: queue.SimpleQueue[Future[Answer | Ended]] = queue.SimpleQueue()
        self._client = cluster.connected()
        try:
            # Workers that do not see it look into another store.
            self._store.put_if_absent(self._sign, token().encode())
            from ml_pipeline.sweeps.dask_worker import Bench, places

            bench = Bench(self._name, site, self._sign, places(site.environment))
            self._client.register_plugin(bench)
        except BaseException:
            self.close()
            raise

    @property
    def has_idle(self) -> bool:
        """Whether another task may be handed out."""
        return len(self._busy) < self.count

    @property
    def has_busy(self) -> bool:
        """Whether there is a task without an answer."""
        return bool(self._busy)

    def give(self, work: Task, purpose: Any, timeout_s: float | None) -> None:
        """Hand a task to whichever worker is free first.

        Args:
            work: the task.
            purpose: comes back with the answer.
            timeout_s: seconds after which its computation is given up.
        """
        from ml_pipeline.sweeps.dask_worker import compute

        future = self._client.submit(compute, self._name, work, timeout_s, pure=False)
        self._busy[future] = purpose
        future.add_done_callback(self._over.put)

    def answers(self, until: float = math.inf) -> Iterator[tuple[Any, Answer | Ended]]:
        """Wait for an answer; yield whatever there is by then with what it was for.

        Args:
            until: when to stop waiting, on the clock `time.monotonic`.

        Raises:
            PipelineError: if the scheduler has gone.
        """
        over: list[Future[Answer | Ended]] = []
        while not over:
            left_s = max(0.0, until - time.monotonic())
            try:
                over.append(self._over.get(timeout=min(left_s, _NOTICED_S)))
            except queue.Empty:
                self._attendance.look(self._client)
                if left_s < _NOTICED_S:
                    return
        while not self._over.empty():
            over.append(self._over.get())
        for future in over:
            yield self._busy.pop(future), self._answer(future)

    def _answer(self, future: "Future[Answer | Ended]") -> Answer | Ended:
        from distributed import KilledWorker

        if future.status == "finished":
            return future.result()
        if future.status == "error":
            error = future.exception()
            if isinstance(error, KilledWorker):
                return Ended(-signal.SIGKILL)
            return Unusable(f"A worker of {self._address} cannot work: {told(error)}")
        raise PipelineError(
            f"The Dask scheduler at {self._address} must stay until a sweep is over, but has gone."
            " Start the sweep again when it is back: what is done is reused."
        )

    def close(self) -> None:
        """End what is being computed, and leave the cluster as it was."""
        try:
            self._client.cancel(list(self._busy))
            self._busy.clear()
            if self._client.status == "running":
                self._client.unregister_worker_plugin(self._name)
        finally:
            # Another Ctrl-C may come meanwhile.
            try:
                self._client.close(timeout=_REACHED_S)
            finally:
                self._store.remove(self._sign)
