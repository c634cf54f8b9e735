"""The pipeline's stages as functions, and its runs as Dagster makes them."""

import re
from datetime import date
from typing import Any

import dagster as dg
import ml_pipeline as mp
import pytest

from new_pipeline.assets import examples, model
from new_pipeline.config import DataParams, TrainingParams
from new_pipeline.definitions import defs

DAY = date(2025, 3, 7)


def run(**params: Any) -> dict[str, Any]:
    """Run everything for one day; return the metadata of each asset."""
    done = (
        defs()
        .resolve_job_def("run_pipeline")
        .execute_in_process(
            partition_key=str(DAY),
            run_config={"resources": {"params": {"config": params}}},
            instance=dg.DagsterInstance.ephemeral(),
        )
    )
    made = [event.materialization for event in done.get_asset_materialization_events()]
    return {one.asset_key.to_user_string(): one.metadata for one in made}


def test_examples_know_nothing_later_than_their_day() -> None:
    days = examples(DAY, DataParams(history_days=3))["day"]
    assert (days.min(), days.max()) == (date(2025, 3, 5), DAY)


def test_model_is_steeper_with_less_penalty() -> None:
    data = examples(DAY, DataParams())
    slopes = [model(DAY, data, TrainingParams(alpha=alpha)).coef_[0] for alpha in (0, 1e6)]
    assert slopes[0] > slopes[1]


def test_run_is_judged_and_computed_once() -> None:
    first = run(training={"alpha": 2})
    assert first["evaluation"]["r2"].value > 0.5
    again = run(training={"alpha": 2.0})
    assert {name: made["reused"].value for name, made in again.items()} == {
        "examples": True,
        "model": True,
        "evaluation": True,
    }
    assert run(training={"alpha": 3})["examples"]["reused"].value


@pytest.mark.parametrize(
    ("params", "problem"),
    [
        ({"training": {"alpha": -1}}, "training.alpha must be number >= 0"),
        ({"training": {"alhpa": 1}}, "Did you mean 'alpha'?"),
        ({"data": {"history_days": 7}}, "`holdout_days < history_days` must hold"),
    ],
)
def test_bad_parameters_are_refused_before_a_run(params: dict[str, Any], problem: str) -> None:
    with pytest.raises(mp.ParamsError, match=re.escape(problem)):
        run(**params)
