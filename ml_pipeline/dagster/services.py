"""Dagster's webserver, daemon and code server as one thing, that starts and ends as one."""

import contextlib
import ctypes
import errno
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from ml_pipeline.errors import SettingsError

_ENDING: Final = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
_EVERYWHERE: Final = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 - what users bind to
_PR_SET_PDEATHSIG: Final = 1
_SERVICES: Final = "ml_pipeline.dagster.private_pages"
_LONGEST_END_S: Final = 20.0
_LONGEST_REST_S: Final = 5.0
_TIMEOUT_S: Final = 5.0


@dataclass(frozen=True)
class Services:
    """Running processes.

    Attributes:
        process: the one that starts and ends the others; all are of its session.
        url: where the webserver is going to answer.
    """

    process: subprocess.Popen[bytes]
    url: str

    @property
    def has_ended(self) -> bool:
        """Whether the processes have ended by themselves."""
        return self.process.poll() is not None

    @property
    def answers(self) -> bool:
        """Whether the webserver answers by now."""
        try:
            with urllib.request.urlopen(f"{self.url}/server_info", timeout=_TIMEOUT_S):  # noqa: S310
                return True
        except (OSError, urllib.error.URLError):
            return False


def url_of(host: str, port: int) -> str:
    """Return where a webserver answers that is bound to a host and port."""
    shown = _EVERYWHERE.get(host, host)
    return f"http://[{shown}]:{port}" if ":" in shown else f"http://{shown}:{port}"


def check_port(host: str, port: int) -> None:
    """Refuse an address that a webserver could not serve.

    Raises:
        SettingsError: if it is taken, or none of this machine.
    """
    try:
        family, _, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        with socket.socket(family, socket.SOCK_STREAM) as tried:
            # What has just ended leaves its port behind for a while, which hinders nobody.
            tried.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            tried.bind(address)
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            raise SettingsError(
                f"Port {port} of {host} must be free, but another program serves it. --port takes"
                " another one, or end that program: it may be a UI that still runs."
            ) from error
        raise SettingsError(
            f"The UI must be able to serve port {port} of {host}, but cannot: {error.strerror}."
            " --host and --port take others."
        ) from error


@contextlib.contextmanager
def services(
    module: str, host: str, port: int, environment: Mapping[str, str], folder: Path | None = None
) -> Iterator[Services]:
    """Start the processes; they end with the context, and with this process if it is killed.

    Args:
        module: the code location.
        host: name or address to serve.
        port: port to serve.
        environment: variables that they get.
        folder: where they start; that of this process if omitted.
    """
    url = url_of(host, port)
    command = ["dev", "-m", module, "--host", host, "--port", str(port)]
    process = subprocess.Popen(
        [sys.executable, "-m", _SERVICES, *command],
        env=dict(environment),
        cwd=folder,
        # Signals of a terminal reach this process alone, which passes them on once.
        start_new_session=True,
        preexec_fn=_end_with_parent,
    )
    try:
        yield Services(process, url)
    finally:
        _end(process)


@contextlib.contextmanager
def stoppable() -> Iterator[None]:
    """Let whatever asks this process to end raise `KeyboardInterrupt`, and be asked once only."""

    def stop(_number: int, _frame: object) -> None:
        for number in _ENDING:
            signal.signal(number, signal.SIG_IGN)
        raise KeyboardInterrupt

    before = {number: signal.getsignal(number) for number in _ENDING}
    try:
        for number, handler in before.items():
            # Whoever started this process may not want it to end with the terminal.
            if handler != signal.SIG_IGN:
                signal.signal(number, stop)
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _end_with_parent() -> None:
    """Ask the kernel, where it can do that, for a signal when the parent is gone."""
    with contextlib.suppress(AttributeError, OSError):
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)


def _end(process: subprocess.Popen[bytes]) -> None:
    process.send_signal(signal.SIGTERM)
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(_LONGEST_END_S)
    # Code servers and runs may be left.
    for number in (signal.SIGTERM, signal.SIGKILL):
        deadline = time.monotonic() + _LONGEST_REST_S
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, number)
            while number is not signal.SIGKILL and time.monotonic() < deadline:
                process.poll()
                os.killpg(process.pid, 0)
                time.sleep(0.1)
    process.wait()
