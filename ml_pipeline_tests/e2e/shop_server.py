"""A webserver of the shop's project, which uses secrets, and what is asked of it by GraphQL."""

import contextlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

from ml_pipeline_tests.e2e import by_hand
from ml_pipeline_tests.e2e.server import Server, serving, tool
from ml_pipeline_tests.toys.shop import write_shop

DAY: Final = "2026-01-05"
PLACE: Final = {
    "repositoryLocationName": "leaky.definitions",
    "repositoryName": "__repository__",
}
QUICK: Final = {"ML_PIPELINE_INBOX_INTERVAL_S": "1", "ML_PIPELINE_INBOX_SETTLE_S": "0.5"}
_START: Final = {
    "sensor": "mutation($of: SensorSelector!) { startSensor(sensorSelector: $of) { __typename } }",
    "schedule": (
        "mutation($of: ScheduleSelector!) { startSchedule(scheduleSelector: $of) { __typename } }"
    ),
}
_BACKFILL: Final = """
mutation($of: LaunchBackfillParams!) {
  launchPartitionBackfill(backfillParams: $of) {
    ... on LaunchBackfillSuccess { backfillId }
    ... on PythonError { message }
  }
}"""


def written(folder: Path, settings: str) -> Path:
    """Write the project with its settings, and return its folder."""
    write_shop(folder)
    (folder / ".ml_pipeline").mkdir()
    (folder / ".ml_pipeline" / "settings.toml").write_text(settings)
    return folder


@contextlib.contextmanager
def serving_shop(folder: Path, variables: Mapping[str, str]) -> Iterator[Server]:
    """Serve the project as `ml-pipeline ui` does."""
    home = folder / ".ml_pipeline"
    with serving([tool("ml-pipeline"), "ui"], home, cwd=folder, **variables) as running:
        yield running


def start(server: Server, kind: str, name: str) -> None:
    """Switch a sensor or a schedule on."""
    server.graphql(_START[kind], of={**PLACE, f"{kind}Name": name})


def launched(server: Server, params: Mapping[str, Any]) -> Any:
    """Launch a run of one day; return what the server says."""
    asked = {
        "selector": {**PLACE, "jobName": by_hand.NAMED_JOB},
        "runConfigData": by_hand.config_of(params),
        "executionMetadata": {"tags": [{"key": "dagster/partition", "value": DAY}]},
    }
    return by_hand._post(server, by_hand._LAUNCH, params=asked)["launchRun"]


def backfilled(server: Server, params: Mapping[str, Any]) -> Any:
    """Launch a backfill of two days; return what the server says."""
    asked = {
        "assetSelection": [{"path": ["orders"]}, {"path": ["score"]}],
        "partitionNames": ["2026-01-02", "2026-01-03"],
        "runConfigData": by_hand.config_of(params),
    }
    return server.graphql(_BACKFILL, of=asked)["launchPartitionBackfill"]
