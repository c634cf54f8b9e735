"""Sweeps that MLflow is told of, against the same sweeps that it is not."""

import ctypes
import itertools
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Final

from ml_pipeline_tests.benchmarks.measuring import Pair, process
from ml_pipeline_tests.toys.mlflow_server import MlflowServer

CLI = str(Path(sys.executable).parent / "ml-pipeline")
COMBINATIONS = ["-p", "learning_rate=0.02,0.05,0.1,0.2", "-p", "max_depth=2,3,4"]
FIRST = {"orders": "1998-05-25", "customers": "1998-05-30"}
ROUNDS = 4
_SENDER: Final = b"ml_pipeline.tracking.mlflow.sender"
_ADOPT_ORPHANS: Final = 36


@dataclass(frozen=True)
class Cost:
    """What a sweep took.

    Attributes:
        wall_s: until its command ended.
        processors_s: time of processors that it used, with its workers.
        sending_s: until all was sent after that.
        sending_processors_s: time of processors that the process used that sends.
    """

    wall_s: float
    processors_s: float
    sending_s: float
    sending_processors_s: float


def tracking(scratch: Path) -> Iterator[object]:
    """12 combinations, told to a local MLflow server with a database, and not."""
    # Workers and senders outlive the command: who they are left to can ask what they have used.
    ctypes.CDLL(None).prctl(_ADOPT_ORPHANS, 1, 0, 0, 0)
    folder = scratch / "server"
    folder.mkdir()
    server = MlflowServer(folder)
    server.start()
    # What is there already is no orphan of a sweep's.
    ours = _children()
    try:
        for dataset in FIRST:
            yield from _pairs(dataset, scratch, server.uri, ours)
    finally:
        server.kill()


def _pairs(dataset: str, scratch: Path, uri: str, ours: set[int]) -> Iterator[object]:
    seeds = itertools.count(1)
    costs: tuple[list[Cost], list[Cost]] = ([], [])
    dates = ["--from", FIRST[dataset], "--to", "1998-05-31", "-p", f"dataset={dataset}"]
    # Whatever comes first in a home folder makes the databases there.
    process([CLI, "run", "--as-of", "1998-05-31", "-p", f"dataset={dataset}"], scratch / dataset)()
    for round_ in range(ROUNDS):
        # Whoever comes first in a pair finds the machine as the last one has left it.
        for side in (0, 1) if round_ % 2 else (1, 0):
            # Both compute everything: each round is about another seed.
            command = [CLI, "sweep", *dates, *COMBINATIONS, "-p", f"seed={next(seeds)}"]
            costs[side].append(_cost(command, scratch / dataset, (uri, "")[side], ours))
    told = [cost.wall_s for cost in costs[0]], [cost.wall_s for cost in costs[1]]
    yield Pair(f"sweep of {dataset} that MLflow is told of", *told, "at most 1.05")
    used = [cost.processors_s for cost in costs[0]], [cost.processors_s for cost in costs[1]]
    yield Pair("    time of processors that it and its workers use", *used, "at most 1.05")
    after = median(cost.sending_s for cost in costs[0])
    sending = median(cost.sending_processors_s for cost in costs[0])
    yield (
        f"    sending then took {after:.1f} s more, in the background, and {sending:.1f} s of"
        " processors that nobody else wanted"
    )


def _cost(command: list[str], home: Path, uri: str, ours: set[int]) -> Cost:
    environment = {
        **os.environ,
        "ML_PIPELINE_HOME": str(home),
        "ML_PIPELINE_MLFLOW_TRACKING_URI": uri,
    }
    environment.pop("PYTHONDONTWRITEBYTECODE", None)
    began = time.perf_counter()
    started = subprocess.Popen(
        command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    used = _used(started.pid)
    started.returncode = 0
    ended = time.perf_counter()
    sending = 0.0
    left = _children() - ours
    for one in sorted(left, key=_is_sender):
        if _is_sender(one):
            sending += _used(one)
        else:
            used += _used(one)
    return Cost(ended - began, used, time.perf_counter() - ended, sending)


def _used(process_id: int) -> float:
    """Wait until a process ends, and return the time of processors that it used."""
    _, status, usage = os.wait4(process_id, 0)
    assert status == 0, f"a process of the sweep ended with {status}"
    return usage.ru_utime + usage.ru_stime


def _children() -> set[int]:
    """Return the ids of the processes of this one, orphans that it has adopted included."""
    text = Path(f"/proc/self/task/{os.getpid()}/children").read_text(encoding="ascii")
    return set(map(int, text.split()))


def _is_sender(process_id: int) -> bool:
    try:
        return _SENDER in Path(f"/proc/{process_id}/cmdline").read_bytes()
    except OSError:
        return False
