"""Old runs, studies and logs go; what is referenced, running or young stays."""

import os
import sqlite3
import time
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import dagster as dg
import optuna
import pytest

import ml_pipeline as mp
from ml_pipeline.dagster.instance import open_instance
from ml_pipeline.dagster.location import location_of
from ml_pipeline.dagster.old_runs import being_read, delete, old_runs
from ml_pipeline.dagster.retention import due
from ml_pipeline.settings import settings
from ml_pipeline.store import owner
from ml_pipeline.sweeps import old_studies
from ml_pipeline.sweeps.study_storage import journal
from ml_pipeline_tests.toys.bench import Bench
from ml_pipeline_tests.toys.dagster_site import DAY, Site

pytestmark = pytest.mark.long

QUARTER = timedelta(days=90)
LONG_AGO = timedelta(days=100)


@pytest.fixture
def own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    """The toy pipeline with an instance of its own, such as the command line has."""
    bench = Bench(tmp_path)
    monkeypatch.setenv("TOY_HOME", str(bench.home))
    monkeypatch.setenv("ML_PIPELINE_HOME", str(tmp_path / "installed"))
    settings.cache_clear()
    with open_instance(settings()) as instance:
        yield Site(bench, instance)
    settings.cache_clear()


def set_back(instance: dg.DagsterInstance, *runs: str, by: timedelta = LONG_AGO) -> None:
    """Let runs have been created and changed earlier, by the database's own columns."""
    with sqlite3.connect(Path(instance.root_directory) / "history" / "runs.db") as database:
        for run in runs:
            database.execute(
                "UPDATE runs SET create_timestamp = datetime(create_timestamp, ?),"
                " update_timestamp = datetime(update_timestamp, ?) WHERE run_id = ?",
                (f"-{by.days} days", f"-{by.days} days", run),
            )


def found(site: Site, keep_latest: bool = True, environment: str = "") -> set[str]:
    runs = old_runs(site.instance, QUARTER, environment, environment != "prod", keep_latest)
    return {run.dagster_run_id for run in runs}


def test_old_runs_go_with_events_and_logs_but_for_what_is_latest_or_running(own: Site) -> None:
    instance = own.instance
    first, again = own.run(), own.run(selection=["table"])
    last = own.run("2026-01-06")
    waiting = instance.create_run_for_job(
        own.defs.resolve_implicit_global_asset_job_def(),
        tags={"dagster/parent_run_id": again.run_id},
    )
    assert found(own) == set()
    set_back(instance, *(one.run_id for one in (first, again, last)), waiting.run_id)
    # The first made the latest model; the second the latest table, and is executed again.
    assert found(own) == set()
    assert found(own, keep_latest=False) == {first.run_id, last.run_id}
    for one in (first, again):
        set_back(instance, one.run_id)
    newest = own.run()
    assert found(own) == {first.run_id}
    instance.report_run_canceled(waiting)
    runs = old_runs(instance, QUARTER, "", True, True)
    assert {run.dagster_run_id for run in runs} == {first.run_id, again.run_id}
    assert all(run.bytes > 10_000 for run in runs)

    assert len(list(delete(instance, runs))) == 2
    assert {run.run_id for run in instance.get_runs()} == {
        newest.run_id, last.run_id, waiting.run_id,
    }  # fmt: skip
    left = list(Path(instance.root_directory).rglob(f"*{first.run_id}*"))
    assert left == []
    assert own.stale() == dict.fromkeys(("table", "features", "model", "score"), "fresh")
    assert list(delete(instance, runs)) == [], "what is gone already is fine"


def test_old_runs_of_an_environment_and_those_that_name_none(own: Site) -> None:
    tagged = own.run(tags={"ml_pipeline/environment": "prod"}).run_id
    bare = own.run().run_id
    set_back(own.instance, tagged, bare)
    own.run()
    assert found(own, environment="prod") == {tagged}
    assert found(own, environment="dev") == {bare}
    assert found(own) == {tagged, bare}


def test_artifacts_that_a_running_run_has_reported_are_being_read(own: Site) -> None:
    instance, store = own.instance, own.bench.store
    done = own.run(selection=["table"])
    assert being_read(instance, store) == set()
    with sqlite3.connect(Path(instance.root_directory) / "history" / "runs.db") as database:
        database.execute("UPDATE runs SET status = 'STARTED' WHERE run_id = ?", (done.run_id,))
    (path,) = being_read(instance, store)
    assert store.read_record(path) is not None


def study(folder: Path, name: str, is_ours: bool = True, by: str | None = None) -> Path:
    file = folder / f"{name}.log"
    made = optuna.create_study(study_name=name, storage=journal(file))
    if is_ours:
        made.set_user_attr("basis", {})
    if by is not None:
        made.ask().set_user_attr("owner", by)
    then = time.time() - LONG_AGO.total_seconds()
    os.utime(file, (then, then))
    return file


