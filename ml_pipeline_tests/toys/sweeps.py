"""A pipeline of three small stages whose parameters say how they misbehave.

    table -> model -> score

Worker processes find it by importing this module. What they do besides computing is a parameter,
so that it reaches them; every stage that starts leaves a line in the file ``calls`` of the folder
that ``home`` names.
"""

import os
import signal
import sys
import time
from datetime import date
from pathlib import Path
from typing import Any, Final, Literal, Self

import numpy as np
from pydantic import Field

from ml_pipeline.errors import NotEnoughDataError
from ml_pipeline.params.group import ParamGroup
from ml_pipeline.params.marks import NOT_IDENTITY, PATH_LABEL
from ml_pipeline.params.model import ParamModel
from ml_pipeline.runs.stage import Result
from ml_pipeline.runs.stages import Pipeline
from ml_pipeline.store.record import Objective

Act = Literal[
    "compute",
    "fail",
    "fail_while_told",
    "kill",
    "kill_once",
    "leave",
    "exit",
    "hang",
    "hold",
    "dawdle",
    "allocate",
    "abort",
    "be_odd",
    "time_out",
    "print",
    "not_a_number",
]


class Surroundings(ParamGroup):
    """Where the stages leave their traces."""

    home: str = Field("", description="a folder", json_schema_extra=NOT_IDENTITY)
    pause_s: float = Field(0.0, description="how long a fit takes", json_schema_extra=NOT_IDENTITY)


class Data(ParamGroup):
    """Which rows."""

    region: Literal["north", "south"] = Field(
        "north", description="where from", json_schema_extra=PATH_LABEL
    )
    rows: int = Field(40, description="how many", ge=2)
    on_day: int = Field(0, description="day of the month on which to act; 0 for every day")
    table_act: Act = Field("compute", description="what the table does besides")


class Fit(ParamGroup):
    """How the model is fitted."""

    follows = ("data",)

    learning_rate: float = Field(0.1, description="a positive number", gt=0, le=10)
    depth: int = Field(3, description="a positive integer", ge=1, le=64)
    bias: float | None = Field(None, description="a number or none")
    weights: list[float] = Field([1.0], description="some numbers")
    fancy: bool = Field(False, description="of little consequence")
    label: str = Field("v1", description="any text", json_schema_extra=PATH_LABEL)
    act: Act = Field("compute", description="what the fit does besides")

    def resolved(self, others: Any) -> Self:
        rows = others["data"].rows
        if self.depth > rows:
            raise ValueError(
                f"`depth <= rows` must hold, but got (depth={self.depth}, rows={rows})"
            )
        return self


class Unused(ParamGroup):
    """What no judged stage reads."""

    colour: str = Field("red", description="a colour")


class OddError(Exception):
    """Cannot be pickled, and if it could, could not be read back."""

    def __init__(self, first: str, second: str) -> None:
        super().__init__(f"{first} and {second}")
        self.reason = lambda: None


def calls(home: str | Path) -> list[str]:
    """Return the stages that have started, with their dates, since last asked."""
    file = Path(home) / "calls"
    lines = file.read_text().splitlines() if file.exists() else []
    file.unlink(missing_ok=True)
    return lines


def note(around: Surroundings, line: str) -> None:
    """Leave a line for `calls`."""
    if around.home:
        with (Path(around.home) / "calls").open("a") as file:
            file.write(f"{line}\n")


def enact(act: Act, around: Surroundings) -> None:
    """Do what was asked for."""
    home = Path(around.home)
    time.sleep(around.pause_s)
    match act:
        case "fail":
            raise RuntimeError("told to fail")
        case "fail_while_told" if (home / "told").exists():
            raise RuntimeError("told to fail for now")
        case "kill":
            os.kill(os.getpid(), signal.SIGKILL)
        case "kill_once" if not (home / "killed").exists():
            (home / "killed").touch()
            os.kill(os.getpid(), signal.SIGKILL)
        case "leave":
            os._exit(0)
        case "exit":
            sys.exit("told to exit")
        case "hang":
            # As a computation that does not listen to polite requests.
            signal.signal(signal.SIGTERM, signal.SIG_IGN)
            time.sleep(3600)
        case "hold":
            while (home / "held").exists():
                time.sleep(0.01)
        case "dawdle":
            place = next(place for place in range(1000) if _is_first(home / f"arrival-{place}"))
            if (home / f"slow-{place}").exists():
                time.sleep(0.5)
        case "allocate":
            kept = [np.ones(2**24) for _ in range(64)]
            note(around, f"allocated {len(kept)}")
        case "abort":
            os.abort()
        case "be_odd":
            raise OddError("this", "that")
        case "time_out":
            raise TimeoutError("the network took too long")
        case "print":
            print("a stage printed this")
            print("a stage complained", file=sys.stderr)


def _is_first(mark: Path) -> bool:
    try:
        mark.touch(exist_ok=False)
    except FileExistsError:
        return False
    return True


def table(as_of: date | None, data: Data, around: Surroundings) -> dict[str, Any]:
    """Some numbers of a day."""
    note(around, f"table {as_of}")
    day = as_of.day if as_of is not None else 0
    if data.on_day in (0, day):
        if data.table_act == "fail":
            raise NotEnoughDataError(f"There is nothing on {as_of}.")
        enact(data.table_act, around)
    return {"rows": [(place * 7 + day) % 11 for place in range(data.rows)], "day": day}


def model(
    as_of: date | None, table: dict[str, Any], data: Data, fit: Fit, around: Surroundings
) -> dict[str, Any]:
    """A fit in name only."""
    note(around, f"model {as_of} {fit.learning_rate} {fit.depth}")
    if data.on_day in (0, table["day"]):
        enact(fit.act, around)
    centre = sum(table["rows"]) / len(table["rows"])
    return {"rate": fit.learning_rate, "depth": fit.depth, "centre": centre}


def loss(model: dict[str, Any], table: dict[str, Any], fit: Fit) -> float:
    """How far a fit is from the best one, at a rate of 0.1 and a depth of 4."""
    rate = float(np.log10(model["rate"]) + 1) ** 2
    depth = (model["depth"] - 4) ** 2 / 10
    bias = 0.0 if fit.bias is None else fit.bias**2
    return rate + depth + bias + sum(fit.weights) / 100 + table["day"] / 1000


def score(
    as_of: date | None,
    model: dict[str, Any],
    table: dict[str, Any],
    data: Data,
    fit: Fit,
    around: Surroundings,
) -> Result:
    """How good the fit is."""
    note(around, f"score {as_of}")
    value = loss(model, table, fit)
    metrics = {"loss": value, "levels": float(model["depth"])}
    if data.region == "south":
        metrics = {"gain": -value}
    if fit.act == "not_a_number":
        metrics["loss"] = float("nan")
    return Result({"loss": value}, metrics)


def objective(data: Data) -> Objective:
    """Regions differ in what counts."""
    if data.region == "south":
        return Objective(metric="gain", direction="maximize")
    return Objective(metric="loss", direction="minimize")


PARAMS: Final = ParamModel(around=Surroundings, data=Data, fit=Fit, unused=Unused)
PIPELINE: Final = Pipeline("toy", PARAMS)
for _stage in (table, model):
    PIPELINE.asset(code_version="1")(_stage)
PIPELINE.asset(objective=objective, code_version="1")(score)

NO_OBJECTIVE: Final = Pipeline("toy_without_objective", PARAMS)
for _stage in (table, model, score):
    NO_OBJECTIVE.asset(code_version="1")(_stage)
