"""Runs that are stopped show as canceled, and those that are killed do not stay for ever."""

import signal
import subprocess
import time
from collections.abc import Iterator

import dagster as dg
import pytest

from ml_pipeline.dagster.instance import open_instance
from ml_pipeline.settings import Settings
from ml_pipeline_tests.cli.conftest import CommandLine
from ml_pipeline_tests.e2e.server import tool

pytestmark = pytest.mark.long


@pytest.fixture
def running(cli: CommandLine) -> Iterator[subprocess.Popen[str]]:
    """A run of many dates, of which the first is done."""
    with subprocess.Popen(
        [tool("ml-pipeline"), "run", "--from", "1998-01-01", "--to", "1998-06-30"],
        cwd=cli.folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            deadline = time.monotonic() + 120
            while not list(cli.artifacts.glob("evaluation/**/record.json")):
                assert process.poll() is None
                assert time.monotonic() < deadline
                time.sleep(0.1)
            yield process
        finally:
            process.kill()


def statuses(cli: CommandLine, monkeypatch: pytest.MonkeyPatch) -> list[dg.DagsterRunStatus]:
    monkeypatch.setenv("ML_PIPELINE_HOME", str(cli.folder / ".ml_pipeline"))
    with open_instance(Settings()) as instance:
        return [run.status for run in instance.get_runs()]


@pytest.mark.parametrize(
    "sent",
    [
        signal.SIGINT,
        pytest.param(
            signal.SIGTERM,
        ),
        pytest.param(
            signal.SIGHUP,
        ),
    ],
)
def test_run_that_is_stopped_shows_as_canceled(
    cli: CommandLine,
    running: subprocess.Popen[str],
    monkeypatch: pytest.MonkeyPatch,
    sent: signal.Signals,
) -> None:
    if signal.getsignal(sent) is signal.SIG_IGN:
        pytest.skip("whoever started the tests ignores this signal, and so does every process here")
    running.send_signal(sent)
    _, err = running.communicate(timeout=120)
    assert running.returncode == 130, err
    assert "the same command goes on from there" in err.replace("\n", " ")
    assert "Traceback" not in err
    assert statuses(cli, monkeypatch)[0] is dg.DagsterRunStatus.CANCELED


def test_run_that_is_killed_is_ended_by_the_next_command(
    cli: CommandLine, running: subprocess.Popen[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    running.kill()
    running.communicate(timeout=60)
    again = cli("run", "--as-of", "1998-01-01", "--json")
    assert again.code == 0, again.err
    newest, killed = statuses(cli, monkeypatch)[:2]
    assert newest is dg.DagsterRunStatus.SUCCESS
    assert killed is dg.DagsterRunStatus.FAILURE
