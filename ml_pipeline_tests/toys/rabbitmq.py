"""A RabbitMQ node of its own, of Debian's package `rabbitmq-server`."""

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

SERVER = Path("/usr/lib/rabbitmq/bin/rabbitmq-server")
"""The wrapper in the path gives a node that is asked for nothing the machine's own folders."""


def _free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port: int = free.getsockname()[1]
        return port


def _answers(port: int) -> bool:
    """Tell whether a broker speaks: it opens its port before it does."""
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=2) as opened:
            opened.settimeout(2)
            opened.sendall(b"AMQP\x00\x00\x09\x01")
            return bool(opened.recv(1))
    except OSError:
        return False


class RabbitMQ:
    """A node, and the directory of names that it would else start and leave behind."""

    def __init__(self) -> None:
        assert SERVER.exists(), "Debian's package `rabbitmq-server` is not installed"
        self.folder = Path(tempfile.mkdtemp(prefix="ml_pipeline-rabbitmq-"))
        self.port, self._distribution, self._names = _free_port(), _free_port(), _free_port()
        cookie = self.folder / ".erlang.cookie"
        cookie.write_text("ML" * 10)
        cookie.chmod(0o400)
        self._user = "rabbitmq" if os.getuid() == 0 else None
        if self._user is not None:
            for owned in (self.folder, cookie):
                shutil.chown(owned, self._user, self._user)
        self._running: list[subprocess.Popen[bytes]] = []

    @property
    def url(self) -> str:
        return f"pyamqp://127.0.0.1:{self.port}//"

    def start(self) -> None:
        self._start("epmd", "-port", str(self._names))
        node = self._start(str(SERVER))
        log = self.folder / "log"
        deadline = time.monotonic() + 90
        while not _answers(self.port):
            assert node.poll() is None, log.read_text()
            assert time.monotonic() < deadline, log.read_text()
            time.sleep(0.2)

    def stop(self) -> None:
        """End it as a crash does: queues and messages that are meant to last are on the disk."""
        for process in reversed(self._running):
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        self._running.clear()

    def _start(self, *command: str) -> subprocess.Popen[bytes]:
        environment = {
            "PATH": os.environ["PATH"],
            "HOME": str(self.folder),
            "ERL_EPMD_PORT": str(self._names),
            "RABBITMQ_NODENAME": f"ml{self.port}@localhost",
            "RABBITMQ_NODE_IP_ADDRESS": "127.0.0.1",
            "RABBITMQ_NODE_PORT": str(self.port),
            "RABBITMQ_DIST_PORT": str(self._distribution),
            "RABBITMQ_MNESIA_BASE": str(self.folder / "mnesia"),
            "RABBITMQ_LOG_BASE": str(self.folder / "logs"),
            "RABBITMQ_LOGS": "-",
            "RABBITMQ_CONF_ENV_FILE": str(self.folder / "no-env"),
            "RABBITMQ_CONFIG_FILE": str(self.folder / "no-config"),
            "RABBITMQ_ENABLED_PLUGINS_FILE": str(self.folder / "no-plugins"),
            "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": "+S 1:1 +sbwt none",
        }
        with (self.folder / "log").open("ab") as log:
            started = subprocess.Popen(
                command,
                env=environment,
                cwd=self.folder,
                user=self._user,
                group=self._user,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        self._running.append(started)
        return started


@contextlib.contextmanager
def rabbitmq() -> Iterator[RabbitMQ]:
    """Run a node for as long as somebody needs it."""
    node = RabbitMQ()
    try:
        node.start()
        yield node
    finally:
        node.stop()
        shutil.rmtree(node.folder, ignore_errors=True)
