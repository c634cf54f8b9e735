from collections.abc import Iterator
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from ml_pipeline.dagster.assets import pipeline_assets
from ml_pipeline.dagster.io_manager import io_manager_resource
from ml_pipeline.dagster.resources import params_resource
from ml_pipeline.errors import ParamsError
from ml_pipeline.runs.stages import Pipeline
from ml_pipeline.store.record import Record
from ml_pipeline_tests.toys.dagster_site import (
    DAILY,
    DAY,
    Site,
    events,
    failure,
    temporary_instance,
)
from ml_pipeline_tests.toys.pipeline import PARAMS, STAGES, Data, enter, fresh, toy

ALL = list(STAGES)


@pytest.fixture
def new_site(site: Site, tmp_path: Path) -> Iterator[Site]:
    """A store and an instance of its own."""
    with temporary_instance(tmp_path / "instance") as instance:
        yield replace(site, instance=instance)


def record_of(site: Site, event: Any) -> Record:
    file = Path(event.metadata["path"].value)
    record = site.bench.store.read_record(str(file.parent.relative_to(site.bench.root)))
    assert record is not None
    return record


# One date


def test_run_of_one_date_materializes_every_stage_with_its_parameters(site: Site) -> None:
    result = site.run(config={"fit": {"learning_rate": 0.25}})
    assert result.success, failure(result)
    made = events(result)
    assert list(made) == [(name, DAY) for name in ALL]
    for (name, _), event in made.items():
        record = record_of(site, event)
        shown = {key: value.value for key, value in event.metadata.items()}
        assert record.asset == name
        assert shown["run_id"] == record.run_id
        assert shown["revision"] == record.revision
        assert shown["reused"] is False
        assert shown["reason"].startswith(f"{name}: computed: nothing is published yet")
        assert shown["bytes"] == record.content.bytes
        assert shown["digest"] == record.content.digest
        assert shown["data.region"] == "north"
        assert shown["made_by"] == result.run_id
        assert event.tags["dagster/data_version"] == record.content.digest
        assert event.tags["dagster/code_version"] == record.code
        assert record.provenance.dagster_run_id == result.run_id
    assert made["model", DAY].metadata["fit.learning_rate"].value == 0.25
    assert "fit.learning_rate" not in made["features", DAY].metadata
    assert made["table", DAY].metadata["dagster/row_count"].value == 6
    assert made["score", DAY].metadata["r2"].value == fresh({"learning_rate": 0.25})["score"]["r2"]
    assert made["score", DAY].metadata["picture"].value.startswith("![result](data:image/svg+xml;")
    beside = Path(str(made["model", DAY].metadata["path"].value)).parent / "card.md"
    assert made["model", DAY].metadata["model card"].value == beside.read_text()
    assert "model card" not in made["score", DAY].metadata


def test_run_repeated_materializes_what_is_reused(site: Site) -> None:
    first = site.run()
    site.bench.started()
    again = site.run()
    assert site.bench.started() == []
    for key, event in events(again).items():
        assert event.metadata["reused"].value is True
        assert event.metadata["made_by"].value == first.run_id
        versions = [name for name in event.tags if "event_pointer" not in name]
        assert versions
        for name in versions:
            assert event.tags[name] == events(first)[key].tags[name]
        assert event.metadata["reason"].value.endswith(f"by {first.run_id}")


def test_run_with_another_value_computes_only_what_depends_on_it(site: Site) -> None:
    site.run()
    site.bench.started()
    made = events(site.run(config={"fit": {"learning_rate": "2e-1"}}))
    assert site.bench.started() == ["model", "score"]
    assert [event.metadata["reused"].value for event in made.values()] == [True, True, False, False]


def test_run_is_one_step(site: Site) -> None:
    result = site.run()
    assert len([e for e in result.all_events if e.event_type_value == "STEP_START"]) == 1


def test_run_of_a_selection_makes_that_alone(site: Site) -> None:
    site.run(selection=["table", "features"])
    assert site.bench.started() == ["table", "features"]
    made = events(site.run(selection=["model"]))
    assert list(made) == [("model", DAY)]
    assert site.bench.started() == ["model"]


def test_run_of_a_selection_without_its_upstream_says_how_to_make_it(site: Site) -> None:
    told = failure(site.run(selection=["score"]))
    assert told.startswith("'model' must be published for as_of=2026-01-05, region=north, rows=6,")
    assert "--select model" in told
    assert site.bench.started() == []


def test_run_of_a_stage_that_fails_says_why_and_keeps_what_was_done(site: Site) -> None:
    site.bench.tell("raise-model")
    result = site.run()
    assert failure(result) == "RuntimeError: model was told to fail"
    assert list(events(result)) == [("table", DAY), ("features", DAY)]
    run = site.instance.get_run_by_id(result.run_id)
    assert run is not None
    assert run.status == dg.DagsterRunStatus.FAILURE
    (site.bench.home / "raise-model").unlink()
    site.bench.started()
    assert site.run().success
    assert site.bench.started() == ["model", "score"]


