"""A location whose steps may run in other processes: each of its dates takes a while."""

import os
import time
from datetime import date
from pathlib import Path

import dagster as dg
from pydantic import Field

from ml_pipeline import Objective, ParamGroup, ParamModel, Pipeline, Result, code_location

FOLDER = "ENGINES_FOLDER"
"""Variable with the folder of store, studies, and what is told of who computed."""
PAUSE = "ENGINES_PAUSE_S"
"""Variable with the seconds that a date takes."""


class Size(ParamGroup):
    """How large."""

    rows: int = Field(default=3, ge=1, le=9)


PIPELINE = Pipeline("engines", ParamModel(size=Size))


@PIPELINE.asset(objective=Objective(metric="height", direction="maximize"))
def tower(as_of: date, size: Size) -> Result:
    """Say which process is at work, and work."""
    told = Path(os.environ[FOLDER]) / "told"
    told.mkdir(exist_ok=True)
    (told / f"{as_of}-{size.rows}-{os.getpid()}").touch()
    time.sleep(float(os.environ.get(PAUSE, "0")))
    return Result({"rows": size.rows, "day": as_of.day}, metrics={"height": size.rows + as_of.day})


def location(executor: dg.ExecutorDefinition | None = None) -> dg.Definitions:
    """Return the code location, with the executor of the settings unless one is given."""
    return code_location(
        PIPELINE,
        dg.DailyPartitionsDefinition("2026-01-01", end_date="2026-02-01"),
        lambda: f"{os.environ[FOLDER]}/store",
        Path(__file__).parent,
        studies=lambda: f"{os.environ[FOLDER]}/studies",
        executor=executor,
    )


def configured() -> dg.Definitions:
    """Return what Dagster's processes load."""
    return location()
