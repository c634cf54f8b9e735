"""The request sensor: used in the browser, and with a daemon that is killed at its work."""

import contextlib
import json
import os
import signal
import subprocess
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import dagster as dg
import pytest
from playwright.sync_api import Browser, expect

from ml_pipeline.store.artifacts import ArtifactStore
from ml_pipeline_tests.e2e.dagster_ui import DagsterUi, looking_at
from ml_pipeline_tests.e2e.server import (
    ASSETS,
    REPOSITORY,
    Server,
    environment,
    serving,
    tool,
    wait_until,
)

pytestmark = pytest.mark.long

REQUESTS = 100
QUICK = {"ML_PIPELINE_INBOX_INTERVAL_S": "1", "ML_PIPELINE_INBOX_SETTLE_S": "0.5"}
# So the page has few enough ticks to look for one.
SLOWER = {**QUICK, "ML_PIPELINE_INBOX_INTERVAL_S": "5"}
SENSOR_PAGE = "/locations/ml_pipeline.definitions/sensors/requests"


@pytest.fixture(scope="module")
def quick_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server whose sensor looks into the inbox every few seconds."""
    home = tmp_path_factory.mktemp("quick")
    with serving([tool("ml-pipeline"), "ui"], home, cwd=home, **SLOWER) as running:
        yield running


@pytest.fixture
def quick_ui(browser: Browser, quick_server: Server, tmp_path: Path) -> Iterator[DagsterUi]:
    with looking_at(quick_server, browser, tmp_path) as page:
        yield page


def test_request_dropped_with_the_sensor_on_is_a_run_with_its_metadata(
    quick_ui: DagsterUi, quick_server: Server
) -> None:
    quick_ui.go(SENSOR_PAGE)
    quick_ui.page.get_by_role("checkbox").locator("xpath=..").click()
    inbox = quick_server.home / "inbox"
    assert inbox.is_dir()
    (inbox / "good.yaml").write_text(
        "as_of: 1998-05-31\nparams:\n  training: {learning_rate: 0.2, max_iter: 5}\n"
    )
    note = inbox / "accepted" / "good.yaml.json"
    wait_until(note.exists, 60, "accepted request")
    noted = json.loads(note.read_text())
    assert quick_server.finished_run(noted["dagster_run_id"])["status"] == "SUCCESS"

    made = quick_server.materializations(noted["dagster_run_id"])
    assert {one.asset for one in made} == set(ASSETS)
    quick_ui.open_partition("model", "1998-05-31")
    expect(quick_ui.metadata("training.learning_rate")).to_have_text("0.2")
    expect(quick_ui.metadata("made_by")).to_have_text(noted["dagster_run_id"])
    quick_ui.go(f"/runs/{noted['dagster_run_id']}")
    expect(quick_ui.page.get_by_text("Launched by").first).to_be_visible()


def test_bad_request_dropped_is_told_by_the_tick(quick_ui: DagsterUi, quick_server: Server) -> None:
    (quick_server.home / "inbox" / "bad.yaml").write_text(
        "as_of: 1998-05-31\nparams: {max_dept: 4}\n"
    )
    beside = quick_server.home / "inbox" / "rejected" / "bad.yaml.problems.txt"
    wait_until(beside.exists, 60, "rejected request")
    assert "Did you mean 'max_depth'?" in beside.read_text()
    quick_ui.go(SENSOR_PAGE)
    quick_ui.page.get_by_role("button", name="1hr").click()
    told = quick_ui.page.get_by_text("bad.yaml was rejected: 'max_dept' does not exist.")
    for _ in range(10):
        for tick in quick_ui.page.get_by_role("row").filter(has_text="runs requested").all()[:3]:
            tick.get_by_text("0 runs requested").last.click()
            quick_ui.page.wait_for_timeout(500)
            if told.is_visible():
                return
            quick_ui.page.keyboard.press("Escape")
    expect(told).to_be_visible()


@dataclass
class DaemonHome:
    """A home with an instance on which a daemon works."""

    home: Path

    @property
    def folder(self) -> Path:
        return self.home / "dagster"

    @property
    def inbox(self) -> Path:
        return self.home / "inbox"

    def configure(self, runs_at_once: int) -> None:
        """Say how many runs the daemon lets run at once; none of them means that all wait."""
        self.folder.mkdir(exist_ok=True)
        configuration = {
            "telemetry": {"enabled": False},
            "compute_logs": {
                "module": "dagster._core.storage.noop_compute_log_manager",
                "class": "NoOpComputeLogManager",
            },
            "run_launcher": {
                "module": "ml_pipeline_tests.e2e.warm_launcher",
                "class": "WarmLauncher",
            },
            "run_coordinator": {
                "module": "dagster.core.run_coordinator",
                "class": "QueuedRunCoordinator",
                "config": {"max_concurrent_runs": runs_at_once, "dequeue_interval_seconds": 1},
            },
        }
        (self.folder / "dagster.yaml").write_text(json.dumps(configuration))

    def start(self, *command: str) -> subprocess.Popen[bytes]:
        with (self.home / "daemon.log").open("ab") as log:
            return subprocess.Popen(
                [tool(command[0]), *command[1:], "-m", "ml_pipeline.definitions"],
                env={
                    **environment(self.home),
                    "DAGSTER_HOME": str(self.folder),
                    "PYTHONPATH": str(REPOSITORY),
                    "ML_PIPELINE_INBOX_INTERVAL_S": "1",
                    "ML_PIPELINE_INBOX_SETTLE_S": "0",
                    "ML_PIPELINE_REQUESTS_PER_TICK": "30",
                },
                cwd=self.home,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    @contextlib.contextmanager
    def daemon(self) -> Iterator[None]:
        """Run the daemon and kill it with its code server, which moves the files, at the end."""
        process = self.start("dagster-daemon", "run")
        try:
            yield
        finally:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def test_daemon_killed_in_the_middle_of_100_requests_does_each_exactly_once(
    tmp_path: Path,
) -> None:
    site = DaemonHome(tmp_path)
    site.configure(runs_at_once=0)
    site.inbox.mkdir()
    for number in range(REQUESTS):
        (site.inbox / f"{number:03}.yaml").write_text(
            f"as_of: 1998-05-31\nselect: [orders]\nparams: {{history_days: {28 + number}}}\n"
        )
    assert site.start("dagster", "sensor", "start", "requests").wait(60) == 0
    with dg.DagsterInstance.from_config(str(site.folder)) as instance:

        def left() -> int:
            return len(list(site.inbox.glob("*.yaml")))

        for launched, moved in ((10, 0), (40, 0), (60, 35)):
            with site.daemon():
                wait_until(
                    lambda launched=launched, moved=moved: (
                        instance.get_runs_count() >= launched and REQUESTS - left() >= moved
                    ),
                    180,
                    f"{launched} runs",
                )
        site.configure(runs_at_once=4)
        with site.daemon():
            done = dg.RunsFilter(statuses=[dg.DagsterRunStatus.SUCCESS])
            wait_until(
                lambda: left() == 0 and instance.get_runs_count(done) == REQUESTS,
                300,
                "end of all requests",
            )
        runs = instance.get_runs()
    assert len(runs) == REQUESTS
    assert len({run.tags["ml_pipeline/request"] for run in runs}) == REQUESTS
    notes = [json.loads(file.read_text()) for file in site.inbox.glob("accepted/*.json")]
    assert {note["dagster_run_id"] for note in notes} == {run.run_id for run in runs}
    assert len(list(site.inbox.glob("accepted/*.yaml"))) == REQUESTS
    assert not (site.inbox / "rejected").exists()

    store = ArtifactStore(str(tmp_path / "artifacts"))
    records = [store.read_record(path) for path in store.directories("orders")]
    made_by = Counter(record.provenance.dagster_run_id for record in records if record)
    assert made_by == Counter(run.run_id for run in runs)
