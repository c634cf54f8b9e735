"""A store, a folder of studies and the toy pipeline to sweep over."""

import json
import multiprocessing
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import date, timedelta
from multiprocessing import forkserver
from pathlib import Path
from typing import Any

import pytest

from ml_pipeline.runs.materializer import Materializer
from ml_pipeline.runs.stages import Pipeline
from ml_pipeline.store.artifacts import ArtifactStore
from ml_pipeline.sweeps.engine import Sweep
from ml_pipeline.sweeps.request import SweepRequest
from ml_pipeline.sweeps.swept import Swept
from ml_pipeline.sweeps.tasks import Machines
from ml_pipeline.sweeps.workers import LOCAL
from ml_pipeline_tests.toys import sweeps as toy

FIRST = date(2026, 1, 1)


def days(count: int) -> list[date]:
    """Return consecutive days."""
    return [FIRST + timedelta(days=place) for place in range(count)]


def nested(values: Mapping[str, Any], pipeline: Pipeline = toy.PIPELINE) -> dict[str, Any]:
    """Return values by plain name as a sweep takes them; ``search`` stays as it is."""
    found: dict[str, Any] = {}
    for name, raw in values.items():
        if name == "search":
            found[name] = raw
        else:
            found.setdefault(pipeline.params.find(name).group, {})[name] = raw
    return found


def asked(**values: Any) -> SweepRequest:
    """Return a request for values by plain name."""
    return SweepRequest.parse(toy.PARAMS, nested(values))


@dataclass(frozen=True)
class Bench:
    """What a test works with.

    Attributes:
        folder: a temporary folder.
        workers: how many processes a sweep may use.
    """

    folder: Path
    workers: int = 2
    pipeline: Pipeline = toy.PIPELINE

    @property
    def home(self) -> Path:
        return self.folder / "home"

    @property
    def studies(self) -> Path:
        return self.folder / "studies"

    @property
    def log(self) -> Path:
        return self.folder / "log"

    @property
    def store(self) -> ArtifactStore:
        return ArtifactStore(str(self.folder / "store"))

    @property
    def materializer(self) -> Materializer:
        return Materializer(self.pipeline, self.store)

    def values(self, **values: Any) -> dict[str, Any]:
        search = {"workers": self.workers, **values.pop("search", {})}
        given = {"home": str(self.home), **values, "search": search}
        return nested(given, self.pipeline)

    def request(self, **values: Any) -> SweepRequest:
        return SweepRequest.parse(self.pipeline.params, self.values(**values))

    def sweep(
        self,
        count: int = 1,
        studies: str | None = None,
        machines: Machines = LOCAL,
        **values: Any,
    ) -> Sweep:
        """Return a sweep over so many days; over none where it is 0."""
        return Sweep(
            self.request(**values),
            days(count) or [None],
            self.pipeline,
            self.store,
            studies or str(self.studies),
            output=self.log,
            machines=machines,
        )

    def run(self, count: int = 1, **values: Any) -> Swept:
        return self.sweep(count, **values).run()

    def calls(self) -> list[str]:
        """Return what has started since last asked, in alphabetical order."""
        return sorted(toy.calls(self.home))

    def tell(self, order: str) -> Path:
        file = self.home / order
        file.touch()
        return file

    def study_file(self, swept: Swept) -> Path:
        return self.studies / f"{swept.study}.log"

    def with_pipeline(self, pipeline: Pipeline) -> "Bench":
        return replace(self, pipeline=pipeline)

    @contextmanager
    def elsewhere(self, count: int = 1, scheduler: str | None = None, **values: Any) -> Any:
        """Run a sweep in a process group of its own, which the test may signal."""
        order = {"folder": str(self.folder), "count": count, "values": self.values(**values)}
        order["scheduler"] = scheduler
        with subprocess.Popen(
            [sys.executable, "-m", "ml_pipeline_tests.toys.sweep_child", json.dumps(order)],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        ) as process:
            try:
                yield process
            finally:
                process.kill()


def group_of(leader: int) -> list[int]:
    """Return the living processes of a process group."""
    found = []
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit():
            try:
                status = (folder / "stat").read_text().rpartition(")")[2].split()
            except OSError:
                continue
            if int(status[2]) == leader and status[0] not in "ZX":
                found.append(int(folder.name))
    return found


def until(happened: Callable[[], object], what: str, seconds: float = 30) -> None:
    """Wait for something."""
    end = time.monotonic() + seconds
    while not happened():
        assert time.monotonic() < end, f"waited in vain: {what}"
        time.sleep(0.02)


def outcome(swept: Swept) -> list[tuple[Any, ...]]:
    """Return what came of every trial, in order, to compare."""
    return [
        (dict(one.trial.varied), one.state, one.value, sorted(map(str, one.cells)))
        for one in swept.attempts
    ]


@pytest.fixture(scope="session", autouse=True)
def _server() -> None:
    """Let processes be forked from a server that has imported what any test needs."""
    context = multiprocessing.get_context("forkserver")
    modules = ["ml_pipeline_tests.toys.process", toy.__name__, "ml_pipeline.sweeps.preload"]
    context.set_forkserver_preload([*modules, "__main__"])
    forkserver.ensure_running()


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    made = Bench(tmp_path)
    made.home.mkdir()
    return made


@pytest.fixture(autouse=True)
def _nothing_left_behind() -> Any:
    """No test leaves a worker: all are children of the server."""
    yield
    server = forkserver._forkserver._forkserver_pid  # type: ignore[attr-defined]
    children = Path(f"/proc/{server}/task/{server}/children")
    until(lambda: not children.read_text().strip(), "the end of every worker", 5)
