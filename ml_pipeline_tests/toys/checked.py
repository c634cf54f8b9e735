"""A pipeline of two stages with checks: a day has as many rows as its number in the month.

    sales -> total

Each check that is asked writes its name to the file ``asked`` in a folder.
"""

import os
from datetime import date
from pathlib import Path
from typing import Any

import pandera.polars as pa
import polars as pl
from pydantic import Field

import ml_pipeline as mp


class Lot(mp.ParamGroup):
    """How much is sold."""

    more: int = Field(default=0, ge=0, description="rows besides")
    home: str = Field(
        default="",
        description="where checks note that they are asked; TOY_HOME if empty",
        json_schema_extra=mp.NOT_IDENTITY,
    )


class Scale(mp.ParamGroup):
    """How it is counted."""

    factor: float = Field(default=1.0, gt=0, description="of each row")


class Limits(mp.Thresholds):
    """What is enough."""

    least: int = Field(default=2, ge=0, description="rows of a day")
    most: int = Field(default=1000, ge=0, description="value of a row")
    days: int = Field(default=3, ge=1, description="earlier days that are looked at")


PIPELINE = mp.Pipeline("checked", mp.ParamModel(lot=Lot, scale=Scale, limits=Limits))


def note(name: str, lot: Lot) -> None:
    """Note that a check was asked."""
    with (Path(lot.home or os.environ["TOY_HOME"]) / "asked").open("a") as file:
        file.write(f"{name}\n")


def asked() -> list[str]:
    """Return the checks that were asked since last looked at."""
    file = Path(os.environ["TOY_HOME"]) / "asked"
    names = file.read_text().split() if file.exists() else []
    file.unlink(missing_ok=True)
    return names


@PIPELINE.asset
def sales(as_of: date, lot: Lot) -> pl.DataFrame:
    """Rows of a day."""
    return pl.DataFrame({"x": range(as_of.day + lot.more)})


@PIPELINE.asset(objective=mp.Objective(metric="total", direction="maximize"))
def total(sales: pl.DataFrame, scale: Scale) -> mp.Result:
    """What they come to."""
    found = float(sales["x"].sum()) * scale.factor
    return mp.Result({"total": found}, metrics={"total": found})


@PIPELINE.asset_check(sales, blocking=True)
def enough(sales: pl.DataFrame, lot: Lot, limits: Limits) -> mp.CheckResult:
    """There are enough rows."""
    note("enough", lot)
    found = f"there must be {limits.least} rows, but there are {sales.height}"
    few = sales.with_columns(odd=pl.col("x") % 2 == 1)
    return mp.CheckResult(sales.height >= limits.least, found, {"rows": sales.height, "few": few})


@PIPELINE.asset_check("sales", severity="warn")
def values(lot: Lot, limits: Limits) -> pa.DataFrameSchema:
    """No value is too large."""
    note("values", lot)
    return pa.DataFrameSchema({"x": pa.Column(pl.Int64, pa.Check.le(limits.most))})


@PIPELINE.asset_check("total", severity="warn")
def grows(
    as_of: date, total: dict[str, Any], earlier: mp.Earlier, lot: Lot, limits: Limits
) -> mp.CheckResult:
    """The total is above those before."""
    note("grows", lot)
    before = {str(day): found["total"] for day, found in earlier.metrics(limits.days).items()}
    passed = all(found <= total["total"] for found in before.values())
    return mp.CheckResult(passed, f"{total['total']} of {as_of} after {before}", {"before": before})
