"""Events that are stored at once are those that would be stored one by one."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
import sqlalchemy

from ml_pipeline.dagster.instance import open_instance
from ml_pipeline.dagster.private_events import stored_at_once
from ml_pipeline.settings import Settings

CHECKS = ["few", "many", "odd"]
KEY = dg.AssetKey("table")


@pytest.fixture
def configured(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    monkeypatch.setenv("ML_PIPELINE_HOME", str(tmp_path / "home"))
    return Settings()


@pytest.fixture
def commits(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """Give a list to which every transaction adds the name of its database."""
    done: list[str] = []

    def note(connection: Any) -> None:
        done.append(Path(str(connection.engine.url.database)).stem)

    sqlalchemy.event.listen(sqlalchemy.Engine, "commit", note)
    yield done
    sqlalchemy.event.remove(sqlalchemy.Engine, "commit", note)


def table(commits: list[str], fails: bool = False) -> dg.AssetsDefinition:
    """Return an asset with checks that says how many transactions its events took."""

    @dg.multi_asset(
        specs=[dg.AssetSpec(KEY)],
        check_specs=[dg.AssetCheckSpec(name, asset=KEY) for name in CHECKS],
    )
    def made(context: dg.AssetExecutionContext) -> Iterator[Any]:
        with stored_at_once(context.instance):
            yield dg.MaterializeResult(KEY)
            commits.clear()
            for name in CHECKS:
                yield dg.AssetCheckResult(asset_key=KEY, check_name=name, passed=name != "odd")
            # What is stored can be asked for by whoever stores, though nothing is written yet.
            records = context.instance.fetch_materializations(KEY, limit=1).records
            assert (len(records), commits) == (1, [])
            if fails:
                raise RuntimeError("told to fail")
        assert sorted(commits) == sorted([context.run.run_id, "index"])
        commits.clear()

    return made


@pytest.mark.parametrize("fails", [False, True])
def test_events_stored_at_once_take_one_transaction_of_each_database_and_are_all_there(
    configured: Settings, commits: list[str], fails: bool
) -> None:
    with open_instance(configured) as instance:
        done = dg.materialize([table(commits, fails)], instance=instance, raise_on_error=False)
        assert done.success is not fails
        assert "_connect" not in vars(instance.event_log_storage)
    # Another instance, so that nothing is left of the connections of the first.
    with dg.DagsterInstance.from_config(str(configured.instance_directory)) as own:
        keys = [dg.AssetCheckKey(KEY, name) for name in CHECKS]
        found = own.event_log_storage.get_latest_asset_check_execution_by_key(keys)
        assert {key.name: record.status.value for key, record in found.items()} == {
            "few": "SUCCEEDED",
            "many": "SUCCEEDED",
            "odd": "FAILED",
        }
        logged = [entry.get_dagster_event() for entry in own.all_logs(done.run_id)]
        told = [event for event in logged if event.event_type_value == "ASSET_CHECK_EVALUATION"]
        assert [event.asset_check_evaluation_data.check_name for event in told] == CHECKS
        (materialized,) = own.fetch_materializations(KEY, limit=2).records
        assert {
            event.asset_check_evaluation_data.target_materialization_data.storage_id
            for event in told
        } == {materialized.storage_id}


def test_events_of_other_databases_are_stored_one_by_one(commits: list[str]) -> None:
    with dg.instance_for_test(overrides={}) as instance:
        del instance.event_log_storage._db_lock
        with stored_at_once(instance):
            assert "_connect" not in vars(instance.event_log_storage)
    with dg.DagsterInstance.ephemeral() as instance, stored_at_once(instance):
        assert "_connect" not in vars(instance.event_log_storage)
