"""A type checker sees real types in a pipeline of one's own that uses public names alone."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.long

ROOT = Path(__file__).parents[1]

OWN = '''"""A small pipeline, as its owners would write it."""

from collections.abc import Iterator
from datetime import date, timedelta
from typing import Any

import dagster as dg
import polars as pl
from pydantic import Field

import ml_pipeline as mp


class Size(mp.ParamGroup):
    """How much."""

    rows: int = Field(default=2, ge=1, description="how many rows")


class Shop(dg.ConfigurableResource[Any]):
    """Where amounts come from."""

    url: str

    def amounts(self, day: date) -> list[int]:
        return [len(self.url), day.day]


@dg.asset
def prices() -> dict[str, float]:
    return {"price": 2.5}


pipeline = mp.Pipeline("shop", mp.ParamModel(size=Size))


@pipeline.asset(
    ins={"prices": prices},
    deps=[dg.AssetKey("calendar")],
    retry_policy=dg.RetryPolicy(max_retries=2),
    automation_condition=dg.AutomationCondition.eager(),
    freshness_policy=dg.FreshnessPolicy.time_window(fail_window=timedelta(days=2)),
    metadata={"page": "wiki"},
    pool="shop",
    owners=["team:data"],
    kinds=["polars"],
)
def table(
    as_of: date,
    size: Size,
    shop: Shop,
    rate: dg.ResourceParam[float],
    prices: dict[str, float],
    context: dg.AssetExecutionContext,
) -> pl.DataFrame:
    reveal_type(size.rows)  # int
    reveal_type(shop.amounts(as_of))  # list
    reveal_type(rate)  # float
    reveal_type(context)  # context
    return pl.DataFrame({"x": shop.amounts(as_of) * size.rows})


@pipeline.asset
async def shifted(table: pl.DataFrame) -> pl.DataFrame:
    return table.with_columns(pl.col("x") + 1)


@pipeline.asset(objective=mp.Objective(metric="sum", direction="maximize"))
def score(shifted: pl.DataFrame, size: Size) -> mp.Result:
    return mp.Result({"rows": shifted.height}, metrics={"sum": float(shifted["x"].sum())})


location = mp.code_location(pipeline, dg.DailyPartitionsDefinition("2026-01-01"))
defs = dg.Definitions.merge(
    location, dg.Definitions(assets=[prices], resources={"shop": Shop(url="x"), "rate": 1.5})
)

reveal_type(pipeline)  # Pipeline
reveal_type(pipeline.stage("table").upstream)  # tuple
reveal_type(table)  # function
reveal_type(shifted)  # coroutine function
reveal_type(location)  # Definitions
reveal_type(pipeline.params.parse({"rows": 3}))  # ParamSet
'''

REVEALED = {
    "int": "int",
    "list": "list[int]",
    "float": "float",
    "context": "AssetExecutionContext",
    "Pipeline": "ml_pipeline.dagster.stages.Pipeline",
    "tuple": "tuple[str, ...]",
    "function": "def (as_of: datetime.date, size: own.Size, shop: own.Shop, rate: float,"
    " prices: dict[str, float], context: AssetExecutionContext)"
    " -> polars.dataframe.frame.DataFrame",
    "coroutine function": "def (table: polars.dataframe.frame.DataFrame)"
    " -> typing.Coroutine[Any, Any, polars.dataframe.frame.DataFrame]",
    "Definitions": "Definitions",
    "ParamSet": "ml_pipeline.params.model.ParamSet",
}

NO_OPTION = [('pool="shop"', 'pol="shop"', "No overload variant")]
NO_POLICY = [
    ("retry_policy=dg.RetryPolicy(max_retries=2)", "retry_policy=2", "No overload variant")
]
NO_VALUES = [
    ('direction="maximize"', 'direction="up"', "Literal['up']"),
    ("size.rows)  # int", "size.row)  # int", '"Size" has no attribute'),
    ("float(shifted", "str(shifted", 'expected "str": "float"'),
]


def checked(folder: Path, text: str) -> str:
    (folder / "own.py").write_text(text)
    command = [sys.executable, "-m", "mypy", "--strict", "--config-file=", "own.py"]
    # One cache for all: what is the same in each is checked once.
    command.append(f"--cache-dir={folder.parent / 'mypy'}")
    where = {**os.environ, "MYPYPATH": str(ROOT)}
    done = subprocess.run(command, cwd=folder, env=where, capture_output=True, text=True)
    return done.stdout + done.stderr


def plain(told: str) -> str:
    """Leave out what differs between versions of the type checker and of Dagster."""
    return re.sub(r"builtins\.|(?<![\w.])dagster\.[\w.]*\.|[?]", "", told)


def test_own_pipeline_is_strictly_typed_and_shows_real_types(tmp_path: Path) -> None:
    told = checked(tmp_path, OWN)
    assert "error:" not in told, told
    shown = re.findall(r'own\.py:(\d+): note: Revealed type is "(.*)"', told)
    lines = OWN.splitlines()
    assert len(shown) == OWN.count("reveal_type(")
    for number, revealed in shown:
        wanted = lines[int(number) - 1].partition("  # ")[2]
        assert plain(revealed) == REVEALED[wanted], wanted


@pytest.mark.parametrize("edits", [NO_OPTION, NO_POLICY, NO_VALUES])
def test_own_pipeline_that_is_wrong_is_told_so_by_the_type_checker(
    tmp_path: Path, edits: list[tuple[str, str, str]]
) -> None:
    text = OWN
    for old, new, _ in edits:
        assert old in text
        text = text.replace(old, new)
    told = plain(checked(tmp_path, text))
    assert [words for _, _, words in edits if words not in told] == [], told