def test_old_studies_go_but_for_those_of_others_and_those_worked_on(tmp_path: Path) -> None:
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    gone = f"{owner.token().partition('|')[0]}|1|2"
    kept = [
        study(tmp_path, "running", by=owner.token()),
        study(tmp_path, "theirs", is_ours=False),
        tmp_path / "young.log",
    ]
    study(tmp_path, "young")
    os.utime(tmp_path / "young.log")
    study(tmp_path, "done")
    study(tmp_path, "killed", by=gone)
    due = old_studies.old_studies(str(tmp_path), QUARTER)
    assert [one.name for one in due] == ["done.log", "killed.log"]
    os.utime(tmp_path / "killed.log")  # a sweep has taken it up again
    assert [one.name for one in old_studies.delete(str(tmp_path), due, QUARTER)] == ["done.log"]
    assert {*kept, tmp_path / "killed.log"} == set(tmp_path.glob("*.log"))
    assert old_studies.old_studies(str(tmp_path / "none"), QUARTER) == []


def test_old_studies_of_a_database_go(tmp_path: Path) -> None:
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    storage = f"sqlite:///{tmp_path}/studies.db"
    for name in ("old", "young", "theirs"):
        made = optuna.create_study(study_name=name, storage=storage)
        if name != "theirs":
            made.set_user_attr("basis", {})
        made.tell(made.ask(), 1.0)
    with sqlite3.connect(tmp_path / "studies.db") as database:
        database.execute(
            "UPDATE trials SET datetime_start = datetime(datetime_start, '-100 days'),"
            " datetime_complete = datetime(datetime_complete, '-100 days') WHERE study_id !="
            " (SELECT study_id FROM studies WHERE study_name = 'young')"
        )
    due = old_studies.old_studies(storage, QUARTER)
    assert [one.name for one in due] == ["old"]
    assert list(old_studies.delete(storage, due, QUARTER)) == due
    assert set(optuna.get_all_study_names(storage)) == {"young", "theirs"}


RETAINED = """
retention = { dagster_runs = "90d", logs = "30d", studies = "90d", revisions = "30d" }
"""


def test_retention_schedule_is_off_checked_and_removes_what_is_due(
    own: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = tmp_path / "installed"
    schedule = mp.retention_schedule(own.defs)
    assert schedule.default_status == dg.DefaultScheduleStatus.STOPPED
    with dg.build_schedule_context() as context:
        assert "no environment" in str(schedule.evaluate_tick(context).skip_message)
    (home / "settings.toml").write_text(RETAINED.replace("30d", "half a year", 1))
    settings.cache_clear()
    with pytest.raises(mp.SettingsError, match=r"retention\.logs: must be a number and one of"):
        mp.retention_schedule(own.defs)
    (home / "settings.toml").write_text(RETAINED)
    settings.cache_clear()
    schedule = mp.retention_schedule(own.defs, cron="0 4 * * *")
    assert "dagster_runs 90d" in str(schedule.description)
    with dg.build_schedule_context() as context:
        (request,) = schedule.evaluate_tick(context).run_requests or []
    old = own.run(day=DAY).run_id
    own.run(day=DAY)
    set_back(own.instance, old)
    (home / "logs").mkdir(exist_ok=True)
    for name in ("old", "young"):
        (home / "logs" / name).write_text("said")
    os.utime(home / "logs" / "old", (0, 0))
    orphan = own.bench.root / "table/region=x/run=1/rev=2/data.parquet"
    orphan.parent.mkdir(parents=True)
    orphan.write_bytes(b"half")
    os.utime(orphan, (0, 0))

    told = list(due(location_of(own.defs), None, own.instance, settings()))
    assert [(one.lines, [it.name for it in one.due]) for one in told] == [
        ("revisions 30d", ["table/region=x/run=1/rev=2"]),
        ("dagster_runs 90d", [old]),
        ("studies 90d", []),
        ("logs 30d", ["old"]),
    ]
    job = dg.Definitions.merge(own.defs, dg.Definitions(schedules=[schedule]))
    whole = job.resolve_job_def("retention")
    done = whole.execute_in_process(
        instance=own.instance, run_config={"ops": {"retention_op": {"config": {"dry_run": True}}}}
    )
    assert done.success
    assert orphan.exists()
    assert whole.execute_in_process(instance=own.instance, tags=request.tags).success
    assert not orphan.exists()
    assert not orphan.parent.exists()
    assert own.instance.get_run_by_id(old) is None
    assert {path.name for path in (home / "logs").iterdir()} == {"young"}
    assert all(not one.due for one in due(location_of(own.defs), None, own.instance, settings()))
