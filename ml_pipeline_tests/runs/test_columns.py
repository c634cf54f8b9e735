"""Columns of what runs were made from, beside those of what is there."""

import uuid
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

from ml_pipeline.environments import Environment, Environments
from ml_pipeline.errors import PromotionRefused
from ml_pipeline.launch.promotion_request import PromotionPlan, PromotionRequest
from ml_pipeline.params.group import ParamGroup
from ml_pipeline.params.model import ParamModel
from ml_pipeline.runs.columns import differences
from ml_pipeline.runs.materializer import Materializer
from ml_pipeline.runs.stage import Result
from ml_pipeline.runs.stages import Pipeline
from ml_pipeline.store.artifacts import ArtifactStore

DATA: Mapping[str, list[Any]] = {"x": [1, 2], "y": ["a", "b"], "at": [0.5, 1.5]}
OTHER: Mapping[str, list[Any]] = {"x": [1.0, 2.0], "at": [0.5, 1.5], "z": [True, False]}
KINDS: Mapping[str, Callable[[Any], Any]] = {
    "polars": lambda data: pl.DataFrame(data, strict=False),
    "lazy": lambda data: pl.LazyFrame(data, strict=False),
    "pandas": lambda data: pd.DataFrame(data),
    "arrow": lambda data: pa.table(data),
}


class Fit(ParamGroup):
    """How it is fitted."""

    rate: float = 0.1


def pipeline(kind: str, data: Mapping[str, Any]) -> Pipeline:
    """Return stages whose code is told to be the same, whatever columns it makes."""
    made = Pipeline("columns", ParamModel(fit=Fit))

    def features() -> Any:
        return KINDS[kind](data)

    def score(features: Any, fit: Fit) -> Result:
        return Result({"of": str(type(features))}, {"loss": fit.rate})

    made.add(features, {"code_version": kind + str(sorted(data))})
    made.add(score, {"code_version": "1"})
    return made


def planned(store: ArtifactStore, made_by: Pipeline, rate: float) -> PromotionPlan:
    """Compute a run, and plan its promotion."""
    params = made_by.params.parse({"rate": rate})
    *_, score = Materializer(made_by, store).run(params, None)
    environments = Environments(Environment("", store.uri, ""), ["prod"])
    asked = PromotionRequest(f"{score.record.run_id}/{score.record.revision}", "prod")
    return asked.planned(made_by, environments, lambda _name: store)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("root", ["folder", "memory"])
def test_run_of_other_columns_than_what_is_there_is_refused_and_says_which(
    tmp_path: Path, kind: str, root: str
) -> None:
    place = str(tmp_path) if root == "folder" else f"memory://{uuid.uuid4().hex}"
    store = ArtifactStore(place)
    first = planned(store, pipeline(kind, DATA), 0.1)
    assert first.problems == ()
    there = first.carried_out().now
    assert planned(store, pipeline(kind, DATA), 0.2).problems == ()
    other = planned(store, pipeline(kind, OTHER), 0.3)
    (problem,) = other.problems
    assert problem.startswith(
        f"features must have the columns that {there.run_id} was made from, but lacks 'y'; has 'z'"
        " besides; 'x' is Float64, not Int64"
    )
    with pytest.raises(PromotionRefused, match="lacks 'y'"):
        other.carried_out()


def test_table_that_cannot_be_read_is_said_to_be_what_cannot_be_compared(tmp_path: Path) -> None:
    store = ArtifactStore(str(tmp_path))
    planned(store, pipeline("polars", DATA), 0.1).carried_out()
    (file,) = tmp_path.rglob("data.parquet")
    whole = file.read_bytes()
    for content, told in ((whole[:-9], "does not end as"), (None, "must be there, since its")):
        other = pipeline("polars", {**OTHER, "w": [1, 2]})
        file.unlink() if content is None else file.write_bytes(content)
        (problem,) = planned(store, other, 0.4).problems
        assert "features must have columns that can be compared, but" in problem
        assert told in problem


def test_differences_of_many_columns_are_counted() -> None:
    many = {f"c{place}": "Int64" for place in range(9)}
    assert differences({}, many) == "has 'c0', 'c1', 'c2', 'c3', 'c4' and 4 more besides"
