"""A Dask scheduler and workers, as a deployer starts them."""

import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from ml_pipeline.sweeps.dask_workers import DaskCluster
from ml_pipeline_tests.toys.sweep_bench import until

REPOSITORY = Path(__file__).parents[2]


@dataclass
class DaskSite:
    """Processes of one cluster, each the first of its session.

    Attributes:
        folder: where they start, with their log and the scheduler's file.
        variables: more environment variables of theirs.
    """

    folder: Path
    variables: dict[str, str] = field(default_factory=dict)
    processes: list["subprocess.Popen[bytes]"] = field(default_factory=list)

    @property
    def file(self) -> Path:
        return self.folder / "scheduler.json"

    @property
    def cluster(self) -> DaskCluster:
        return DaskCluster(str(self.file))

    def start_scheduler(self) -> "subprocess.Popen[bytes]":
        started = self._start("scheduler", "--port", "0", "--no-dashboard", "--host", "127.0.0.1")
        until(self.file.exists, "the scheduler")
        return started

    def start_worker(self) -> "subprocess.Popen[bytes]":
        return self._start("worker", "--nthreads", "1", "--no-dashboard")

    def start(self, workers: int) -> None:
        self.start_scheduler()
        for _ in range(workers):
            self.start_worker()
        if workers:
            until(lambda: self.cluster.seats() == workers, "the workers", 60)

    def stop(self) -> None:
        for process in self.processes:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()

    def _start(self, *command: str) -> "subprocess.Popen[bytes]":
        with (self.folder / "log").open("ab") as log:
            process = subprocess.Popen(
                [sys.executable, "-m", "dask", *command, "--scheduler-file", str(self.file)],
                stdout=log,
                stderr=log,
                cwd=self.folder,
                env={**os.environ, "PYTHONPATH": str(REPOSITORY), **self.variables},
                start_new_session=True,
            )
        self.processes.append(process)
        return process


@contextlib.contextmanager
def dask_site(folder: Path, workers: int, **variables: str) -> Iterator[DaskSite]:
    """Run a cluster for as long as somebody needs it."""
    site = DaskSite(folder, variables)
    try:
        site.start(workers)
        yield site
    finally:
        site.stop()
