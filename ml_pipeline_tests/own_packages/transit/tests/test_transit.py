"""What there was, what is kept of it, and the pipeline beside it, in one run."""

from collections.abc import Iterator
from typing import Any

import dagster as dg
import pytest
from transit.definitions import defs

import ml_pipeline as mp

EVERYTHING = {"passengers", "rush", "crowd_model", "crowd_score"}


@pytest.fixture(scope="module")
def instance() -> Iterator[dg.DagsterInstance]:
    with dg.DagsterInstance.ephemeral() as instance:
        yield instance


def computed(
    instance: dg.DagsterInstance, params: dict[str, Any] | None = None, **ops: Any
) -> set[str]:
    """Run everything for one day; return what was not reused."""
    config: dict[str, Any] = {"ops": {name: {"config": values} for name, values in ops.items()}}
    if params is not None:
        config["resources"] = {"crowding_params": {"config": params}}
    done = (
        defs()
        .resolve_implicit_global_asset_job_def()
        .execute_in_process(
            partition_key="2026-01-05",
            run_config=config,
            instance=instance,
            asset_selection=[dg.AssetKey(name) for name in EVERYTHING],
        )
    )
    made = [event.materialization for event in done.get_asset_materialization_events()]
    assert {one.asset_key.to_user_string() for one in made} == EVERYTHING
    return {one.asset_key.to_user_string() for one in made if not one.metadata["reused"].value}


def test_what_is_kept_and_the_pipeline_are_reused_together(instance: dg.DagsterInstance) -> None:
    assert computed(instance) == EVERYTHING
    # Nobody can tell what the first one reads; what it gives is the same.
    assert computed(instance) == {"passengers"}
    assert computed(instance, rush={"hours": 3}) == EVERYTHING
    assert computed(instance, {"fit": {"alpha": 2}}) == {"passengers", "crowd_model", "crowd_score"}
    assert computed(instance) == {"passengers"}


def test_bad_values_of_every_degree_are_refused_before_a_run(instance: dg.DagsterInstance) -> None:
    before = instance.get_runs_count()
    with pytest.raises(mp.ParamsError, match=r"rush\.hours must be integer >= 1, but got 0"):
        computed(instance, rush={"hours": 0})
    with pytest.raises(mp.ParamsError, match=r"fit\.alpha must be number >= 0, but got -1"):
        computed(instance, {"fit": {"alpha": -1}})
    job = defs().resolve_job_def("weekly_report")
    with pytest.raises(mp.ParamsError, match=r"report\.lines must be integer >= 1 and <= 10"):
        job.execute_in_process(run_config={"ops": {"report": {"config": {"lines": 11}}}})
    assert instance.get_runs_count() == before


def test_value_that_is_kept_is_loaded_by_its_key(instance: dg.DagsterInstance) -> None:
    computed(instance)
    rush = defs().load_asset_value("rush", instance=instance, partition_key="2026-01-05")
    assert rush["hour"].unique().sort().to_list() == [7, 8]
