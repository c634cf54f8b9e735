"""Pairs of measurements taken in turn, so that a machine's changing speed hits both sides."""

import os
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median


@dataclass(frozen=True)
class Pair:
    """What one comparison came to, in seconds and as a ratio per pair."""

    name: str
    ours: Sequence[float]
    theirs: Sequence[float]
    aim: str

    @property
    def ratios(self) -> list[float]:
        return [ours / theirs for ours, theirs in zip(self.ours, self.theirs, strict=True)]

    def __str__(self) -> str:
        ratios = self.ratios
        return (
            f"{self.name}\n"
            f"    ours {median(self.ours):8.3f} s   other {median(self.theirs):8.3f} s"
            f"   ratio {median(ratios):6.3f} (from {min(ratios):.3f} to {max(ratios):.3f})"
            f"   aim: {self.aim}"
        )


def compare(
    name: str, aim: str, ours: Callable[[], object], theirs: Callable[[], object], rounds: int = 5
) -> Pair:
    """Time two callables in turn, after one round that does not count."""
    times: tuple[list[float], list[float]] = ([], [])
    for round_ in range(rounds + 1):
        for side, call in enumerate((ours, theirs)):
            start = time.perf_counter()
            call()
            if round_:
                times[side].append(time.perf_counter() - start)
    return Pair(name, times[0], times[1], aim)


def process(
    command: Sequence[str], home: Path, extra: Mapping[str, str] | None = None
) -> Callable[[], None]:
    """Return a callable that runs a whole process and fails if it does."""
    environment = {**os.environ, "ML_PIPELINE_HOME": str(home), **(extra or {})}
    environment.pop("PYTHONDONTWRITEBYTECODE", None)

    def run() -> None:
        subprocess.run(command, env=environment, check=True, capture_output=True)

    return run
