"""Sweeps that MLflow is told of, against the same sweeps that it is not."""

import itertools
import os
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from statistics import median

from ml_pipeline_tests.benchmarks.measuring import Pair, process
from ml_pipeline_tests.toys.mlflow_server import MlflowServer

CLI = str(Path(sys.executable).parent / "ml-pipeline")
COMBINATIONS = ["-p", "learning_rate=0.02,0.05,0.1,0.2", "-p", "max_depth=2,3,4"]
FIRST = {"orders": "1998-05-25", "customers": "1998-05-30"}
ROUNDS = 3


def tracking(scratch: Path) -> Iterator[object]:
    """12 combinations, told to a local MLflow server with a database, and not."""
    folder = scratch / "server"
    folder.mkdir()
    server = MlflowServer(folder)
    server.start()
    try:
        for dataset in FIRST:
            yield from _pair(dataset, scratch, server.uri)
    finally:
        server.kill()


def _pair(dataset: str, scratch: Path, uri: str) -> Iterator[object]:
    seeds = itertools.count(1)
    times: tuple[list[float], list[float]] = ([], [])
    left: list[float] = []
    dates = ["--from", FIRST[dataset], "--to", "1998-05-31", "-p", f"dataset={dataset}"]
    # Whatever comes first in a home folder makes the databases there.
    process([CLI, "run", "--as-of", "1998-05-31", "-p", f"dataset={dataset}"], scratch / dataset)()
    for _ in range(ROUNDS):
        for side, address in enumerate((uri, "")):
            # Both compute everything: each round is about another seed.
            command = [CLI, "sweep", *dates, *COMBINATIONS, "-p", f"seed={next(seeds)}"]
            told = {**os.environ, "ML_PIPELINE_MLFLOW_TRACKING_URI": address}
            times[side].append(_seconds([*command], scratch / dataset, told))
            if address:
                left.append(_seconds([CLI, "mlflow", "sync"], scratch / dataset, told))
    yield Pair(f"sweep of {dataset} that MLflow is told of", *times, "at most 1.05")
    yield f"    the fastest of each: {min(times[0]):.1f} s and {min(times[1]):.1f} s"
    yield f"    sending what was left then took {median(left):.1f} s more, in the background"


def _seconds(command: list[str], home: Path, environment: dict[str, str]) -> float:
    start = time.perf_counter()
    process(command, home, environment)()
    return time.perf_counter() - start
