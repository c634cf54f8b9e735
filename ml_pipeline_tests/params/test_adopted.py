"""Config classes that were there before are groups as they are."""

from collections.abc import Mapping
from datetime import date
from pathlib import Path
from typing import Any, Literal

import dagster as dg
import pytest
from pydantic import Field, field_validator

from ml_pipeline import Pipeline, code_location
from ml_pipeline.errors import ParamsError, PipelineError
from ml_pipeline.params.group import ParamGroup
from ml_pipeline.params.identity import run_id
from ml_pipeline.params.model import ParamModel


class TrainConfig(dg.Config):
    """How an op trains."""

    depth: int = Field(default=3, ge=1, le=8, description="of a tree")
    rate: float = 1
    loss: Literal["squared", "absolute"] = "squared"

    @field_validator("rate")
    @classmethod
    def _is_small(cls, rate: float) -> float:
        if rate >= 5:
            raise ValueError("must be below 5")
        return rate


class SameGroup(ParamGroup):
    depth: int = Field(default=3, ge=1, le=8)
    rate: float = 1.0
    loss: Literal["squared", "absolute"] = "squared"


MODEL = ParamModel(train=TrainConfig)


def ids(model: ParamModel, values: Mapping[str, Any]) -> str:
    return run_id(model.parse(values).identity_values(["train"]), None)


@pytest.mark.parametrize("values", [{}, {"depth": "4"}, {"train": {"rate": 2, "depth": 4.0}}])
def test_adopted_class_gives_the_ids_of_a_group(values: Mapping[str, Any]) -> None:
    assert ids(MODEL, values) == ids(ParamModel(train=SameGroup), values)


def test_adopted_class_is_what_stages_get_and_stays_as_it_was() -> None:
    before = TrainConfig.model_config.copy()
    params = MODEL.validate({"train": TrainConfig(depth=4)})
    config = params.groups["train"]
    assert isinstance(config, TrainConfig)
    assert (config.depth, config.rate) == (4, 1.0)
    assert TrainConfig.model_config == before
    assert TrainConfig(depth=4).depth == 4


def test_adopted_class_refuses_all_problems_at_once() -> None:
    with pytest.raises(ParamsError) as caught:
        MODEL.parse({"depth": 9, "rate": 7, "los": "squared"})
    assert caught.value.problems == (
        "'los' does not exist. Did you mean 'loss'?",
        "train.depth must be integer >= 1 and <= 8, but got 9",
        "train.rate must be below 5 (got 7)",
    )


def test_adopted_class_of_another_pipeline_is_no_group() -> None:
    class Other(dg.Config):
        depth: int = 1

    pipeline = Pipeline("adopting", MODEL)
    with pytest.raises(PipelineError, match="asks for Other, which is no group"):

        @pipeline.asset
        def wrong(other: Other) -> int:
            return other.depth


def test_adopted_class_runs_in_a_pipeline_and_in_its_old_op(tmp_path: Path) -> None:
    pipeline = Pipeline("adopting", MODEL)

    @pipeline.asset
    def fitted(as_of: date, config: TrainConfig) -> dict[str, float]:
        return {"depth": config.depth}

    @dg.op
    def old(config: TrainConfig) -> int:
        return config.depth

    @dg.job
    def old_job() -> None:
        old()

    days = dg.DailyPartitionsDefinition("2026-01-01")
    defs = code_location(pipeline, days, lambda: str(tmp_path), tmp_path)
    ran = defs.resolve_job_def("run_pipeline").execute_in_process(
        partition_key="2026-01-05",
        run_config={"resources": {"params": {"config": {"train": {"depth": 5}}}}},
    )
    assert ran.success
    (data,) = tmp_path.rglob("data.json")
    assert '"depth":5' in data.read_text().replace(" ", "")
    with_config = {"ops": {"old": {"config": {"depth": 2}}}}
    assert old_job.execute_in_process(with_config).output_for_node("old") == 2
