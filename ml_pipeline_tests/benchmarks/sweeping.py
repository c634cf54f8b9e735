"""Sweeps against a plain joblib loop, and what a trial costs as there are more of them."""

import itertools
import resource
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from datetime import date
from pathlib import Path
from statistics import median

from ml_pipeline_tests.benchmarks.measuring import process

PYTHON = sys.executable
CLI = str(Path(sys.executable).parent / "ml-pipeline")
START_S = 4.0
WORKERS = 2
ROUNDS = {"orders": 5, "customers": 1}


def sweeps(scratch: Path) -> Iterator[object]:
    """14 dates x 12 combinations, cold and again, against joblib over the same functions."""
    for dataset, rounds in ROUNDS.items():
        yield from _against_loop(dataset, rounds, scratch)


def _against_loop(dataset: str, rounds: int, scratch: Path) -> Iterator[str]:
    loop = process(
        [
            PYTHON,
            "-m",
            "ml_pipeline_tests.benchmarks.plain_loop",
            dataset,
            "14",
            "12",
            str(WORKERS),
        ],
        scratch / "loop",
    )
    cold: list[float] = []
    again: list[float] = []
    plain: list[float] = []
    for round_ in range(rounds):
        ours = process(_command(dataset), scratch / f"{dataset}-{round_}")
        cold.append(_timed(ours))
        plain.append(_timed(loop))
        again.append(_timed(ours))
    ratios = [(one - START_S) / other for one, other in zip(cold, plain, strict=True)]
    yield (
        f"{dataset}: 14 dates x 12 combinations on {WORKERS} workers, against joblib\n"
        f"    cold {median(cold):.1f} s   loop {median(plain):.1f} s"
        f"   again {median(again):.1f} s\n"
        f"    (cold - {START_S:.0f} s) / loop: {median(ratios):.2f}"
        f" (from {min(ratios):.2f} to {max(ratios):.2f})   aim: at most 1.15"
    )


def _command(dataset: str) -> Sequence[str]:
    params = [f"dataset={dataset}", "learning_rate=0.02,0.05,0.1,0.2", "max_depth=2,3,4"]
    given = itertools.chain.from_iterable(("--param", text) for text in params)
    dates = ["--from", "1998-05-18", "--to", "1998-05-31"]
    return [CLI, "sweep", *dates, *given, "--workers", str(WORKERS)]


def trials(scratch: Path) -> Iterator[object]:
    """Cost of a trial that computes next to nothing, and the memory of the sweep's process."""
    for count in (10, 100, 500, 2000):
        yield _many_trials(count, scratch / str(count))


def _many_trials(count: int, home: Path) -> str:
    from ml_pipeline.store.artifacts import ArtifactStore
    from ml_pipeline.sweeps.engine import Sweep
    from ml_pipeline.sweeps.request import SweepRequest
    from ml_pipeline_tests.benchmarks.small_pipeline import PIPELINE

    store = ArtifactStore(str(home / "artifacts"))
    values = {"fit": {"step": f"range(1,{count + 1})"}, "search": {"max_trials": count}}
    request = SweepRequest.parse(PIPELINE.params, values)
    done: list[float] = []

    def sweep() -> None:
        made = Sweep(request, [date(2026, 1, 1)], PIPELINE, store, str(home / "studies"))
        swept = made.run(progress=lambda _: done.append(time.perf_counter()))
        assert not swept.failures
        assert len(swept.attempts) == count

    sweep()
    each = (done[-1] - done[0]) / (len(done) - 1)
    after = (time.perf_counter() - done[-1]) / count
    again = _timed(sweep) / count
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return (
        f"{count:5} trials: {1e3 * each:.1f} ms each once workers are up, {1e3 * after:.1f} ms more"
        f" to note it in the study, again {1e3 * again:.1f} ms, peak memory {peak:.0f} MiB"
    )


def _timed(call: Callable[[], None]) -> float:
    begin = time.perf_counter()
    call()
    return time.perf_counter() - begin
