"""A pipeline whose fits take a second of a core each, and a sweep over it."""

import time
from collections.abc import Sequence
from datetime import date, timedelta
from pathlib import Path

from pydantic import Field

from ml_pipeline.params.group import ParamGroup
from ml_pipeline.params.model import ParamModel
from ml_pipeline.runs.stage import Result
from ml_pipeline.runs.stages import Pipeline
from ml_pipeline.store.artifacts import ArtifactStore
from ml_pipeline.store.record import Objective
from ml_pipeline.sweeps.engine import Sweep
from ml_pipeline.sweeps.request import SweepRequest
from ml_pipeline.sweeps.swept import Swept
from ml_pipeline.sweeps.tasks import Machines
from ml_pipeline.sweeps.workers import LOCAL

LAST: date = date(2026, 1, 31)


class Fit(ParamGroup):
    """How to fit."""

    step: int = Field(default=1, description="size of a step")
    cpu_s: float = Field(default=1.0, description="seconds of a core that a fit takes")


PIPELINE = Pipeline("busy", ParamModel(fit=Fit))


@PIPELINE.asset
def fitted(as_of: date, fit: Fit) -> dict[str, int]:
    begin, rounds = time.process_time(), 0
    while time.process_time() - begin < fit.cpu_s:
        rounds += sum(range(1000)) > 0
    return {"sum": as_of.day * fit.step}


@PIPELINE.asset(objective=Objective(metric="loss", direction="minimize"))
def score(fitted: dict[str, int]) -> Result:
    return Result(fitted, metrics={"loss": float(fitted["sum"])})


def swept(
    root: str,
    studies: Path,
    dates: int,
    combinations: int,
    workers: int,
    cpu_s: float = 1.0,
    machines: Machines = LOCAL,
) -> Swept:
    """Sweep over a grid, all of which is to succeed.

    Args:
        root: of the store.
        studies: folder of studies.
        dates: how many days.
        combinations: how many at each.
        workers: how many processes compute.
        cpu_s: what a cell takes.
        machines: what computes.
    """
    values = {
        "fit": {"step": f"range(1,{combinations + 1})", "cpu_s": cpu_s},
        "search": {"workers": workers},
    }
    days: Sequence[date] = [LAST - timedelta(days=back) for back in reversed(range(dates))]
    request = SweepRequest.parse(PIPELINE.params, values)
    made = Sweep(
        request, days, PIPELINE, ArtifactStore(root), str(studies), machines=machines
    ).run()
    assert not made.failures, made.failures
    return made
