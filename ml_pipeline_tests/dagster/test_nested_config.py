"""Fields that hold fields, in Dagster's run config."""

import json
from datetime import date
from pathlib import Path
from typing import Any, Literal

import dagster as dg
import pytest
from pydantic import Field

from ml_pipeline import Objective, ParamGroup, ParamModel, Pipeline, Result, code_location
from ml_pipeline.dagster.resources import config_schema
from ml_pipeline.errors import ParamsError
from ml_pipeline.params.layers import Layer, gathered
from ml_pipeline.store.record import Record
from ml_pipeline.sweeps.request import SweepRequest

DAY = "2026-01-05"


class Tree(dg.Config):
    """How trees grow."""

    depth: int = Field(default=3, ge=1, le=8, description="levels")
    leaf: int = 20


class Training(ParamGroup):
    rate: float = 0.1
    tree: Tree = Field(default=Tree(depth=4), description="one tree")


@pytest.fixture
def defs(tmp_path: Path) -> dg.Definitions:
    pipeline = Pipeline("nesting", ParamModel(training=Training))

    @pipeline.asset(objective=Objective(metric="error", direction="minimize"))
    def score(as_of: date, training: Training) -> Any:
        return Result({"depth": training.tree.depth}, {"error": training.tree.depth / 10})

    days = dg.DailyPartitionsDefinition("2026-01-01")
    return code_location(pipeline, days, lambda: str(tmp_path), tmp_path)


def run(defs: dg.Definitions, config: dict[str, Any]) -> dg.ExecuteInProcessResult:
    job = defs.resolve_job_def("run_pipeline")
    resources = {"resources": {"params": {"config": config}}}
    return job.execute_in_process(run_config=resources, partition_key=DAY)


def test_config_schema_has_the_fields_within_fields() -> None:
    training = config_schema([ParamModel(training=Training)]).fields["training"].config_type
    tree = training.fields["tree"]
    assert tree.description == "one tree"
    depth = tree.config_type.fields["depth"]
    assert (depth.default_value, depth.description) == (4, "integer >= 1 and <= 8. levels")


def test_nested_config_is_validated_recorded_and_told(defs: dg.Definitions, tmp_path: Path) -> None:
    (made,) = run(defs, {"training": {"tree": {"depth": "5"}}}).asset_materializations_for_node(
        "nesting"
    )
    assert made.metadata["training.tree.depth"].value == 5
    (file,) = tmp_path.rglob("record.json")
    record = Record.from_json(file.read_bytes(), str(file))
    assert record.params["training"]["tree"] == {"depth": 5, "leaf": 20}
    assert list(record.origins) == ["training.tree.depth"]


def test_nested_config_is_refused_with_all_problems(defs: dg.Definitions) -> None:
    with pytest.raises(ParamsError) as caught:
        run(defs, {"training": {"tree": {"dept": 5, "leaf": "x"}, "rte": 1}})
    assert set(caught.value.problems) == {
        "'training.tree.dept' does not exist. Did you mean 'tree.depth'?",
        "'training.rte' does not exist. Did you mean 'rate'?",
        "training.tree.leaf must be integer, but got 'x'",
    }


def test_nested_field_is_swept_in_run_config_that_has_its_defaults_filled_in() -> None:
    model = ParamModel(training=Training)
    filled = {"rate": 0.1, "tree": {"depth": "2,3", "leaf": 20}}
    request = SweepRequest.of_config(model, {"training": filled, "search": {}})
    assert request.varied == ["training.tree.depth"]
    trials = request.combinations.trials
    assert [trial.varied for trial in trials] == [{"training.tree.depth": n} for n in (2, 3)]
    assert [trial.params.values()["training"]["tree"]["leaf"] for trial in trials] == [20, 20]
    listed = {"search": {"trials": [{"tree.depth": 2, "training.tree.leaf": 5}]}}
    (trial,) = SweepRequest.parse(model, listed).combinations.trials
    assert trial.params.values()["training"]["tree"] == {"depth": 2, "leaf": 5}


def test_sweep_that_varies_a_field_that_is_none_is_refused_with_the_nearest() -> None:
    with pytest.raises(ParamsError) as caught:
        SweepRequest.parse(
            ParamModel(training=Training), {"training": {"tree": {"depth": "2,9", "lef": "1,2"}}}
        )
    assert set(caught.value.problems) == {
        "'training.tree.lef' does not exist. Did you mean 'tree.leaf'?",
        "training.tree.depth must be integer >= 1 and <= 8, but got '9' (1 of 2 combinations)",
    }


class Forest(dg.Config):
    kind: Literal["forest"] = "forest"
    size: int = Field(default=10, ge=1)


class Linear(dg.Config):
    kind: Literal["linear"] = "linear"
    penalty: float = 1.0


class Choosing(ParamGroup):
    estimator: Forest | Linear = Field(default=Linear(), discriminator="kind")


@pytest.mark.parametrize(
    ("typed", "swept"),
    [
        ({"estimator": '{"kind": "forest", "size": 3},{"kind": "linear"}'},
         [{"kind": "forest", "size": 3}, {"kind": "linear", "penalty": 1.0}]),
        ({"estimator.kind": "forest", "estimator.size": "3,4"},
         [{"kind": "forest", "size": 3}, {"kind": "forest", "size": 4}]),
        ({"estimator.kind": "forest,linear"},
         [{"kind": "forest", "size": 10}, {"kind": "linear", "penalty": 1.0}]),
        ({"estimator": '{"kind": "forest", "size": [3, 4]}'},
         [{"kind": "forest", "size": 3}, {"kind": "forest", "size": 4}]),
    ],
)  # fmt: skip
def test_value_of_a_class_is_swept_whole_and_by_listed_fields(
    typed: dict[str, str], swept: list[dict[str, Any]]
) -> None:
    model = ParamModel(group=Choosing)
    given = gathered(model, [Layer("command line", typed, is_typed=True)])
    request = SweepRequest.parse(model, given.values, given.origins)
    assert [trial.varied["group.estimator"] for trial in request.combinations.trials] == swept
    again = SweepRequest.of_config(model, json.loads(json.dumps(request.values)))
    assert again.document() == request.document()


def test_interval_of_a_field_of_a_class_is_refused() -> None:
    model = ParamModel(group=Choosing)
    layer = Layer("command line", {"estimator.penalty": "log[0.1..1]"}, is_typed=True)
    with pytest.raises(ParamsError) as caught:
        SweepRequest.parse(model, gathered(model, [layer]).values)
    (told,) = caught.value.problems
    assert told.endswith("'estimator' is swept as a whole, and only by listed values: list them")
