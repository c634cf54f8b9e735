"""What a step that makes fewer assets needs."""

from collections.abc import Iterator
from typing import Any

import dagster as dg
import pytest
from dagster._core.definitions.assets.job import asset_job

from ml_pipeline.dagster import private_steps


def test_step_of_selected_assets_needs_their_resources_and_pool_alone() -> None:
    needs = {"a": {"db"}, "b": set[str]()}

    @dg.multi_asset(
        specs=[dg.AssetSpec(name, skippable=True) for name in needs],
        can_subset=True,
        required_resource_keys={"db"},
        pool="few",
        description="both",
        op_tags={"tag": "kept"},
    )
    def both(context: dg.AssetExecutionContext) -> Iterator[Any]:
        for key in context.selected_asset_keys:
            yield dg.MaterializeResult(key)

    made = private_steps.needing_only_what_is_selected(
        both,
        lambda keys: set[str]().union(*(needs[key.to_user_string()] for key in keys)),
        lambda keys: "few" if dg.AssetKey("a") in keys else None,
    )
    broken = dg.ResourceDefinition(lambda _: 1 / 0)  # type: ignore[arg-type]
    group = made.with_attributes(group_names_by_key={dg.AssetKey("b"): "own"})
    jobs = [
        dg.define_asset_job(name, selection)
        for name, selection in {"a": "a", "b": "b", "again": "b", "all": "*"}.items()
    ]
    defs = dg.Definitions(assets=[group], jobs=jobs, resources={"db": broken})
    dg.Definitions.validate_loadable(defs)
    steps = {job.name: job.graph.node_defs[0].name for job in defs.resolve_all_job_defs()}
    assert steps == {
        "a": "both",
        "b": "both_without_db_pool_few",
        "again": "both_without_db_pool_few",
        "all": "both",
        "__ASSET_JOB": "both",
    }
    job = defs.resolve_implicit_global_asset_job_def()
    assert job.execute_in_process(asset_selection=[dg.AssetKey("b")]).success
    for selection in (["a"], ["a", "b"]):
        keys = [dg.AssetKey(name) for name in selection]
        with pytest.raises(dg.DagsterResourceFunctionError):
            job.execute_in_process(asset_selection=keys)
    part = group.subset_for({dg.AssetKey("b")}, None)
    assert (part.op.pool, part.op.description, part.op.tags["tag"]) == (None, "both", "kept")
    assert group.subset_for({dg.AssetKey("a")}, None).op.pool == "few"
    assert hasattr(asset_job, private_steps._SPLITS), "what splits a step has another name"
