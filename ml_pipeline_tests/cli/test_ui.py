"""`ml-pipeline ui`: one command that starts and ends as one."""

import json
import os
import signal
import socket
import subprocess
import time
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from ml_pipeline_tests.cli.conftest import CommandLine
from ml_pipeline_tests.e2e.server import tool


@dataclass(frozen=True)
class Ui:
    """A UI that has just said where it is."""

    process: subprocess.Popen[str]
    port: int
    said: str
    session: int
    inbox: Path

    def processes(self) -> list[int]:
        """Return what runs beside the command itself."""
        found = []
        for status in Path("/proc").glob("[0-9]*/stat"):
            try:
                fields = status.read_text().rpartition(")")[2].split()
            except OSError:
                continue
            if int(fields[3]) == self.session and fields[0] not in "ZX":
                found.append(int(status.parent.name))
        return found


def free_port() -> int:
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        return int(bound.getsockname()[1])


@pytest.fixture
def ui(cli: CommandLine) -> Iterator[Ui]:
    port = free_port()
    with (
        (cli.folder / "ui.log").open("w") as log,
        subprocess.Popen(
            [tool("ml-pipeline"), "ui", "--port", str(port)],
            cwd=cli.folder,
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
        ) as process,
    ):
        assert process.stdout is not None
        said = next((line for line in process.stdout if line.startswith("Dagster UI")), "")
        children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
        found = Ui(process, port, said, int(children[0]), cli.folder / ".ml_pipeline" / "inbox")
        try:
            yield found
        finally:
            process.kill()
            for left in found.processes():
                os.kill(left, signal.SIGKILL)


@pytest.mark.long
@pytest.mark.parametrize("sent", [signal.SIGTERM, signal.SIGHUP, signal.SIGKILL])
def test_ui_that_is_ended_takes_everything_with_it(ui: Ui, sent: signal.Signals) -> None:
    if sent is not signal.SIGKILL and signal.getsignal(sent) is signal.SIG_IGN:
        pytest.skip("whoever started the tests ignores this signal, and so does every process here")
    assert f"http://127.0.0.1:{ui.port}" in ui.said
    with urllib.request.urlopen(f"http://127.0.0.1:{ui.port}/server_info", timeout=30) as reply:
        assert "dagster_version" in json.load(reply)
    assert len(ui.processes()) >= 4
    assert ui.inbox.is_dir()
    assert "superseded" not in (ui.inbox.parents[1] / "ui.log").read_text()
    ui.process.send_signal(sent)
    code = ui.process.wait(60)
    assert code == (-signal.SIGKILL if sent is signal.SIGKILL else 0)
    deadline = time.monotonic() + 60
    while sent is signal.SIGKILL and ui.processes() and time.monotonic() < deadline:
        time.sleep(0.1)
    assert ui.processes() == []
    with socket.socket() as bound:
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        bound.bind(("127.0.0.1", ui.port))


def test_ui_on_a_port_that_is_taken_says_so_and_starts_nothing(cli: CommandLine) -> None:
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        bound.listen()
        port = bound.getsockname()[1]
        done = cli("ui", "--port", str(port))
    assert done.code == 2
    assert done.err.startswith(f"Error: Port {port} of 127.0.0.1 must be free, but another program")
    assert done.out == ""
    assert not (cli.folder / ".ml_pipeline").exists()


def test_ui_on_a_host_that_is_none_of_this_machine_says_so(cli: CommandLine) -> None:
    done = cli("ui", "--host", "192.0.2.1")
    assert done.code == 2
    assert "must be able to serve port 3000 of 192.0.2.1, but cannot" in done.err


def test_ui_on_a_home_that_is_damaged_says_so(cli: CommandLine) -> None:
    history = cli.folder / ".ml_pipeline" / "dagster" / "history"
    history.mkdir(parents=True)
    (history / "runs.db").write_text("no database")
    done = cli("ui", "--port", str(free_port()))
    assert done.code == 2
    assert "runs.db must be a database of Dagster's, but is none" in done.err
    assert "Traceback" not in done.err
