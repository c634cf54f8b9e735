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


@contextlib.contextmanager
def rabbitmq() -> Iterator[str]:
    """Run a node for as long as somebody needs it, and yield its URL."""
    assert SERVER.exists(), "Debian's package `rabbitmq-server` is not installed"
    folder = Path(tempfile.mkdtemp(prefix="ml_pipeline-rabbitmq-"))
    port, distribution, names = _free_port(), _free_port(), _free_port()
    cookie = folder / ".erlang.cookie"
    cookie.write_text("ML" * 10)
    cookie.chmod(0o400)
    user = "rabbitmq" if os.getuid() == 0 else None
    if user is not None:
        for owned in (folder, cookie):
            shutil.chown(owned, user, user)
    environment = {
        "PATH": os.environ["PATH"],
        "HOME": str(folder),
        "ERL_EPMD_PORT": str(names),
        "RABBITMQ_NODENAME": f"ml{port}@localhost",
        "RABBITMQ_NODE_IP_ADDRESS": "127.0.0.1",
        "RABBITMQ_NODE_PORT": str(port),
        "RABBITMQ_DIST_PORT": str(distribution),
        "RABBITMQ_MNESIA_BASE": str(folder / "mnesia"),
        "RABBITMQ_LOG_BASE": str(folder / "logs"),
        "RABBITMQ_LOGS": "-",
        "RABBITMQ_CONF_ENV_FILE": str(folder / "no-env"),
        "RABBITMQ_CONFIG_FILE": str(folder / "no-config"),
        "RABBITMQ_ENABLED_PLUGINS_FILE": str(folder / "no-plugins"),
        "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": "+S 1:1 +sbwt none",
    }

    def start(*command: str) -> subprocess.Popen[bytes]:
        with (folder / "log").open("ab") as log:
            return subprocess.Popen(
                command,
                env=environment,
                cwd=folder,
                user=user,
                group=user,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    # Else the node starts one that outlives it.
    directory = start("epmd", "-port", str(names))
    node = start(str(SERVER))
    try:
        deadline = time.monotonic() + 90
        while not _answers(port):
            assert node.poll() is None, (folder / "log").read_text()
            assert time.monotonic() < deadline, (folder / "log").read_text()
            time.sleep(0.2)
        yield f"pyamqp://127.0.0.1:{port}//"
    finally:
        for process in (node, directory):
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        shutil.rmtree(folder, ignore_errors=True)
