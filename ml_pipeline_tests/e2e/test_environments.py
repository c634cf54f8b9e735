"""Environments through the doors of a webserver and its daemon: launched, refused, told."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import pytest

from ml_pipeline.launch.run_config import ENVIRONMENT_TAG
from ml_pipeline_tests.cli.conftest import CommandLine
from ml_pipeline_tests.e2e import by_hand
from ml_pipeline_tests.e2e.server import Server, serving, tool, wait_until
from ml_pipeline_tests.toys.shop import write_shop

pytestmark = pytest.mark.long

DAY: Final = "2026-01-05"
PLACE: Final = {
    "repositoryLocationName": "leaky.definitions",
    "repositoryName": "__repository__",
}
TABLES: Final = """
environment = "dev"
writable = ["dev", "blue"]
[environments.dev]
[environments.prod]
store = "prod"
params = { shop = { pages = 3 } }
[environments.blue]
inherits = "prod"
store = "blue"
reads = ["dev"]
"""
QUICK: Final = {
    "ML_PIPELINE_INBOX_INTERVAL_S": "1",
    "ML_PIPELINE_INBOX_SETTLE_S": "0.5",
    "SHOP_TOKEN": "token",
}
REFUSED: Final = "run.environment must be one that this deployment may write to, dev, blue, but is"
_START = "mutation($of: SensorSelector!) { startSensor(sensorSelector: $of) { __typename } }"
_BACKFILL = """
mutation($of: LaunchBackfillParams!) {
  launchPartitionBackfill(backfillParams: $of) {
    ... on LaunchBackfillSuccess { backfillId }
    ... on PythonError { message }
  }
}"""


@pytest.fixture
def project(tmp_path: Path) -> Path:
    write_shop(tmp_path)
    (tmp_path / ".ml_pipeline").mkdir()
    (tmp_path / ".ml_pipeline" / "settings.toml").write_text(TABLES)
    return tmp_path


@pytest.fixture
def server(project: Path) -> Iterator[Server]:
    home = project / ".ml_pipeline"
    with serving([tool("ml-pipeline"), "ui"], home, cwd=project, **QUICK) as running:
        yield running


def launched(server: Server, environment: str) -> Any:
    params = {
        "selector": {**PLACE, "jobName": by_hand.NAMED_JOB},
        "runConfigData": by_hand.config_of({"run": {"environment": environment}}),
        "executionMetadata": {"tags": [{"key": "dagster/partition", "value": DAY}]},
    }
    return by_hand._post(server, by_hand._LAUNCH, params=params)["launchRun"]


def backfilled(server: Server, environment: str) -> dict[str, Any]:
    asked = {
        "assetSelection": [{"path": ["orders"]}, {"path": ["score"]}],
        "partitionNames": ["2026-01-02", "2026-01-03"],
        "runConfigData": by_hand.config_of({"run": {"environment": environment}}),
    }
    made = server.graphql(_BACKFILL, of=asked)["launchPartitionBackfill"]
    return server.finished_backfill(made["backfillId"])


def pages(project: Path, store: str, day: str) -> list[int]:
    records = (project / store / "score" / f"as_of={day}").rglob("record.json")
    return [json.loads(file.read_text())["params"]["shop"]["pages"] for file in records]


def test_environment_decides_through_every_door_of_a_webserver(
    project: Path, server: Server
) -> None:
    refused = launched(server, "prod")
    assert REFUSED in by_hand.said(refused)
    assert server.runs() == []
    by_graphql = server.finished_run(launched(server, "blue")["run"]["runId"])
    assert by_graphql["status"] == "SUCCESS"
    assert by_graphql["tags"][ENVIRONMENT_TAG] == "blue"
    assert pages(project, "blue", DAY) == [3]

    inbox = project / ".ml_pipeline" / "inbox"
    server.graphql(_START, of={**PLACE, "sensorName": "requests"})
    for name in ("blue", "prod"):
        asked = {"as_of": "2026-01-06", "params": {"environment": name}}
        (inbox / f"{name}.json").write_text(json.dumps(asked))
    wait_until((inbox / "rejected" / "prod.json.problems.txt").exists, 90, "refusal")
    assert REFUSED in (inbox / "rejected" / "prod.json.problems.txt").read_text()
    wait_until((inbox / "accepted" / "blue.json.json").exists, 90, "accepted request")
    note = json.loads((inbox / "accepted" / "blue.json.json").read_text())
    by_request = server.finished_run(note["dagster_run_id"])
    assert (by_request["status"], by_request["tags"][ENVIRONMENT_TAG]) == ("SUCCESS", "blue")
    assert pages(project, "blue", "2026-01-06") == [3]

    cli = CommandLine(project)
    typed = ("--as-of", "2026-01-07", "--environment", "blue", "--url", server.url, "--json")
    (made,) = cli("launch", *typed, environment=QUICK).document["runs"]
    assert "/blue/" in made["artifacts"][0]["uri"]
    count = len(server.runs())
    failed = backfilled(server, "prod")
    assert (failed["status"], len(server.runs())) == ("FAILED", count)
    assert REFUSED in str(failed["error"])
    done = backfilled(server, "blue")
    assert done["status"] == "COMPLETED_SUCCESS"
    assert pages(project, "blue", "2026-01-02") == pages(project, "blue", "2026-01-03") == [3]
    assert not (project / "prod").exists()