def test_run_with_force_computes_again(site: Site) -> None:
    site.run()
    site.bench.started()
    made = events(site.run(config={"run": {"force": True}}))
    assert site.bench.started() == ALL
    assert made["table", DAY].metadata["reason"].value == (
        "table: computed: asked for with force; the bytes agree with those published before"
    )


def test_run_without_partitions_works(new_site: Site) -> None:
    new_site.bench.pipeline = Pipeline("dateless", PARAMS)
    new_site.partitions = None

    @new_site.bench.pipeline.asset(code_version="1")
    def numbers(data: Data) -> dict[str, int]:
        enter("numbers")
        return {"rows": data.rows}

    for _ in range(2):
        made = events(new_site.run(None))
        assert list(made) == [("numbers", None)]
    assert new_site.bench.started() == ["numbers"]
    assert new_site.stale(day=None) == {"numbers": "fresh"}


def test_materialize_takes_the_assets_and_resources_by_themselves(site: Site) -> None:
    pipeline = toy()
    result = dg.materialize(
        [pipeline_assets(pipeline, DAILY)],
        instance=site.instance,
        partition_key=DAY,
        resources={
            "params": params_resource(pipeline),
            "toy_io": io_manager_resource(
                pipeline, lambda _: site.bench.store, Path(__file__).parent
            ),
        },
        run_config={"resources": {"params": {"config": {"shape": {"window": 4}}}}},
    )
    assert result.success, failure(result)
    assert result.asset_materializations_for_node("toy")[1].metadata["shape.window"].value == 4


@pytest.mark.parametrize(
    ("tags", "origin"),
    [
        ({}, "Python"),
        ({"dagster/from_ui": "true"}, "launchpad"),
        ({"dagster/backfill": "abc"}, "backfill"),
        ({"dagster/schedule_name": "nightly"}, "schedule nightly"),
        ({"dagster/sensor_name": "late"}, "sensor late"),
        ({"ml_pipeline/origins": '{"data.rows": "command line"}'}, "command line"),
    ],
)
def test_record_tells_where_values_came_from(site: Site, tags: dict[str, str], origin: str) -> None:
    result = site.run(config={"data": {"rows": 8}}, selection=["table"], tags=tags)
    assert record_of(site, events(result)["table", DAY]).origins == {"data.rows": origin}


# Several dates


def test_run_of_a_range_materializes_every_date_by_itself(new_site: Site) -> None:
    new_site.bench.tell("outside-2026-01-06", "4")
    result = new_site.run("2026-01-05", until="2026-01-07")
    assert result.success, failure(result)
    made = events(result)
    days = ["2026-01-05", "2026-01-06", "2026-01-07"]
    assert list(made) == [(name, day) for day in days for name in ALL]
    for (name, day), event in made.items():
        record = record_of(new_site, event)
        assert (record.asset, str(record.as_of)) == (name, day)
        assert event.metadata["run_id"].value == record.run_id
        assert event.tags["dagster/data_version"] == record.content.digest
    assert len({event.tags["dagster/data_version"] for event in made.values()}) == len(made)
    for name in ALL:
        assert new_site.instance.get_materialized_partitions(dg.AssetKey(name)) == set(days)
        for day in days:
            assert new_site.stale(name, day=day) == {name: "fresh"}


def test_run_of_a_range_gives_every_date_its_own_data_version_in_the_log(new_site: Site) -> None:
    result = new_site.run("2026-01-05", until="2026-01-06")
    for (name, day), event in events(result).items():
        latest = new_site.instance.fetch_materializations(
            dg.AssetRecordsFilter(dg.AssetKey(name), asset_partitions=[str(day)]), limit=10
        ).records
        assert len(latest) == 1, "one event for each asset and date, and none of Dagster's own"
        logged = latest[0].asset_materialization
        assert logged is not None
        assert logged.tags is not None
        assert logged.tags["dagster/data_version"] == event.tags["dagster/data_version"]


