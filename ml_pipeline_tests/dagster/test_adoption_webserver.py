"""The second degree of adoption behind a real webserver and daemon, each step in a process."""

from collections.abc import Iterator
from typing import Any

import pytest

from ml_pipeline_tests.e2e.server import Server, serving, tool, wait_until
from ml_pipeline_tests.toys import adoption

pytestmark = pytest.mark.long

_LAUNCH = """
mutation($run: ExecutionParams!) {
  launchRun(executionParams: $run) {
    __typename
    ... on LaunchRunSuccess { run { runId } }
    ... on RunConfigValidationInvalid { errors { message } }
    ... on Error { message }
  }
}"""
_BACKFILL = """
mutation($backfill: LaunchBackfillParams!) {
  launchPartitionBackfill(backfillParams: $backfill) {
    ... on LaunchBackfillSuccess { backfillId }
    ... on Error { message }
  }
}"""
_MADE = """
query($id: ID!) {
  runOrError(runId: $id) {
    ... on Run {
      stepStats { stepKey status }
      assetMaterializations {
        assetKey { path }
        metadataEntries {
          label
          ... on BoolMetadataEntry { boolValue }
        }
      }
    }
  }
}"""
INVALID = {"features": {"config": {"flats": 0}}, "model": {"config": {"alpha": -1.0}}}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("flats")
    (folder / "flats.py").write_text(adoption.location(2))
    (folder / "instance").mkdir()
    variables = {"PYTHONPATH": str(folder), "DAGSTER_HOME": str(folder / "instance")}
    command = [tool("dagster"), "dev", "-m", "flats"]
    with serving(command, folder / "home", cwd=folder, **variables) as running:
        yield running


def launch(server: Server, ops: dict[str, Any]) -> dict[str, Any]:
    run = {
        "selector": {
            "repositoryLocationName": "flats",
            "repositoryName": "__repository__",
            "jobName": "train",
        },
        "runConfigData": {"ops": ops},
        "executionMetadata": {"tags": [{"key": "dagster/partition", "value": "2026-01-05"}]},
    }
    launched: dict[str, Any] = server.graphql(_LAUNCH, run=run)["launchRun"]
    return launched


def reused(server: Server, dagster_run_id: str) -> dict[str, bool]:
    assert server.finished_run(dagster_run_id)["status"] == "SUCCESS"
    run = server.graphql(_MADE, id=dagster_run_id)["runOrError"]
    return {
        made["assetKey"]["path"][-1]: entry["boolValue"]
        for made in run["assetMaterializations"]
        for entry in made["metadataEntries"]
        if entry["label"] == "reused"
    }


def test_launches_that_are_not_valid_are_refused_and_no_run_exists(server: Server) -> None:
    backfill = {
        "assetSelection": [{"path": [name]} for name in ("features", "model", "score")],
        "partitionNames": ["2026-01-05", "2026-01-06"],
        "runConfigData": {"ops": INVALID},
    }
    begun = server.graphql(_BACKFILL, backfill=backfill)["launchPartitionBackfill"]
    refused = launch(server, INVALID)
    assert refused["__typename"] == "PythonError"
    assert adoption.blocks("text")[0].rstrip() in refused["message"]
    unknown = launch(server, {"model": {"config": {"alhpa": 1}}})
    assert unknown["__typename"] == "RunConfigValidationInvalid"
    ended = server.finished_backfill(begun["backfillId"])
    assert ended["status"] == "FAILED"
    assert "model.alpha must be number >= 0, but got -1.0" in ended["error"]["message"]
    assert server.runs() == []


def test_steps_in_other_processes_keep_and_reuse_what_one_has_made(server: Server) -> None:
    config = {"model": {"config": {"alpha": 2}}}
    first, second, other = (
        reused(server, launch(server, ops)["run"]["runId"]) for ops in (config, config, {})
    )
    assert first == {"features": False, "model": False, "score": False}
    assert second == {"features": False, "model": True, "score": True}
    assert other == {"features": False, "model": False, "score": False}
    wait_until(lambda: len(server.runs()) == 3, 5, "three runs")
