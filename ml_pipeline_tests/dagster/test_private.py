"""What is private of Dagster is still what this package takes it for.

A failure here after an upgrade of Dagster means that the constant or function of the same name in
`ml_pipeline.dagster.private` has to be looked at.
"""

import contextlib
import sqlite3
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any

import dagster as dg
import dagster_webserver
import pytest
import sqlalchemy
from alembic.script import ScriptDirectory
from dagster._core.definitions import data_version, source_asset
from dagster._core.definitions.assets.job import asset_job
from dagster._core.instance.ref import InstanceRef
from dagster._core.storage import tags
from dagster._core.storage.event_log.sqlite import sqlite_event_log

from ml_pipeline.dagster import private
from ml_pipeline.dagster.instance import open_instance, prepare
from ml_pipeline.dagster.private import engines_kept
from ml_pipeline.launch.run_config import date_tags
from ml_pipeline.settings import Settings
from ml_pipeline_tests.toys.dagster_site import temporary_instance


@pytest.fixture
def configured(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    monkeypatch.setenv("ML_PIPELINE_HOME", str(tmp_path / "home"))
    return Settings()


HEARD = "6f9619ff-8b86-4d01-b42d-00cf4fc964ff"


@dg.asset
def nothing() -> None:
    """Nothing."""


def test_mark_that_suppresses_dagsters_own_event_is_dagsters() -> None:
    assert source_asset.SYSTEM_METADATA_KEY_SOURCE_ASSET_OBSERVATION in private.NO_EVENT

    @dg.multi_asset(specs=[dg.AssetSpec("own"), dg.AssetSpec("told")])
    def both() -> Iterator[Any]:
        yield dg.MaterializeResult("own", metadata=private.NO_EVENT)
        yield dg.MaterializeResult("told")

    made = dg.materialize([both]).get_asset_materialization_events()
    assert [str(event.asset_key.to_user_string()) for event in made] == ["told"]


def test_job_of_all_assets_has_the_name_that_is_launched_over_graphql() -> None:
    assert asset_job.IMPLICIT_ASSET_JOB_NAME == private.IMPLICIT_JOB
    job = dg.Definitions(assets=[nothing]).resolve_implicit_global_asset_job_def()
    assert job.name == private.IMPLICIT_JOB


def test_tags_that_tell_versions_are_those_that_dagster_reads() -> None:
    written = private.version_tags("made", "code", {"up/stream": "read"}, 7)
    assert written[data_version.DATA_VERSION_TAG] == "made"
    assert written[data_version.DATA_VERSION_IS_USER_PROVIDED_TAG] == "true"
    provenance = data_version.extract_data_provenance_from_entry(event_with(written))
    key = dg.AssetKey(["up", "stream"])
    assert provenance is not None
    assert provenance.code_version == "code"
    assert provenance.input_data_versions == {key: dg.DataVersion("read")}
    assert provenance.input_storage_ids == {key: 7}
    assert provenance.is_user_provided


def event_with(written: dict[str, str]) -> dg.EventLogEntry:
    """Return the event of an asset materialized with tags."""

    @dg.asset
    def made() -> dg.MaterializeResult[Any]:
        return dg.MaterializeResult(tags=written)

    with dg.DagsterInstance.ephemeral() as instance:
        dg.materialize([made], instance=instance)
        event = instance.get_latest_materialization_event(made.key)
    assert event is not None
    return event


def test_tags_of_dates_and_of_the_ui_are_dagsters() -> None:
    one, two = date(2026, 1, 5), date(2026, 1, 6)
    assert date_tags([one]) == {tags.PARTITION_NAME_TAG: "2026-01-05"}
    assert date_tags([one, two]) == {
        tags.ASSET_PARTITION_RANGE_START_TAG: "2026-01-05",
        tags.ASSET_PARTITION_RANGE_END_TAG: "2026-01-06",
    }
    bundle = Path(dagster_webserver.__file__).parent / "webapp" / "build" / "_next"
    assert any(private.FROM_UI_TAG in file.read_text() for file in bundle.rglob("*.js"))


@pytest.mark.parametrize("value", [1, "1e-3", None, [1], {"a": 1}], ids=str)
def test_type_with_a_name_takes_anything(value: Any) -> None:
    @dg.op(config_schema=private.anything_called("number"))
    def echo(context: dg.OpExecutionContext) -> None:
        assert context.op_config == value

    @dg.job
    def echoing() -> None:
        echo()

    assert echoing.execute_in_process({"ops": {"echo": {"config": value}}}).success


def test_class_of_ctrl_c_has_its_name() -> None:
    assert dg.DagsterExecutionInterruptedError.__name__ == private.INTERRUPTED


def test_run_tells_where_it_came_from() -> None:
    assert {"remote_job_origin", "job_code_origin"} <= set(dg.DagsterRun._fields)
    run = dg.DagsterRun("job", "run")
    assert private.location_of(run) is None
    assert not private.is_of_a_command(run)


def test_newest_event_of_an_instance_grows_with_events(tmp_path: Path) -> None:
    with temporary_instance(tmp_path / "instance") as instance:
        assert private.newest_event(instance) in (None, 0)
        dg.materialize([nothing], instance=instance)
        events = instance.fetch_materializations(nothing.key, limit=1)
        newest = private.newest_event(instance)
    assert newest is not None
    assert newest >= events.records[0].storage_id > 0


def test_listener_hears_the_events_of_its_run_alone() -> None:
    heard: list[str] = []
    with dg.DagsterInstance.ephemeral() as instance:
        job = dg.Definitions(assets=[nothing]).resolve_implicit_global_asset_job_def()
        private.listen(instance, HEARD, lambda event: heard.append(event.run_id))
        job.execute_in_process(instance=instance)
        assert heard == []
        job.execute_in_process(instance=instance, run_id=HEARD)
    assert set(heard) == {HEARD}


def test_dates_of_one_output_are_described_one_by_one() -> None:
    class Describes(dg.InMemoryIOManager):
        def handle_output(self, context: dg.OutputContext, obj: Any) -> None:
            for key in context.asset_partition_keys:
                private.add_metadata_of_date(context, {"day": key}, key)

    days = dg.StaticPartitionsDefinition(["a", "b"])

    @dg.asset(partitions_def=days)
    def own() -> int:
        return 1

    result = dg.materialize(
        [own],
        resources={"io_manager": Describes()},  # type: ignore[no-untyped-call]
        tags={
            "dagster/asset_partition_range_start": "a",
            "dagster/asset_partition_range_end": "b",
        },
    )
    made = [event.materialization for event in result.get_asset_materialization_events()]
    assert {m.partition: m.metadata["day"].value for m in made} == {"a": "a", "b": "b"}


def test_job_of_a_run_names_its_resources_and_selected_ops() -> None:
    found: list[private.JobNames] = []

    @dg.resource
    def told(context: dg.InitResourceContext) -> None:
        assert context.instance is not None
        assert context.run is not None
        found.append(private.names_in_job(context.instance, context.run))

    @dg.asset(required_resource_keys={"told"})
    def asks() -> None: ...

    dg.materialize([asks, nothing], resources={"told": told}, selection=[asks])
    assert [names.ops for names in found] == [["asks"]]
    assert set(found[0].resources) >= {"told", "io_manager"}


def test_instance_lacks_the_state_of_components_and_captures_nothing(configured: Settings) -> None:
    assert isinstance(InstanceRef.defs_state_storage, property)
    with open_instance(configured) as instance:
        assert instance.defs_state_storage is None
        assert type(instance.compute_log_manager).__name__ == "NoOpComputeLogManager"


def test_instance_makes_one_engine_for_each_database_and_reads_migrations_once(
    configured: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[str] = []
    read: list[str] = []
    make, scripts = sqlalchemy.create_engine, ScriptDirectory.from_config

    def counted(url: Any, **options: Any) -> Any:
        made.append(str(url))
        return make(url, **options)

    def counted_scripts(config: Any) -> Any:
        read.append(config.get_main_option("script_location"))
        return scripts(config)

    prepare(configured)
    monkeypatch.setattr(sqlite_event_log, "create_engine", counted)
    monkeypatch.setattr(ScriptDirectory, "from_config", counted_scripts)
    with open_instance(configured) as instance:
        assert dg.materialize([nothing], instance=instance).success
        assert dg.materialize([nothing], instance=instance).success
        assert len(instance.get_runs()) == 2
    assert len(made) == len(set(made)) == 3
    assert len(read) == 1


def test_runs_of_a_kept_engine_are_there_for_an_instance_of_dagsters_own(
    configured: Settings,
) -> None:
    with open_instance(configured) as instance:
        result = dg.materialize([nothing], instance=instance)
    with dg.DagsterInstance.from_config(str(configured.instance_directory)) as own:
        assert [run.run_id for run in own.get_runs()] == [result.run_id]
        assert own.get_latest_materialization_event(dg.AssetKey("nothing")) is not None
        logged = [entry.get_dagster_event() for entry in own.all_logs(result.run_id)]
    assert [event for event in logged if not event.is_asset_materialization_planned] == [
        *result.all_events
    ]


def test_what_was_replaced_is_put_back() -> None:
    before = sqlite_event_log.create_engine, vars(ScriptDirectory)["from_config"]
    with engines_kept():
        assert sqlite_event_log.create_engine is not before[0]
    assert (sqlite_event_log.create_engine, vars(ScriptDirectory)["from_config"]) == before


def test_dagster_with_other_names_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(sqlite_event_log, "create_engine")
    with engines_kept():
        assert not hasattr(sqlite_event_log, "create_engine")


def test_revisions_of_databases_are_those_that_a_new_one_has(configured: Settings) -> None:
    with open_instance(configured):
        pass
    database = sqlite3.connect(configured.instance_directory / "history" / "runs.db")
    with contextlib.closing(database):
        ((revision,),) = database.execute("SELECT version_num FROM alembic_version")
    assert revision in private.known_revisions()


def test_configuration_that_does_not_do_raises_what_is_expected(tmp_path: Path) -> None:
    (tmp_path / "dagster.yaml").write_text("run_queue: 3\n")
    with pytest.raises(private.REFUSALS):
        private.open_instance(tmp_path)


def test_kept_objects_survive_a_merge_in_this_process() -> None:
    kept = object()
    some = dg.Definitions(metadata={"ml_pipeline/x": private.kept(kept)})
    merged = dg.Definitions.merge(dg.Definitions(metadata={"other": 1}), some)
    assert private.what_is_kept(merged.metadata["ml_pipeline/x"]) is kept
    assert private.what_is_kept(merged.metadata["other"]) is None