@pytest.mark.parametrize("stage", ["table", "score"])
def test_run_of_a_range_with_one_bad_date_does_all_others(new_site: Site, stage: str) -> None:
    # Only the table knows its date; other stages are told through its outside data.
    if stage == "table":
        new_site.bench.tell("raise-table-2026-01-06")
        reason = "RuntimeError: table-2026-01-06 was told to fail"
    else:
        new_site.bench.tell("outside-2026-01-06", "not a number")
        reason = "ValueError: invalid literal for int() with base 10: 'not a number'"
    result = new_site.run("2026-01-05", until="2026-01-07")
    assert set(events(result)) == {
        (name, day) for name in ALL for day in ("2026-01-05", "2026-01-07")
    }
    assert failure(result) == f"1 of 3 dates failed, the others are done:\n  2026-01-06: {reason}"
    (event,) = result.filter_events(lambda event: event.is_step_failure)
    told = event.step_failure_data.user_failure_data
    assert told is not None
    assert told.metadata["failures"].value == {"2026-01-06": reason}
    for name in ALL:
        done = new_site.instance.get_materialized_partitions(dg.AssetKey(name))
        assert done == {"2026-01-05", "2026-01-07"}


def test_run_of_a_range_that_fails_late_tells_of_whole_dates_and_keeps_early_stages(
    site: Site,
) -> None:
    site.run("2026-01-05", until="2026-01-07", selection=["table", "features"])
    site.bench.tell("raise-model")
    site.bench.started()
    result = site.run("2026-01-05", until="2026-01-07")
    assert events(result) == {}
    assert failure(result).startswith("3 of 3 dates failed")
    (site.bench.home / "raise-model").unlink()
    site.bench.started()
    assert site.run("2026-01-05", until="2026-01-07").success
    assert site.bench.started() == ["model", "score"] * 3


def test_run_of_a_range_and_runs_of_its_dates_are_the_same_artifacts(site: Site) -> None:
    site.run("2026-01-05", until="2026-01-06")
    site.bench.started()
    for day in ("2026-01-05", "2026-01-06"):
        assert all(event.metadata["reused"].value for event in events(site.run(day)).values())
    assert site.bench.started() == []


def test_run_of_a_range_of_a_selection_makes_that_alone(site: Site) -> None:
    result = site.run("2026-01-05", until="2026-01-06", selection=["table", "features"])
    assert set(events(result)) == {
        (name, day) for name in ("table", "features") for day in ("2026-01-05", "2026-01-06")
    }


# Refused before there is a run


def refused(site: Site, **given: Any) -> str:
    before = site.instance.get_runs_count()
    with pytest.raises(ParamsError) as error:
        site.run(**given)
    assert site.instance.get_runs_count() == before
    assert site.bench.started() == []
    assert not site.bench.root.exists()
    return str(error.value)


def test_bad_values_are_refused_all_at_once_before_a_run_exists(site: Site) -> None:
    told = refused(
        site,
        config={
            "fit": {"learning_rate": -1, "lerning_rate": 2, "workers": "many"},
            "data": {"rows": 1, "window": 3},
            "shpae": {"window": 2},
            "run": {"max_age_days": -3},
        },
    )
    assert told == (
        "7 problems with the parameters:\n"
        "  - 'shpae' is no parameter group. Did you mean 'shape'?\n"
        "  - 'data.window' does not exist. It belongs in group 'shape'.\n"
        "  - data.rows must be integer >= 2 and <= 1000000, but got 1\n"
        "  - 'fit.lerning_rate' does not exist. Did you mean 'learning_rate'?\n"
        "  - fit.workers must be integer >= 1, but got 'many'\n"
        "  - fit.learning_rate must be number > 0 and <= 10, but got -1\n"
        "  - run.max_age_days must be number >= 0 and <= 36500 or none, but got -3\n"
        "Nothing was computed. `ml-pipeline params` lists every parameter with its type and bounds."
    )


@pytest.mark.parametrize(
    "value", [True, None, "", [], {}, "0.1.2", "nan", float("nan"), float("inf"), "1e400"]
)
def test_value_of_another_kind_is_refused_before_a_run_exists(site: Site, value: object) -> None:
    told = refused(site, config={"fit": {"learning_rate": value}})
    assert told.startswith("fit.learning_rate ")


@pytest.mark.parametrize("config", [{"fit": 3}, {"fit": ["learning_rate"]}, {"fit": "fast"}])
def test_group_of_another_kind_is_refused_before_a_run_exists(
    site: Site, config: dict[str, object]
) -> None:
    before = site.instance.get_runs_count()
    with pytest.raises(dg.DagsterError, match="fit"):
        site.run(config=config)
    assert site.instance.get_runs_count() == before


