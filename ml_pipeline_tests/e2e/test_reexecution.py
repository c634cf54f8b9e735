"""Backfills that are executed again, with the mutations that the UI's buttons send."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest

from ml_pipeline_tests.e2e.by_hand import config_of
from ml_pipeline_tests.e2e.server import ASSETS, Server, wait_until

pytestmark = pytest.mark.long

_LAUNCH = """
mutation LaunchPartitionBackfill($params: LaunchBackfillParams!) {
  done: launchPartitionBackfill(backfillParams: $params) {
    ... on LaunchBackfillSuccess { backfillId }
    ... on PythonError { message }
  }
}"""
_AGAIN = """
mutation reexecuteBackfill($params: ReexecutionParams!) {
  done: reexecutePartitionBackfill(reexecutionParams: $params) {
    ... on LaunchBackfillSuccess { backfillId }
    ... on PythonError { message }
  }
}"""
_RUN_AGAIN = """
mutation LaunchPipelineReexecution($params: ReexecutionParams!) {
  done: launchPipelineReexecution(reexecutionParams: $params) {
    ... on LaunchRunSuccess { run { id } }
    ... on PythonError { message }
  }
}"""
_CANCEL = """
mutation CancelBackfill($id: String!) { cancelPartitionBackfill(backfillId: $id) { __typename } }"""
_ASSETS = "query($id: ID!) { runOrError(runId: $id) { ... on Run { assetSelection { path } } } }"


@dataclass(frozen=True)
class Launched:
    """Three backfills, launched at once.

    Attributes:
        failing: two of its dates cannot be published, each at another stage.
        blocks: the files that are in the way of them.
        long: one that is going on for a while.
        good: one that is to succeed.
    """

    failing: str
    blocks: Sequence[Path]
    long: str
    good: str


FAILING = [date(1998, 5, day) for day in range(1, 8)]
BAD = ["1998-05-03", "1998-05-04"]
LONG = [date(1998, 3, 1) + timedelta(days=n) for n in range(30)]
GOOD = [date(1998, 6, day) for day in range(1, 4)]


@pytest.fixture(scope="module")
def launched(server: Server) -> Launched:
    artifacts = server.home / "artifacts"
    blocks = [
        artifacts / stage / "dataset=orders" / f"as_of={day}"
        for stage, day in zip(("features", "evaluation"), BAD, strict=True)
    ]
    for block in blocks:
        block.parent.mkdir(parents=True, exist_ok=True)
        block.write_text("")

    def launch(days: Sequence[date], **training: Any) -> str:
        params = {
            "assetSelection": [{"path": [asset]} for asset in ASSETS],
            "partitionNames": [str(day) for day in days],
            "runConfigData": config_of({"training": training}),
            "tags": [],
        }
        done: str = server.graphql(_LAUNCH, params=params)["done"]["backfillId"]
        return done

    return Launched(
        launch(FAILING, max_iter=6), blocks, launch(LONG, max_iter=800), launch(GOOD, max_iter=7)
    )


def again(server: Server, backfill_id: str, strategy: str) -> str:
    params = {"parentRunId": backfill_id, "strategy": strategy}
    done: dict[str, str] = server.graphql(_AGAIN, params=params)["done"]
    assert "backfillId" in done, done
    return done["backfillId"]


def each(partitions: set[str | None]) -> dict[str, set[str | None]]:
    return {asset: set(partitions) for asset in ASSETS}


def made(server: Server, dagster_run_id: str) -> dict[str, set[str | None]]:
    found: dict[str, set[str | None]] = {asset: set() for asset in ASSETS}
    for one in server.materializations(dagster_run_id):
        found[one.asset].add(one.partition)
    return found


def test_cancelled_backfill_executed_again_from_failure_is_one_run_of_what_is_left(
    server: Server, launched: Launched
) -> None:
    wait_until(lambda: bool(server.backfill(launched.long)["runs"]), 240, "run")
    (run,) = server.backfill(launched.long)["runs"]
    wait_until(lambda: bool(made(server, run["id"])["evaluation"]), 240, "first date")
    server.graphql(_CANCEL, id=launched.long)
    assert server.finished_backfill(launched.long)["status"] == "CANCELED"
    dates = made(server, run["id"])
    done = dates["evaluation"]
    assert dates == each(done), "all of a date is told of, or none"
    left = [str(day) for day in LONG if str(day) not in done]
    assert 0 < len(left) < len(LONG)

    new = again(server, launched.long, "FROM_FAILURE")
    wait_until(lambda: bool(server.backfill(new)["runs"]), 240, "run")
    (rest,) = server.backfill(new)["runs"]
    tags = server.run(rest["id"])["tags"]
    assert tags["dagster/asset_partition_range_start"] == left[0]
    assert tags["dagster/asset_partition_range_end"] == left[-1]
    selected = server.graphql(_ASSETS, id=rest["id"])["runOrError"]["assetSelection"]
    assert {asset["path"][0] for asset in selected} == set(ASSETS)
    server.graphql(_CANCEL, id=new)


def test_partly_failed_backfill_executed_again_from_failure_is_one_run_of_the_failed_dates(
    server: Server, launched: Launched
) -> None:
    ended = server.finished_backfill(launched.failing)
    assert ended["status"] == "COMPLETED_FAILED"
    (run,) = ended["runs"]
    good = {str(day) for day in FAILING} - set(BAD)
    assert made(server, run["id"]) == each({*good})

    for block in launched.blocks:
        block.unlink()
    ended = server.finished_backfill(again(server, launched.failing, "FROM_FAILURE"))
    assert ended["status"] == "COMPLETED_SUCCESS"
    (run,) = ended["runs"]
    assert made(server, run["id"]) == each({*BAD})
    reused = {
        (one.asset, one.partition)
        for one in server.materializations(run["id"])
        if one.metadata["reused"]
    }
    assert reused == {
        *(("orders", day) for day in BAD),
        *((asset, BAD[1]) for asset in ("features", "model")),
    }


def test_successful_run_of_many_dates_executed_again_reuses_every_date(
    server: Server, launched: Launched
) -> None:
    ended = server.finished_backfill(launched.good)
    assert ended["status"] == "COMPLETED_SUCCESS"
    (run,) = ended["runs"]
    params = {"parentRunId": run["id"], "strategy": "ALL_STEPS", "useParentRunTags": True}
    done = server.graphql(_RUN_AGAIN, params=params)["done"]
    assert "run" in done, done
    assert server.finished_run(done["run"]["id"])["status"] == "SUCCESS"
    assert made(server, done["run"]["id"]) == each({str(day) for day in GOOD})
    assert all(one.metadata["reused"] for one in server.materializations(done["run"]["id"]))
