"""Seeing that notes are sent: by a process of its own, so that nobody waits for a server.

The process starts when this one has told everything, or has gone on for so long that sending costs
next to nothing of it; it sends while there is something to send, and then ends. If the server
cannot be reached, that is told once, and tried again later by whoever has something to tell.
"""

import atexit
import contextlib
import logging
import os
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

import filelock

from ml_pipeline.errors import SettingsError
from ml_pipeline.params.identity import digest_of
from ml_pipeline.settings import HOME_VARIABLE, settings
from ml_pipeline.text import counted
from ml_pipeline.tracking.outbox import Outbox

QUIET: Final = {
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "DO_NOT_TRACK": "true",
    # A request sent twice would make two runs: what sends looks first whether there is one.
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "0",
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "20",
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
    "GIT_PYTHON_REFRESH": "quiet",
}
"""Variables of processes that talk to MLflow for us."""

_STARTS_AFTER_S: Final = 90.0
"""A sweep of this length does not notice that a process starts and imports MLflow."""
_ANSWERS_WITHIN_S: Final = 1.0
_SECONDS_BETWEEN_ATTEMPTS: Final = 10.0
_PORTS: Final = {"http": 80, "https": 443}

_known: "Final[dict[Path, Sending]]" = {}

log = logging.getLogger(__name__)


class Sending:
    """The process that sends, as this one sees it."""

    def __init__(self, outbox: Outbox, uri: str, wait_s: float = 0.0) -> None:
        """Start nothing yet.

        Args:
            outbox: where notes wait.
            uri: of the server.
            wait_s: how long to wait in the end for what is left.
        """
        self.outbox = outbox
        self.uri = uri
        self.wait_s = wait_s
        self._process: subprocess.Popen[bytes] | None = None
        self._next = 0.0
        self._began: float | None = None
        self._has_told = False
        self._has_settled = False

    def begin(self) -> None:
        """See that somebody sends what waits in time, and that the server is there at all."""
        if self._has_settled:
            self._has_settled = False
            self.outbox.hurry(os.getpid(), False)
        if self._began is None:
            self._began = time.monotonic()
            # However this process ends by itself, it leaves the rest to the one that sends.
            atexit.register(self._start_for_what_waits)
            self._answers()
        if time.monotonic() - self._began > _STARTS_AFTER_S:
            self._start()

    def _start(self) -> None:
        """Start the process that sends, unless the server was silent just now."""
        if self._is_running or time.monotonic() < self._next:
            return
        self._next = time.monotonic() + _SECONDS_BETWEEN_ATTEMPTS
        if not self._answers():
            return
        command = [sys.executable, "-P", "-m", "ml_pipeline.tracking.mlflow.sender"]
        command += [str(self.outbox.folder), self.uri, str(os.getpid())]
        self._process = subprocess.Popen(
            command,
            env={**os.environ, **QUIET, HOME_VARIABLE: str(settings().home)},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            # Ctrl-C and the end of the terminal are for this process; what waits is sent
            # all the same.
            start_new_session=True,
        )

    def settle(self) -> None:
        """Wait until nothing is left, or the time for that is up, and tell what went wrong."""
        self._has_settled = True
        self._began = None
        atexit.unregister(self._start_for_what_waits)
        self.outbox.hurry(os.getpid(), True)
        self._start_for_what_waits()
        until = time.monotonic() + self.wait_s
        while self._is_running and self.outbox.waiting() and time.monotonic() < until:
            time.sleep(0.05)
        _, problem = self.outbox.told()
        if problem is not None and self.outbox.waiting():
            self._tell(problem)

    def _start_for_what_waits(self) -> None:
        if self.outbox.waiting() and not self._is_running:
            self._next = 0.0
            self._start()

    def _answers(self) -> bool:
        """Whether the server is there; where it is not, that is told."""
        problem = unreachable(self.uri)
        if problem is None:
            return True
        if self.outbox.waiting():
            # It is told here all the same where the folder is full.
            with contextlib.suppress(SettingsError):
                self.outbox.tell(problem)
        self._tell(problem)
        return False

    @property
    def _is_running(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def _tell(self, problem: str) -> None:
        if self._has_told:
            return
        self._has_told = True
        log.warning(
            "MLflow must be reachable at %s to be told of results, but %s. The run goes on: %s in"
            " %s, and sent later, or by `ml-pipeline mlflow sync`.",
            self.uri,
            problem,
            f"{counted(len(self.outbox.waiting()), 'note')} kept",
            self.outbox.folder,
        )


def sending_of(outbox: Outbox, uri: str, wait_s: float = 0.0) -> Sending:
    """Return what sends the notes of an outbox: one in this process, however many runs it makes.

    Args:
        outbox: where notes wait.
        uri: of the server.
        wait_s: how long to wait in the end for what is left.
    """
    return _known.setdefault(outbox.folder, Sending(outbox, uri, wait_s))


def outbox_of(uri: str) -> Outbox:
    """Return where notes wait for a server: a folder of its own in the home folder."""
    return Outbox(settings().home / "mlflow" / digest_of(uri))


def unreachable(uri: str) -> str | None:
    """Say why nothing answers at the address of a server, or return None where something does."""
    address = urlsplit(uri)
    if address.scheme not in _PORTS or address.hostname is None:
        return None
    try:
        port = address.port or _PORTS[address.scheme]
        socket.create_connection((address.hostname, port), _ANSWERS_WITHIN_S).close()
    except OSError as error:
        return f"nothing answers: {error.strerror or error}"
    return None


def is_sent_by_somebody(outbox: Outbox) -> bool:
    """Whether a process is sending what waits in an outbox."""
    try:
        with filelock.FileLock(outbox.lock, timeout=0):
            return False
    except filelock.Timeout:
        return True
