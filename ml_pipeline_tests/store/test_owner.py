import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from ml_pipeline.store.owner import is_gone, token

TELL = "import sys, time; from ml_pipeline.store.owner import token; print(token(), flush=True);"


@pytest.fixture
def other() -> Iterator["subprocess.Popen[str]"]:
    """A process that prints its token and waits."""
    with subprocess.Popen(
        [sys.executable, "-c", f"{TELL} time.sleep(60)"], stdout=subprocess.PIPE, text=True
    ) as process:
        yield process
        process.kill()


def told(process: "subprocess.Popen[str]") -> str:
    assert process.stdout is not None
    return process.stdout.readline().strip()


def test_own_token_is_the_same_every_time_and_not_gone() -> None:
    assert token() == token()
    assert not is_gone(token())


def test_process_is_gone_when_it_has_ended(other: "subprocess.Popen[str]") -> None:
    name = told(other)
    assert name != token()
    assert not is_gone(name)
    other.kill()
    other.wait()
    assert is_gone(name)


def test_process_is_gone_though_nobody_has_noticed_yet(other: "subprocess.Popen[str]") -> None:
    """Where nobody collects what has ended, it stays in the list of processes."""
    name = told(other)
    os.kill(other.pid, signal.SIGKILL)
    end = time.monotonic() + 5
    while not is_gone(name):
        assert time.monotonic() < end
        time.sleep(0.01)
    assert other.returncode is None


def test_process_that_got_the_number_of_another_is_not_that_one() -> None:
    place, number, started = token().split("|")
    assert is_gone(f"{place}|{number}|{int(started) - 1}")


@pytest.mark.parametrize(
    "other",
    [
        "",
        "|",
        "||",
        "nobody",
        "elsewhere|1|2",
        "|1|2",
        f"{token().partition('|')[0]}|x|2",
        f"{token().partition('|')[0]}||",
        f"{token().partition('|')[0]}|²|2",
    ],
)
def test_process_of_which_nothing_is_known_is_not_gone(other: str) -> None:
    assert not is_gone(other)


def test_token_names_neither_machine_nor_user() -> None:
    import getpass
    import socket

    assert socket.gethostname() not in token()
    assert str(Path.cwd()) not in token()
    assert getpass.getuser() not in token()
