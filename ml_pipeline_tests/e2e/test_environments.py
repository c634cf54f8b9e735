"""Environments through the doors of a webserver and its daemon: launched, refused, told."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import pytest

from ml_pipeline.launch.run_config import ENVIRONMENT_TAG
from ml_pipeline_tests.cli.conftest import CommandLine
from ml_pipeline_tests.e2e import by_hand
from ml_pipeline_tests.e2e.server import Server, wait_until
from ml_pipeline_tests.e2e.shop_server import (
    DAY,
    QUICK,
    backfilled,
    launched,
    serving_shop,
    start,
    written,
)

pytestmark = pytest.mark.long

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
VARIABLES: Final = {**QUICK, "SHOP_TOKEN": "token"}
REFUSED: Final = "run.environment must be one that this deployment may write to, dev, blue, but is"


@pytest.fixture
def project(tmp_path: Path) -> Path:
    return written(tmp_path / "project", TABLES)


@pytest.fixture
def server(project: Path) -> Iterator[Server]:
    with serving_shop(project, VARIABLES) as running:
        yield running


def in_environment(name: str) -> dict[str, Any]:
    return {"run": {"environment": name}}


def pages(project: Path, store: str, day: str) -> list[int]:
    records = (project / store / "score" / f"as_of={day}").rglob("record.json")
    return [json.loads(file.read_text())["params"]["shop"]["pages"] for file in records]


def test_environment_decides_through_every_door_of_a_webserver(
    project: Path, server: Server
) -> None:
    refused = launched(server, in_environment("prod"))
    assert REFUSED in by_hand.said(refused)
    assert server.runs() == []
    by_graphql = server.finished_run(launched(server, in_environment("blue"))["run"]["runId"])
    assert by_graphql["status"] == "SUCCESS"
    assert by_graphql["tags"][ENVIRONMENT_TAG] == "blue"
    assert pages(project, "blue", DAY) == [3]

    inbox = project / ".ml_pipeline" / "inbox"
    start(server, "sensor", "requests")
    for name in ("blue", "prod"):
        document = {"as_of": "2026-01-06", "params": {"environment": name}}
        (inbox / f"{name}.json").write_text(json.dumps(document))
    wait_until((inbox / "rejected" / "prod.json.problems.txt").exists, 90, "refusal")
    assert REFUSED in (inbox / "rejected" / "prod.json.problems.txt").read_text()
    wait_until((inbox / "accepted" / "blue.json.json").exists, 90, "accepted request")
    note = json.loads((inbox / "accepted" / "blue.json.json").read_text())
    by_request = server.finished_run(note["dagster_run_id"])
    assert (by_request["status"], by_request["tags"][ENVIRONMENT_TAG]) == ("SUCCESS", "blue")
    assert pages(project, "blue", "2026-01-06") == [3]

    cli = CommandLine(project)
    typed = ("--as-of", "2026-01-07", "--environment", "blue", "--url", server.url, "--json")
    (made,) = cli("launch", *typed, environment=VARIABLES).document["runs"]
    assert "/blue/" in made["artifacts"][0]["uri"]
    count = len(server.runs())
    asked = backfilled(server, in_environment("prod"))
    failed = server.finished_backfill(asked["backfillId"])
    assert (failed["status"], len(server.runs())) == ("FAILED", count)
    assert REFUSED in str(failed["error"])
    asked = backfilled(server, in_environment("blue"))
    done = server.finished_backfill(asked["backfillId"])
    assert done["status"] == "COMPLETED_SUCCESS"
    assert pages(project, "blue", "2026-01-02") == pages(project, "blue", "2026-01-03") == [3]
    assert not (project / "prod").exists()
