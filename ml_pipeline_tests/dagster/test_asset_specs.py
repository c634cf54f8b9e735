"""What Dagster shows of a stage, and its key there."""

from datetime import date
from pathlib import Path

import dagster as dg

from ml_pipeline.dagster.code_location import code_location
from ml_pipeline.dagster.execution import InProcess, pipeline_job
from ml_pipeline.dagster.partitions import calendar_of
from ml_pipeline.launch.run_request import requested_run
from ml_pipeline.runs.stages import Pipeline
from ml_pipeline.store.artifacts import ArtifactStore
from ml_pipeline_tests.toys.dagster_site import events, temporary_instance
from ml_pipeline_tests.toys.pipeline import PARAMS, Data


def test_stage_with_everything_that_dagster_shows_has_it_and_keeps_its_path(tmp_path: Path) -> None:
    pipeline = Pipeline("shown", PARAMS)

    @pipeline.asset(
        group="raw",
        owners=["team:data", "somebody@example.com"],
        tags={"tier": "gold"},
        kinds=["json"],
        description="Where it starts.",
        key_prefix=["lake", "raw"],
    )
    def start(data: Data) -> dict[str, int]:
        return {"rows": data.rows}

    @pipeline.asset(key_prefix="lake")
    def end(start: dict[str, int]) -> dict[str, int]:
        return start

    @dg.asset(ins={"end": dg.AssetIn(key=["lake", "end"])})
    def reader(end: dict[str, int]) -> dict[str, int]:
        return end

    root = tmp_path / "store"
    location = code_location(pipeline, None, lambda: str(root), tmp_path)
    defs = dg.Definitions.merge(location, dg.Definitions(assets=[reader]))
    (made,) = location.assets or ()
    assert isinstance(made, dg.AssetsDefinition)
    specs = {spec.key.to_user_string(): spec for spec in made.specs}
    spec = specs["lake/raw/start"]
    assert spec.group_name == "raw"
    assert list(spec.owners) == ["team:data", "somebody@example.com"]
    assert spec.tags["tier"] == "gold"
    assert spec.kinds == {"json"}
    assert spec.description == "Where it starts."
    assert [dep.asset_key for dep in specs["lake/end"].deps] == [spec.key]
    assert specs["lake/end"].group_name == "shown"
    with temporary_instance(tmp_path / "instance") as instance:
        job = defs.resolve_implicit_global_asset_job_def()
        result = job.execute_in_process(instance=instance)
    assert result.output_for_node("reader") == {"rows": 6}
    materialized = events(result)
    assert ("lake/raw/start", None) in materialized
    tags = materialized["lake/end", None].tags
    assert "dagster/input_data_version/lake/raw/start" in tags
    assert (root / "start").is_dir()
    assert not (root / "lake").exists()


def test_run_of_stages_with_a_prefix_is_asked_for_by_their_names(tmp_path: Path) -> None:
    pipeline = Pipeline("prefixed", PARAMS)

    @pipeline.asset(key_prefix="lake")
    def only(data: Data) -> dict[str, int]:
        return {"rows": data.rows}

    asked = requested_run(pipeline, PARAMS.defaults, [date(2026, 1, 5)], ["only"])
    assert asked.asset_paths == [["lake", "only"]]
    partitions = dg.DailyPartitionsDefinition("2026-01-01", end_date="2026-02-01")
    store = ArtifactStore(str(tmp_path / "store"))
    job = pipeline_job(pipeline, partitions, lambda _: store, tmp_path)
    with temporary_instance(tmp_path / "instance") as instance:
        calendar = calendar_of("prefixed", partitions, "")
        here = InProcess(job, pipeline, store, instance, tmp_path / "logs", 5, calendar)
        (result,) = here.run(PARAMS.defaults, [date(2026, 1, 5)])
    assert result.error is None
    assert [artifact.asset for artifact in result.artifacts] == ["only"]
