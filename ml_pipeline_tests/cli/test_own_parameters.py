"""Nested fields, shared names and parameters that change, as the command line has them."""

from pathlib import Path

import pytest

from ml_pipeline_tests.cli.conftest import CommandLine

pytestmark = pytest.mark.long

MODULE = """
from datetime import date

import dagster as dg
from pydantic import BaseModel, Field

import ml_pipeline as mp


class Tree(BaseModel):
    depth: int = Field(default=3, ge=1, le=8)


class Body(mp.ParamGroup):
    rate: float = 0.1
    tree: Tree = Tree()


class Head(mp.ParamGroup):
    rate: float = 0.2


pipeline = mp.Pipeline("own", mp.ParamModel(body=Body, head=Head))


@pipeline.asset(code_version="1", objective=mp.Objective(metric="error", direction="minimize"))
def score(as_of: date, body: Body, head: Head) -> float:
    return mp.Result(1.0, {"error": body.tree.depth / 10})


days = dg.DailyPartitionsDefinition("2026-01-01", end_date="2026-01-10")
defs = mp.code_location(pipeline, days)
"""


@pytest.fixture
def own(tmp_path: Path) -> CommandLine:
    (tmp_path / "own.py").write_text(MODULE)
    (tmp_path / "pyproject.toml").write_text('[tool.ml_pipeline]\nmodule = "own"\n')
    return CommandLine(tmp_path)


def test_nested_and_shared_names_and_their_changes_on_the_command_line(own: CommandLine) -> None:
    ran = own("run", "--as-of", "2026-01-05", "-p", "tree.depth=5", "-p", "head.rate=0.4")
    assert ran.code == 0, ran.err
    assert "tree.depth = 5 (command line)\nhead.rate = 0.4 (command line)" in ran.out
    refused = own("run", "-p", "rate=1", "-p", "tree.dept=2", "-p", "tree.depth=9")
    assert refused.code == 2
    for problem in (
        "'rate' is in the groups 'body' and 'head': write body.rate or head.rate",
        "'tree.dept' does not exist. Did you mean 'tree.depth'?",
        "body.tree.depth must be integer >= 1 and <= 8, but got '9'",
    ):
        assert problem in refused.err
    swept = own("sweep", "--as-of", "2026-01-05", "-p", "tree.depth=2,5", "-p", "head.rate=0.4")
    assert swept.code == 0, swept.err
    assert "2 combinations x 1 date: 1 reused, 1 to run" in swept.out + swept.err
    listed = own("runs", "list", "--where", "tree.depth=5 and head.rate>0.3", "--json")
    (run,) = listed.document["runs"]
    asked = own("runs", "list", "--where", "rate>0.3")
    assert (asked.code, "write body.rate or head.rate" in asked.err) == (2, True)

    schema = own("params", "--json").document
    assert schema["properties"]["body"]["properties"]["tree"]["$ref"] == "#/$defs/Tree"
    assert schema["$defs"]["Tree"]["properties"]["depth"]["maximum"] == 8

    store = str(own.artifacts)
    same = own("params", "--check-against", store)
    assert (same.code, same.out) == (0, "0 of 2 ids would change.\n")

    text = (own.folder / "own.py").read_text()
    renamed = text.replace("depth: int = Field(default=3, ge=1, le=8)", (
        "levels: int = Field(default=3, le=4, json_schema_extra=mp.renamed_from('depth'))"
    )).replace("tree.depth", "tree.levels")  # fmt: skip
    (own.folder / "own.py").write_text(renamed)
    found = own("params", "--check-against", store, "--json")
    assert found.code == 1
    (change,) = found.document["changes"]
    told = "body.tree.levels must be integer <= 4, but got 5"
    assert (change["run_id"], change["becomes"], change["why"]) == (run["run_id"], None, [told])
    shown = own("runs", "show", run["run_id"])
    assert (shown.code, "tree.levels" in shown.out) == (0, True)
    liked = own("run", "--like", run["run_id"])
    assert (liked.code, told in liked.err) == (2, True)
    kept = own("run", "--as-of", "2026-01-05", "-p", "tree.levels=2", "-p", "head.rate=0.4")
    assert (kept.code, "reused" in kept.out) == (0, True)

    (own.folder / "own.py").write_text(text.replace("head.rate", "x").replace(
        "class Head(mp.ParamGroup):\n", "class Head(mp.ParamGroup):\n    size: int = 7\n"
    ))  # fmt: skip
    added = own("params", "--check-against", store)
    assert added.code == 1
    assert added.out.count("the parameter size (7) was added") == 2
    why = own("why", "--as-of", "2026-01-05", "-p", "tree.depth=5", "-p", "head.rate=0.4")
    assert f"the parameter size (7) was added since run {run['run_id']}" in why.out
    lost = own("params", "--check-against", str(own.folder / "nowhere"))
    assert (lost.code, "there is no directory" in lost.err) == (1, True)
