"""Runs of a toy pipeline in processes of their own, which may die.

Processes are forked from a server that has imported everything and done nothing, so each begins
within milliseconds and knows nothing of the others.
"""

import contextlib
import functools
import importlib
import multiprocessing
import os
import signal
import sys
import traceback
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from ml_pipeline.errors import ArtifactDamaged, MlPipelineError
from ml_pipeline.runs import point
from ml_pipeline.runs.materializer import Materializer
from ml_pipeline.store import claims
from ml_pipeline.store.artifacts import ArtifactStore
from ml_pipeline_tests.toys.pipeline import plain, toy

_PRODUCT = str(Path(point.__file__).parents[1])

_FORKS = multiprocessing.get_context("forkserver")
_FORKS.set_forkserver_preload([__name__, "skops.io", "dagster", "__main__"])


@dataclass(frozen=True)
class Job:
    """A run.

    Attributes:
        store: root of the store.
        home: what ``TOY_HOME`` is to be.
        params: values by name.
        dates: ISO dates, each run by itself, one after the other.
        selection: stages wanted.
        code: directory of a module ``edited`` that holds the pipeline, instead of the toy's.
        lease_s: how long to wait for a silent holder of a claim.
        die_at: number of the line of the package's code at which the process kills itself.
        largest_file: bytes beyond which no file may grow.
        waits: whether to wait for `Running.go_on` between importing the pipeline and running it.
    """

    store: str
    home: str
    params: Mapping[str, Any] = field(default_factory=dict)
    dates: Sequence[str] = ("2026-01-05",)
    selection: Sequence[str] | None = None
    code: str | None = None
    lease_s: float = 0.15
    die_at: int | None = None
    largest_file: int | None = None
    waits: bool = False


@dataclass(frozen=True)
class Made:
    """What became of one stage."""

    stage: str
    reused: bool
    reason: str
    directory: str
    value: Any


@dataclass(frozen=True)
class Report:
    """What a run came to.

    Attributes:
        made: outcomes by date.
        errors: type and message by date, of the dates that failed.
        lines: how many lines of the package's code ran, if they were counted.
    """

    made: dict[str, list[Made]]
    errors: dict[str, tuple[str, str]]
    lines: int = 0

    def values(self, day: str = "2026-01-05") -> dict[str, Any]:
        """Return the loaded values of a date by stage."""
        return {one.stage: one.value for one in self.made[day]}

    def computed(self, day: str = "2026-01-05") -> list[str]:
        """Return the stages that were computed at a date."""
        return [one.stage for one in self.made[day] if not one.reused]


class Running:
    """A run that has been started."""

    def __init__(self, job: Job) -> None:
        ours, theirs = _FORKS.Pipe()
        self.process = _FORKS.Process(target=_perform, args=(job, theirs))
        self.process.start()
        theirs.close()
        self._answer = ours

    def wait(self, timeout: float = 60) -> Report | None:
        """Return the report, or None if the process died without one."""
        report = None
        with contextlib.suppress(EOFError, OSError):
            if self._answer.poll(timeout):
                report = self._answer.recv()
        self.process.join(timeout)
        assert self.process.exitcode is not None, "the run hangs"
        self._answer.close()
        self.process.close()
        return report

    def imported(self) -> None:
        """Return once the pipeline has been imported."""
        assert self._answer.recv() == "imported"

    def go_on(self) -> None:
        """Let the run begin."""
        self._answer.send("go on")

    def signal(self, number: int) -> None:
        """Send a signal, if the process is still there."""
        if self.process.is_alive() and self.process.pid is not None:
            os.kill(self.process.pid, number)


def survives(function: Callable[..., None], *arguments: object) -> bool:
    """Call a function in a process of its own and tell whether it came to its end."""
    process = _FORKS.Process(target=function, args=arguments)
    process.start()
    process.join(120)
    return process.exitcode == 0


def run(job: Job) -> Report:
    """Run to the end."""
    report = Running(job).wait()
    assert report is not None, "the run died"
    return report


def _perform(job: Job, answer: Connection) -> None:
    os.environ["TOY_HOME"] = job.home
    sys.dont_write_bytecode = True
    # Leases are constants of the package; waiting for fifteen seconds is no pastime for tests.
    point.claimed = functools.partial(claims.claimed, lease_s=job.lease_s)
    if job.largest_file is not None:
        import resource

        resource.setrlimit(resource.RLIMIT_FSIZE, (job.largest_file, resource.RLIM_INFINITY))
    pipeline = toy()
    if job.code is not None:
        sys.path.insert(0, job.code)
        pipeline = importlib.import_module("edited").PIPELINE
    if job.waits:
        answer.send("imported")
        answer.recv()
    counted = count_lines(job.die_at)
    made: dict[str, list[Made]] = {}
    errors: dict[str, tuple[str, str]] = {}
    store = ArtifactStore(job.store).with_formats(pipeline.formats)
    materializer = Materializer(pipeline, store)
    for day in job.dates:
        outcomes = []
        try:
            params = pipeline.params.parse(job.params)
            for outcome in materializer.run(params, date.fromisoformat(day), job.selection):
                outcomes.append(outcome)
        except MlPipelineError as error:
            errors[day] = type(error).__name__, str(error)
        except BaseException as error:  # noqa: BLE001 - handed to the test
            errors[day] = type(error).__name__, f"{error}\n{traceback.format_exc()}"
        sys.settrace(None)
        made[day] = []
        for outcome in outcomes:
            try:
                value = plain(store.load(outcome.slot, outcome.record))
            except ArtifactDamaged:
                value = "damaged"
            record = outcome.record
            directory = outcome.slot.revision(record.revision)
            made[day].append(Made(record.asset, outcome.reused, outcome.reason, directory, value))
    answer.send(Report(made, errors, counted[0]))
    answer.close()


def count_lines(die_at: int | None) -> list[int]:
    """Count the lines of the package that run from now on, and die at one of them."""
    counted = [0]
    if die_at is None:
        return counted

    def on_line(frame: Any, event: str, argument: Any) -> Any:
        if event == "line":
            counted[0] += 1
            if counted[0] == die_at:
                os.kill(os.getpid(), signal.SIGKILL)
        return on_line

    def on_call(frame: Any, event: str, argument: Any) -> Any:
        return on_line if frame.f_code.co_filename.startswith(_PRODUCT) else None

    sys.settrace(on_call)
    return counted
