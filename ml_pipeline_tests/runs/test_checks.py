from collections.abc import Callable, Iterator
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import pandera.polars as pa
import polars as pl
import pytest
from pydantic import Field

import ml_pipeline as mp
from ml_pipeline.errors import PipelineError
from ml_pipeline.runs.check_result import CheckReport
from ml_pipeline.runs.materializer import Materializer
from ml_pipeline.store.artifacts import ArtifactStore


class Limits(mp.Thresholds):
    """What passes."""

    most: int = Field(default=3, description="rows")


class After(mp.ParamGroup):
    """What would depend on thresholds."""

    follows = ("limits",)


class Rows(pa.DataFrameModel):
    """Rows are small."""

    x: int = pa.Field(lt=2)


def fresh() -> mp.Pipeline:
    """Return a pipeline of a table and its size."""
    pipeline = mp.Pipeline("small", mp.ParamModel(limits=Limits))
    pipeline.asset(table)
    pipeline.asset(size)
    return pipeline


def table() -> pl.DataFrame:
    """Three rows."""
    return pl.DataFrame({"x": [0, 1, 2]})


def size(table: pl.DataFrame) -> int:
    """How many."""
    return table.height


def is_small(table: pl.DataFrame, limits: Limits) -> bool:
    """Few rows."""
    return table.height <= limits.most


def asked(judged: Any, folder: Path, asset: str = "table", **options: Any) -> list[CheckReport]:
    pipeline = fresh()
    pipeline.asset_check(asset, **options)(judged)
    made = Materializer(pipeline, ArtifactStore(str(folder))).run(pipeline.params.defaults, None)
    return [report for outcome in made for report in outcome.checks]


def yielding(table: pl.DataFrame) -> Iterator[bool]:
    """Yields."""
    yield table.height > 0


def of_size(size: int) -> bool:
    """Takes what is made of the asset."""
    return size > 0


@pytest.mark.parametrize(
    ("judged", "options", "told"),
    [
        (is_small, {"blocking": True, "severity": "warn"}, "blocks must have the severity error"),
        (is_small, {"severity": "bad"}, "must have the severity warn or error"),
        (is_small, {"name": "so small"}, "a name of letters, digits and underscores"),
        (is_small, {"blokcing": True}, "Did you mean 'blocking'?"),
        (3, {"name": "three"}, "must be a function or a schema of pandera"),
        (yielding, {}, "it yields"),
        (of_size, {}, "'of_size' has the argument 'size', which must be as_of"),
    ],
)
def test_check_that_could_not_be_asked_is_refused(judged: Any, options: Any, told: str) -> None:
    with pytest.raises(PipelineError, match=told.replace("?", r"\?")):
        fresh().asset_check("table", **options)(judged)


def test_check_of_no_asset_or_of_a_name_that_is_taken_is_refused() -> None:
    pipeline = fresh()
    with pytest.raises(PipelineError, match="Did you mean 'table'"):
        pipeline.asset_check("tabel")(is_small)
    pipeline.asset_check(table)(is_small)
    with pytest.raises(PipelineError, match="there is a 'is_small' already"):
        pipeline.asset_check("table")(is_small)
    pipeline.asset_check("table", name="again")(is_small)


def test_stage_that_asks_for_thresholds_is_refused() -> None:
    with pytest.raises(PipelineError, match="asks for Limits, which is of thresholds"):
        fresh().asset(is_small)
    with pytest.raises(PipelineError, match="what results depend on cannot depend on them"):
        mp.ParamModel(limits=Limits, after=After)


def numbers(table: pl.DataFrame) -> mp.CheckResult:
    """Of many kinds."""
    found = {"n": np.float64(2.5), "nan": float("nan"), "day": date(2026, 1, 2), "few": table}
    return mp.CheckResult(True, metadata=found)


def sized(table: pl.DataFrame) -> np.bool_:
    """What NumPy returns."""
    return np.bool_(table.height == 3)


async def later(table: pl.DataFrame) -> bool:
    """A coroutine."""
    return table.height == 3


def bounded(limits: Limits) -> Any:
    """A schema made of thresholds."""
    return pa.DataFrameSchema({"x": pa.Column(int, pa.Check.lt(limits.most))})


@pytest.mark.parametrize("judged", [numbers, sized, later, bounded, is_small])
def test_what_a_check_may_return_is_taken(judged: Callable[..., Any], tmp_path: Path) -> None:
    (report,) = asked(judged, tmp_path)
    assert (report.passed, report.check) == (True, judged.__name__)
    if judged is numbers:
        assert report.finding.metadata == {
            "n": 2.5,
            "nan": "nan",
            "day": "2026-01-02",
            "few": [{"x": 0}, {"x": 1}, {"x": 2}],
        }


@pytest.mark.parametrize(
    "schema", [Rows, pa.DataFrameSchema({"x": pa.Column(int, pa.Check.lt(2))})]
)
def test_schema_is_a_check_itself(schema: Any, tmp_path: Path) -> None:
    (report,) = asked(schema, tmp_path)
    assert report.check in ("rows", "schema")
    assert not report.passed
    assert "'x' breaks less_than(2) in 1 row, first in row 2, which has 2" in (
        report.finding.description
    )
    (again,) = asked(schema, tmp_path)
    # What nobody can tell from another of its kind is asked each time.
    assert again.is_new is (schema is not Rows)


def raising(table: pl.DataFrame) -> bool:
    """Raises."""
    raise ZeroDivisionError("of nothing")


def saying_much(table: pl.DataFrame) -> Any:
    """Says what no check could say."""
    return table


def with_an_object(table: pl.DataFrame) -> mp.CheckResult:
    """Has metadata that nobody can show."""
    return mp.CheckResult(True, metadata={"of": object()})


@pytest.mark.parametrize(
    ("judged", "told"),
    [
        (raising, "since the check failed: ZeroDivisionError: of nothing"),
        (saying_much, "must return whether the artifact passes, a CheckResult or a schema"),
        (with_an_object, "'of' holds a object"),
    ],
)
def test_check_that_cannot_be_told_has_failed_and_is_asked_again(
    judged: Any, told: str, tmp_path: Path
) -> None:
    for _ in range(2):
        (report,) = asked(judged, tmp_path)
        assert (report.passed, report.is_new) == (False, True)
        assert told in report.finding.description
    with pytest.raises(mp.CheckFailed, match="it could not be told"):
        asked(judged, tmp_path, blocking=True)


def test_code_of_a_check_is_no_code_of_a_stage(run_python: Any, tmp_path: Path) -> None:
    module = """
import ml_pipeline as mp

pipeline = mp.Pipeline("p", mp.ParamModel())


@pipeline.asset
def three() -> int:
    return 3

"""
    check = """
@pipeline.asset_check(three, blocking=True)
def is_three(three: int) -> bool:
    return three == {wanted}
"""
    tell = """
import sys
sys.path.insert(0, sys.argv[1])
import toy
stage = toy.pipeline.stage("three")
print(stage.code, *(check.code for check in stage.checks))
"""
    codes = []
    for place, text in enumerate((module, *(module + check.format(wanted=n) for n in (3, 4)))):
        folder = tmp_path / str(place)
        folder.mkdir()
        (folder / "toy.py").write_text(text)
        codes.append(run_python(tell, str(folder)).split())
    assert len({one[0] for one in codes}) == 1
    assert codes[1][1] != codes[2][1]