@pytest.mark.parametrize(
    ("typed", "message"),
    [
        (
            {"resources": {"parms": {"config": {"fit": {"learning_rate": 0.2}}}}},
            "'resources: parms' does not exist. Did you mean 'params'?",
        ),
        (
            {"resources": {"fit": {"config": {"learning_rate": 0.2}}}},
            "'resources: fit' does not exist",
        ),
        ({"ops": {"tyo": {"config": {}}}}, "'ops: tyo' does not exist. Did you mean 'toy'?"),
        ({"ops": {"model": {"config": {}}}}, "'ops: model' does not exist"),
        ({"resource": {"params": {}}}, "'resource' does not exist. Did you mean 'resources'?"),
    ],
)
def test_unknown_section_resource_or_op_is_refused(
    site: Site, typed: dict[str, object], message: str
) -> None:
    job = site.defs.resolve_implicit_global_asset_job_def()
    try:
        result = job.execute_in_process(
            run_config=typed, instance=site.instance, partition_key=DAY, raise_on_error=False
        )
    except dg.DagsterError as error:
        told = str(error)
    else:
        assert not result.success
        (event,) = result.filter_events(lambda event: event.event_type_value == "PIPELINE_FAILURE")
        told = event.job_failure_data.error.message  # type: ignore[union-attr]
    assert message in told or 'unexpected config entry "resource"' in told
    assert site.bench.started() == []


def test_launchpad_shows_every_parameter_with_its_default(site: Site) -> None:
    job = site.defs.resolve_implicit_global_asset_job_def()
    groups = job.resource_defs["params"].config_schema.config_type.fields  # type: ignore[union-attr]
    assert sorted(groups) == ["data", "fit", "run", "shape"]
    fit = groups["fit"].config_type.fields
    assert fit["learning_rate"].default_value == 0.1
    assert fit["learning_rate"].description == "number > 0 and <= 10. strength of the penalty"
    assert groups["fit"].description == "How the model is fitted."


# Dagster's own opinion


def test_staleness_is_missing_before_and_fresh_after_a_run(new_site: Site) -> None:
    assert new_site.stale() == dict.fromkeys(ALL, "missing")
    new_site.run()
    assert new_site.stale() == dict.fromkeys(ALL, "fresh")
    assert new_site.stale(day="2026-01-06") == dict.fromkeys(ALL, "missing")


def test_staleness_follows_an_edit_and_the_run_after_it(new_site: Site) -> None:
    new_site.run()
    new_site.bench.edit(model="2")
    told = new_site.stale()
    assert told["table"] == told["features"] == "fresh"
    assert told["model"] == "stale"
    new_site.bench.started()
    new_site.run()
    assert new_site.bench.started() == ["model"]
    assert new_site.stale() == dict.fromkeys(ALL, "fresh")


def test_staleness_after_an_edit_was_taken_back_and_run_is_fresh(new_site: Site) -> None:
    new_site.run()
    new_site.bench.edit(table="2")
    new_site.run()
    new_site.bench.edit()
    assert new_site.stale("table") == {"table": "stale"}
    new_site.bench.started()
    new_site.run()
    assert new_site.bench.started() == []
    assert new_site.stale() == dict.fromkeys(ALL, "fresh")


def test_staleness_follows_new_data_upstream(new_site: Site) -> None:
    new_site.run()
    new_site.bench.tell(f"outside-{DAY}", "9")
    new_site.run(selection=["table"])
    assert new_site.stale("table", "features") == {"table": "fresh", "features": "stale"}
    new_site.run()
    assert new_site.stale() == dict.fromkeys(ALL, "fresh")


def test_staleness_of_what_lies_below_an_edit_without_effect_is_fresh(new_site: Site) -> None:
    new_site.run()
    new_site.bench.edit(table="2")
    new_site.run(selection=["table"])
    assert new_site.stale() == dict.fromkeys(ALL, "fresh")


def test_staleness_of_a_range_is_by_date(new_site: Site) -> None:
    new_site.run("2026-01-05", until="2026-01-07")
    new_site.bench.tell("outside-2026-01-06", "9")
    new_site.run("2026-01-05", until="2026-01-07", selection=["table"])
    told = {day: new_site.stale("features", day=f"2026-01-0{day}")["features"] for day in (5, 6, 7)}
    assert told == {5: "fresh", 6: "stale", 7: "fresh"}


# The graph


def test_assets_show_what_they_depend_on_and_which_code_they_are(site: Site) -> None:
    graph = site.defs.resolve_asset_graph()
    for stage in site.bench.pipeline.stages.values():
        node = graph.get(dg.AssetKey(stage.name))
        assert node.code_version == stage.code
        assert {key.to_user_string() for key in node.parent_keys} == set(stage.upstream)
        assert node.metadata["parameter_groups"] == ", ".join(stage.scope)
        assert node.group_name == "toy"
    assert graph.get(dg.AssetKey("table")).description == "Rows of a day."
    assert "scikitlearn" in graph.get(dg.AssetKey("model")).kinds
    assert graph.get(dg.AssetKey("table")).backfill_policy == dg.BackfillPolicy.multi_run(32)


def test_dates_are_partitions_of_the_calendar(site: Site) -> None:
    with pytest.raises(dg.DagsterError, match="2027-01-01"):
        site.run("2027-01-01")
    assert site.bench.started() == []
    assert date.fromisoformat(DAY)
