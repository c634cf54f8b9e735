"""A real Dagster webserver and daemon in processes of their own, and what they answer."""

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

REPOSITORY = Path(__file__).parents[2]
EAGER_DAEMON = REPOSITORY / "ml_pipeline_tests" / "toys" / "eager_daemon"
ASSETS = ("orders", "features", "model", "evaluation")
BESIDE = ("sweep", "leaderboard", "comparison")
SCORING = ("predictions", "realised_quality")

_RUNS = "{runsOrError{... on Runs{results{runId status runConfigYaml tags{key value}}}}}"
_BACKFILL = """
query($id: String!) {
  partitionBackfillOrError(backfillId: $id) {
    ... on PartitionBackfill { status error { message } runs(limit: 100) { id status } }
    ... on PythonError { message }
  }
}"""
_LOCATIONS = (
    "{workspaceOrError{... on Workspace{locationEntries{locationOrLoadError{__typename}}}}}"
)
_STALENESS = """
query($assets: [AssetKeyInput!]!, $partition: String!) {
  assetNodes(assetKeys: $assets) {
    assetKey { path }
    staleStatus(partition: $partition)
    staleCauses(partition: $partition) { reason }
  }
}"""
_MATERIALIZATIONS = """
query($asset: [String!]!) {
  assetOrError(assetKey: {path: $asset}) {
    ... on Asset {
      assetMaterializations(limit: 1000) {
        partition
        runId
        metadataEntries {
          label
          ... on TextMetadataEntry { text }
          ... on PathMetadataEntry { path }
          ... on IntMetadataEntry { intRepr }
          ... on FloatMetadataEntry { floatValue }
          ... on BoolMetadataEntry { boolValue }
          ... on JsonMetadataEntry { jsonString }
        }
      }
    }
  }
}"""


@dataclass(frozen=True)
class Made:
    """A materialization as GraphQL tells of it.

    Attributes:
        metadata: values by label; the keys are those of the UI's table.
    """

    asset: str
    partition: str
    dagster_run_id: str
    metadata: dict[str, Any]


@dataclass(frozen=True)
class Server:
    """A running webserver with its daemon.

    Attributes:
        url: where the webserver answers.
        home: the home folder that both use.
        log: what both print.
    """

    url: str
    home: Path
    log: Path

    def graphql(self, query: str, **variables: Any) -> Any:
        """Ask the webserver and return the data."""
        request = urllib.request.Request(
            f"{self.url}/graphql",
            data=json.dumps({"query": query, "variables": variables}).encode(),
            headers={"Content-Type": "application/json"},
        )
        try:
            with urllib.request.urlopen(request, timeout=30) as reply:
                answer = json.load(reply)
        except urllib.error.HTTPError as error:
            # Dagster may give what it answers this status where user code has raised.
            if error.code != 500:
                raise
            answer = json.load(error)
        assert "errors" not in answer, answer
        return answer["data"]

    def is_up(self) -> bool:
        """Tell whether the webserver answers and has loaded the code location."""
        try:
            with urllib.request.urlopen(f"{self.url}/server_info", timeout=5) as reply:
                json.load(reply)
        except (urllib.error.URLError, ConnectionError, TimeoutError):
            return False
        entries = self.graphql(_LOCATIONS)["workspaceOrError"]["locationEntries"]
        loaded = [(entry["locationOrLoadError"] or {}).get("__typename") for entry in entries]
        assert "PythonError" not in loaded, f"the code location does not load: {self.log}"
        return loaded == ["RepositoryLocation"]

    def runs(self) -> list[dict[str, Any]]:
        """Return all runs, with their tags as a mapping."""
        runs: list[dict[str, Any]] = self.graphql(_RUNS)["runsOrError"]["results"]
        return [{**run, "tags": {tag["key"]: tag["value"] for tag in run["tags"]}} for run in runs]

    def run(self, dagster_run_id: str) -> dict[str, Any]:
        """Return one run."""
        (found,) = (run for run in self.runs() if run["runId"] == dagster_run_id)
        return found

    def finished_run(self, dagster_run_id: str) -> dict[str, Any]:
        """Wait for the end of a run."""
        over = {"SUCCESS", "FAILURE", "CANCELED"}
        wait_until(lambda: self.run(dagster_run_id)["status"] in over, 90, "end of the run")
        return self.run(dagster_run_id)

    def backfill(self, backfill_id: str) -> dict[str, Any]:
        """Return status, error and runs of a backfill."""
        found: dict[str, Any] = self.graphql(_BACKFILL, id=backfill_id)["partitionBackfillOrError"]
        return found

    def finished_backfill(self, backfill_id: str) -> dict[str, Any]:
        """Wait for the end of a backfill: its daemon needs two looks."""
        running = {"REQUESTED", "FAILING", "CANCELING"}
        wait_until(
            lambda: self.backfill(backfill_id)["status"] not in running, 150, "end of the backfill"
        )
        return self.backfill(backfill_id)

    def materializations(self, dagster_run_id: str) -> list[Made]:
        """Return what a run has materialized."""
        made = []
        for asset in (*ASSETS, *BESIDE):
            found = self.graphql(_MATERIALIZATIONS, asset=[asset])["assetOrError"]
            made += [
                Made(asset, event["partition"], event["runId"], _metadata(event))
                for event in found["assetMaterializations"]
                if event["runId"] == dagster_run_id
            ]
        return made

    def staleness(self, partition: str) -> dict[str, tuple[str, list[str]]]:
        """Return for each asset whether Dagster takes a partition for up to date, and why not."""
        assets = [{"path": [asset]} for asset in ASSETS]
        nodes = self.graphql(_STALENESS, assets=assets, partition=partition)["assetNodes"]
        return {
            node["assetKey"]["path"][0]: (
                node["staleStatus"],
                [cause["reason"] for cause in node["staleCauses"]],
            )
            for node in nodes
        }

    def command(self, *arguments: str) -> Any:
        """Run `ml-pipeline` on the same home and return the JSON that it prints."""
        done = subprocess.run(
            [tool("ml-pipeline"), *arguments, "--json"],
            env=environment(self.home),
            cwd=self.home,
            capture_output=True,
            text=True,
            check=False,
            timeout=120,
        )
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    def materialize(
        self, assets: Sequence[str], partition: str, config: Path
    ) -> subprocess.CompletedProcess[str]:
        """Materialize with Dagster's own command, on the instance of this server."""
        return subprocess.run(
            [
                *(tool("dagster"), "asset", "materialize", "-m", "ml_pipeline.definitions"),
                *("--select", ",".join(assets), "--partition", partition),
                *("--config", str(config)),
            ],
            cwd=REPOSITORY,
            env={**environment(self.home), "DAGSTER_HOME": str(self.home / "dagster")},
            capture_output=True,
            text=True,
            check=False,
            timeout=120,
        )


