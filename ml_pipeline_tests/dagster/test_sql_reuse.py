"""Engines and migration scripts are kept while an instance is open, and only then."""

from pathlib import Path
from typing import Any

import dagster as dg
import pytest
import sqlalchemy
from alembic.script import ScriptDirectory
from dagster._core.storage.event_log.sqlite import sqlite_event_log

from ml_pipeline.dagster.instance import open_instance
from ml_pipeline.dagster.sql_reuse import reused
from ml_pipeline.settings import Settings


@pytest.fixture
def configured(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    monkeypatch.setenv("ML_PIPELINE_HOME", str(tmp_path / "home"))
    return Settings()


@dg.asset
def nothing() -> None:
    """Nothing."""


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
    with reused():
        assert sqlite_event_log.create_engine is not before[0]
    assert (sqlite_event_log.create_engine, vars(ScriptDirectory)["from_config"]) == before


def test_dagster_with_other_names_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(sqlite_event_log, "create_engine")
    with reused():
        assert not hasattr(sqlite_event_log, "create_engine")
