"""A fixed number of processes, each with one piece of work at a time, any of which may die of it.

Every process has a pipe of its own and nothing in common with its neighbours, so one that is
killed, at whatever instant, takes only its own work with it; and nothing is polled.
"""

import math
import multiprocessing
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from typing import TYPE_CHECKING, Any, Final, Generic, TypeVar

from ml_pipeline.errors import PipelineError

if TYPE_CHECKING:
    from multiprocessing.context import BaseContext

READY: Final = "ready"
_MOST_FALSE_STARTS: Final = 3
_GRACE_S: Final = 1.0
"""How long a process that has closed its pipe may take to end, so that its exit code is its own."""

Answer = TypeVar("Answer")


@dataclass(frozen=True)
class Ended:
    """A process has ended without an answer.

    Attributes:
        exitcode: its exit code, or None where it was stopped because it took too long.
    """

    exitcode: int | None


class _Place:
    """Where one process works; when it has ended, another takes its place."""

    def __init__(self, start: "Callable[[], tuple[BaseProcess, Connection]]") -> None:
        self._start = start
        self.work: Any = None
        self.purpose: Any = None
        self.timeout_s: float | None = None
        self.deadline = math.inf
        self.is_busy = self.is_ready = False
        self.false_starts = 0
        self._process, self.pipe = start()

    def begin(self) -> None:
        """Start the clock, if the process is ready to work."""
        limit = math.inf if self.timeout_s is None or not self.is_ready else self.timeout_s
        self.deadline = time.monotonic() + limit

    def give(self, work: Any) -> None:
        if not self._process.is_alive():
            # It died while it had nothing to do: no fault of the work's.
            self.replace()
        try:
            self.pipe.send(work)
        except OSError:
            self.replace()
            self.pipe.send(work)

    def start_again(self) -> None:
        """Replace a process that ended before it was ready: no fault of the work's either."""
        exitcode = self.replace(_GRACE_S)
        self.false_starts += 1
        if self.false_starts == _MOST_FALSE_STARTS:
            raise PipelineError(
                "Worker processes must be able to import the pipeline and to start, but"
                f" {self.false_starts} in a row ended with exit code {exitcode}. What they printed"
                ' says why. A script must sweep under `if __name__ == "__main__":`.'
            )
        self.give(self.work)

    def replace(self, grace_s: float = 0.0) -> int | None:
        exitcode = self.clear(grace_s)
        self.is_ready = False
        self._process, self.pipe = self._start()
        return exitcode

    def clear(self, grace_s: float = 0.0) -> int | None:
        """Kill the process, unless it ends by itself in time; return its exit code."""
        self._process.join(grace_s)
        self._process.kill()
        self._process.join()
        self.pipe.close()
        return self._process.exitcode


class Processes(Generic[Answer]):
    """Starts processes, hands them work and brings their answers back."""

    def __init__(
        self, count: int, context: "BaseContext", serve: Callable[..., None], *arguments: Any
    ) -> None:
        """Start them; they get ready while the caller goes on.

        Args:
            count: how many.
            context: how they are started.
            serve: what they do: takes a connection and the arguments, sends `READY` once it is
                prepared, then receives work and sends an answer for each, until it is closed.
            *arguments: for `serve`.
        """

        def start() -> "tuple[BaseProcess, Connection]":
            ours, theirs = context.Pipe()
            with theirs:
                process: BaseProcess = context.Process(  # type: ignore[attr-defined]
                    target=serve, args=(theirs, *arguments)
                )
                try:
                    process.start()
                except (OSError, EOFError) as error:
                    ours.close()
                    raise PipelineError(
                        "Worker processes must be able to import the pipeline and to start, but"
                        f" do not: {type(error).__name__}: {error}. Their output says more."
                    ) from error
            return process, ours

        _may_have_children()
        self.count = count
        self._places: list[_Place] = []
        self._interrupted, self._interrupt = context.Pipe(duplex=False)
        try:
            for _ in range(count):
                self._places.append(_Place(start))
        except BaseException:
            self.close()
            raise

    @property
    def has_idle(self) -> bool:
        """Whether there is one without work."""
        return not all(place.is_busy for place in self._places)

    @property
    def has_busy(self) -> bool:
        """Whether there is one at work."""
        return any(place.is_busy for place in self._places)

    def give(self, work: Any, purpose: Any, timeout_s: float | None) -> None:
        """Hand work to one that has none.

        Args:
            work: what to do.
            purpose: comes back with the answer.
            timeout_s: seconds after which it is killed and replaced, if there is a limit; the time
                to get ready does not count.
        """
        place = next(place for place in self._places if not place.is_busy)
        place.give(work)
        place.work, place.purpose, place.timeout_s = work, purpose, timeout_s
        place.is_busy = True
        place.begin()

    def answers(self, until: float = math.inf) -> Iterator[tuple[Any, Answer | Ended]]:
        """Wait for an answer; yield whatever there is by then with what it was for.

        Args:
            until: when to stop waiting, on the clock `time.monotonic`; once interrupted, nobody
                waits.
        """
        busy = [place for place in self._places if place.is_busy]
        first = min([until, *(place.deadline for place in busy)])
        timeout = None if math.isinf(first) else max(0.0, first - time.monotonic())
        ready = wait([*(place.pipe for place in busy), self._interrupted], timeout)
        now = time.monotonic()
        for place in busy:
            answer: Answer | Ended
            if place.pipe in ready:
                try:
                    answer = place.pipe.recv()
                except (EOFError, OSError):
                    if not place.is_ready:
                        place.start_again()
                        continue
                    answer = Ended(place.replace(_GRACE_S))
                if answer == READY:
                    place.is_ready, place.false_starts = True, 0
                    place.begin()
                    continue
            elif place.deadline <= now:
                place.replace()
                answer = Ended(None)
            else:
                continue
            place.is_busy = False
            yield place.purpose, answer

    def interrupt(self) -> None:
        """Let whoever waits for answers go on; the one method for other threads."""
        self._interrupt.send(None)

    def close(self) -> None:
        """Kill them all."""
        while self._places:
            self._places.pop().clear()
        self._interrupt.close()
        self._interrupted.close()


def _may_have_children() -> None:
    """Let this process start others, though Dask's nanny or a Celery worker may have started it.

    Both make daemons, which may not. Celery's own kind of process has a key besides that cannot be
    given to others. Those that are started here end with this process by themselves.
    """
    here = multiprocessing.current_process()
    here.daemon = False
    vars(BaseProcess)["authkey"].fset(here, bytes(here.authkey))