def tool(name: str) -> str:
    """Return the path of a command that is installed beside this Python."""
    return str(Path(sys.executable).parent / name)


def environment(home: Path) -> dict[str, str]:
    """Return this environment with its settings replaced: only the home folder is set."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("ML_PIPELINE_", "DAGSTER_"))
    }
    return {**kept, "ML_PIPELINE_HOME": str(home)}


def wait_until(condition: Callable[[], bool], seconds: float, what: str) -> None:
    """Wait for a condition.

    Raises:
        TimeoutError: if it does not come true in time.
    """
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            raise TimeoutError(f"no {what} within {seconds} s")
        time.sleep(0.25)


def free_port() -> int:
    """Return a port that nobody listens on."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port


@contextlib.contextmanager
def serving(command: Sequence[str], home: Path, cwd: Path, **variables: str) -> Iterator[Server]:
    """Start a webserver and its daemon, wait until they serve, and stop them afterwards.

    The daemon is an eager one.

    Args:
        command: what starts both; ``--port`` is added.
        home: the home folder.
        cwd: directory to start in.
        variables: more environment variables.
    """
    home.mkdir(parents=True, exist_ok=True)
    on_path = [str(EAGER_DAEMON), *filter(None, [variables.get("PYTHONPATH")])]
    port = free_port()
    server = Server(f"http://127.0.0.1:{port}", home, home / "server.log")
    with server.log.open("wb") as log:
        process = subprocess.Popen(
            [*command, "--port", str(port)],
            env={**environment(home), **variables, "PYTHONPATH": os.pathsep.join(on_path)},
            cwd=cwd,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )

    def serves() -> bool:
        assert process.poll() is None, f"{command[0]} has ended:\n{server.log.read_text()}"
        return server.is_up()

    try:
        wait_until(serves, 90, f"answer of {' '.join(command)}")
        yield server
    finally:
        _stop(process)


def _stop(process: subprocess.Popen[bytes]) -> None:
    """Interrupt the whole group as a terminal does, and end whatever does not heed it."""
    for sent, seconds in ((signal.SIGINT, 20), (signal.SIGTERM, 5)):
        if process.poll() is None:
            os.killpg(process.pid, sent)
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(seconds)
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def _metadata(event: dict[str, Any]) -> dict[str, Any]:
    values = {}
    for entry in event["metadataEntries"]:
        shown = [value for key, value in entry.items() if key != "label"]
        if shown:
            values[entry["label"]] = shown[0]
    return values
