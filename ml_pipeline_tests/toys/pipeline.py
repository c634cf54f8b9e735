"""A pipeline of four small stages that count how often they run and stop where they are told.

    outside data -> table -> features -> model -> score
                      └──────────────────────────┘

What they do besides computing is governed by files in the directory that ``TOY_HOME`` names, so
that other processes can be told too:

    calls            gets a line for every stage that starts
    outside-<date>   the outside data of a day: a whole number, 0 where there is no file
    raise-<stage>    the stage fails
    exit-<stage>     the process ends without a word
    hold-<stage>     the stage waits while the file is there
    noise-<stage>    the stage gives other bytes each time
"""

import os
import time
from collections.abc import Mapping
from datetime import date
from pathlib import Path
from typing import Any

import polars as pl
from pydantic import Field
from sklearn.linear_model import Ridge

from ml_pipeline.params.group import ParamGroup
from ml_pipeline.params.marks import NOT_IDENTITY, PATH_LABEL
from ml_pipeline.params.model import ParamModel
from ml_pipeline.runs.stage import Result
from ml_pipeline.runs.stages import Pipeline

STAGES = ("table", "features", "model", "score")
PICTURE = '<svg xmlns="http://www.w3.org/2000/svg"/>'


class Data(ParamGroup):
    """Which rows."""

    region: str = Field(
        "north", description="where from", min_length=1, json_schema_extra=PATH_LABEL
    )
    rows: int = Field(6, description="how many", ge=2, le=1_000_000)


class Shape(ParamGroup):
    """How features are made."""

    window: int = Field(2, description="factor", ge=1)


class Fit(ParamGroup):
    """How the model is fitted."""

    learning_rate: float = Field(0.1, description="strength of the penalty", gt=0, le=10)
    workers: int = Field(1, description="of no consequence", ge=1, json_schema_extra=NOT_IDENTITY)


PARAMS = ParamModel(data=Data, shape=Shape, fit=Fit)


def home() -> Path:
    """Return the directory that governs the stages."""
    return Path(os.environ["TOY_HOME"])


def enter(stage: str, as_of: date | None = None) -> int:
    """Note that a stage has started and do what it was told to; return its noise."""
    where = home()
    with (where / "calls").open("a") as calls:
        calls.write(f"{stage}\n")
    for name in (stage, f"{stage}-{as_of}"):
        if (where / f"raise-{name}").exists():
            raise RuntimeError(f"{name} was told to fail")
        if (where / f"exit-{name}").exists():
            os._exit(7)
        while (where / f"hold-{name}").exists():
            time.sleep(0.01)
    return time.perf_counter_ns() if (where / f"noise-{stage}").exists() else 0


def outside(as_of: date) -> int:
    """Return the outside data of a day."""
    file = home() / f"outside-{as_of}"
    return int(file.read_text()) if file.exists() else 0


def outside_digest(as_of: date) -> str:
    """Return the digest of the outside data of a day; the number is its own."""
    return f"outside-{outside(as_of)}"


def table(as_of: date, data: Data) -> pl.DataFrame:
    """Rows of a day."""
    noise = enter("table", as_of)
    first = outside(as_of)
    x = [as_of.day + place for place in range(data.rows)]
    y = [first + place * place % (3 + len(data.region)) + noise for place in range(data.rows)]
    return pl.DataFrame({"x": x, "y": y})


def features(table: pl.LazyFrame, shape: Shape) -> pl.LazyFrame:
    """Rows with one more column."""
    noise = enter("features")
    return table.with_columns(z=pl.col("x") * shape.window + pl.col("y") % 2 + noise)


def model(features: pl.DataFrame, fit: Fit) -> Ridge:
    """A line through the rows."""
    noise = enter("model")
    ridge = Ridge(alpha=fit.learning_rate + noise)
    return ridge.fit(features[["z"]].to_numpy(), features["y"].to_numpy())


def score(model: Ridge, table: pl.DataFrame) -> Result:
    """How well the line fits."""
    noise = enter("score")
    r2 = float(model.score(table[["x"]].to_numpy(), table["y"].to_numpy()))
    return Result({"r2": r2, "rows": table.height, "noise": noise}, {"r2": r2}, PICTURE)


def toy(versions: Mapping[str, str] | None = None, params: ParamModel = PARAMS) -> Pipeline:
    """Return the pipeline.

    Args:
        versions: code versions by stage that stand for an edit of its code.
        params: the parameter groups.
    """
    pinned = versions or {}
    pipeline = Pipeline("toy", params)
    pipeline.asset(reads=outside_digest, code_version=pinned.get("table"))(table)
    pipeline.asset(code_version=pinned.get("features"))(features)
    pipeline.asset(code_version=pinned.get("model"), kinds=["scikitlearn"])(model)
    pipeline.asset(code_version=pinned.get("score"))(score)
    return pipeline


def plain(value: Any) -> Any:
    """Reduce what a stage returns, or the store gives back, to plain Python for comparing."""
    if isinstance(value, Result):
        return plain(value.value)
    if isinstance(value, pl.LazyFrame):
        return plain(value.collect())
    if isinstance(value, pl.DataFrame):
        return value.to_dict(as_series=False)
    if isinstance(value, Ridge):
        return {"alpha": value.alpha, "coef": value.coef_.tolist(), "at": float(value.intercept_)}
    return value


def fresh(
    params: Mapping[str, Any] | None = None, as_of: date = date(2026, 1, 5)
) -> dict[str, Any]:
    """Compute everything with plain calls and return it in plain form, by stage."""
    file = home() / "calls"
    before = file.read_text() if file.exists() else None
    chosen: Mapping[str, Any] = PARAMS.parse(params or {}).groups
    rows = table(as_of, chosen["data"])
    shaped = features(rows.lazy(), chosen["shape"]).collect()
    line = model(shaped, chosen["fit"])
    values = {"table": rows, "features": shaped, "model": line, "score": score(line, rows)}
    file.unlink()
    if before is not None:
        file.write_text(before)
    return {name: plain(value) for name, value in values.items()}
