"""A package that `ml-pipeline new` wrote, through its doors, from a subfolder of its project."""

import json
from collections.abc import Iterator
from datetime import date
from pathlib import Path

import pytest

import ml_pipeline as mp
from ml_pipeline.cli.new_project import write_project
from ml_pipeline_tests.cli.conftest import CommandLine
from ml_pipeline_tests.e2e.server import Server, serving, tool, wait_until

pytestmark = pytest.mark.long

QUICK = {
    "ML_PIPELINE_INBOX_INTERVAL_S": "1",
    "ML_PIPELINE_INBOX_SETTLE_S": "0.5",
    "ML_PIPELINE_DAILY_CRON": "* * * * *",
    "ML_PIPELINE_DAILY_DAYS": "1",
}
PLACE = {"repositoryLocationName": "flats.definitions", "repositoryName": "__repository__"}
_SENSOR = "mutation($it: SensorSelector!) {startSensor(sensorSelector: $it) {__typename}}"
_SCHEDULE = "mutation($it: ScheduleSelector!) {startSchedule(scheduleSelector: $it) {__typename}}"
_LAUNCH = """
mutation($run: ExecutionParams!) {
  launchRun(executionParams: $run) {
    ... on LaunchRunSuccess { run { runId } }
    ... on Error { message }
  }
}"""


@pytest.fixture
def project(tmp_path: Path) -> Path:
    return write_project("flats", tmp_path)


@pytest.fixture
def flats(project: Path) -> Iterator[Server]:
    home = project / ".ml_pipeline"
    inside = project / "flats"
    with serving([tool("ml-pipeline"), "ui"], home, cwd=inside, **QUICK) as server:
        yield server


def test_every_door_of_an_own_package_makes_runs_that_share_their_artifacts(
    project: Path, flats: Server
) -> None:
    assert flats.graphql(_SENSOR, it={**PLACE, "sensorName": "requests"})["startSensor"] == {
        "__typename": "Sensor"
    }
    inbox = project / ".ml_pipeline" / "inbox"
    (inbox / "good.yaml").write_text("as_of: 2025-03-07\nparams: {alpha: 2}\n")
    (inbox / "bad.yaml").write_text("as_of: 2024-03-07\nparams: {alhpa: 2}\n")
    wait_until((inbox / "accepted" / "good.yaml.json").exists, 90, "accepted request")
    note = json.loads((inbox / "accepted" / "good.yaml.json").read_text())
    assert flats.finished_run(note["dagster_run_id"])["status"] == "SUCCESS"
    told = (inbox / "rejected" / "bad.yaml.problems.txt").read_text()
    assert "the partitions of pipeline 'flats' are the calendar" in told
    assert "'alhpa' does not exist. Did you mean 'alpha'?" in told
    assert "ML_PIPELINE_START_DATE" not in told

    cli = CommandLine(project / "tests")
    day = ("--as-of", "2025-03-07")
    launched = cli("launch", *day, "-p", "alpha=2.0", "--url", flats.url, "--json").document
    (run,) = launched["runs"]
    assert {made["reused"] for made in run["artifacts"]} == {True}
    swept = cli("launch", *day, "--sweep", "-p", "alpha=1,2", "--url", flats.url, "--json").document
    assert (swept["status"], swept["trials"]) == ("SUCCESS", 2)

    over_graphql = flats.graphql(
        _LAUNCH,
        run={
            "selector": {**PLACE, "jobName": "run_pipeline"},
            "runConfigData": {"resources": {"params": {"config": {"training": {"alpha": 2}}}}},
            "executionMetadata": {"tags": [{"key": "dagster/partition", "value": "2025-03-07"}]},
        },
    )["launchRun"]["run"]["runId"]
    assert flats.finished_run(over_graphql)["status"] == "SUCCESS"

    assert cli("promote", run["run_id"], "--to", "staging").code == 0
    assert cli("runs", "show", "@staging", "--json").document["run_id"] == run["run_id"]
    (group,) = cli("leaderboard", "--json").document["groups"]
    assert len(group["rows"]) == 2
    assert {path.name for path in project.iterdir()} - {".pytest_cache"} == {
        ".gitignore", ".ml_pipeline", "README.md", "flats", "pyproject.toml", "tests"
    }  # fmt: skip


def test_schedule_of_an_own_package_runs_its_last_day_and_python_finds_it_done(
    project: Path, flats: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    started = flats.graphql(_SCHEDULE, it={**PLACE, "scheduleName": "daily_window"})
    assert started["startSchedule"]["__typename"] == "ScheduleStateResult"
    wait_until(lambda: len(flats.runs()) == 1, 120, "run of the schedule")
    (run,) = flats.runs()
    assert flats.finished_run(run["runId"])["status"] == "SUCCESS"
    day = date.fromisoformat(run["tags"]["dagster/partition"])

    monkeypatch.syspath_prepend(project)
    from flats.assets import PIPELINE  # type: ignore[import-not-found]

    server = mp.Webserver(flats.url)
    asked = mp.requested_run(PIPELINE, PIPELINE.params.validate({}), [day])
    ended = server.follow(server.launch(asked))
    assert ended.status == "SUCCESS", ended.errors
    assert [made.metadata["reused"] for made in ended.made] == [True, True, True]
