"""SeaweedFS: an S3 server that checks credentials and keeps its data when it is stopped.

Between it and a client stands a proxy that counts requests and, when told, spoils them.
"""

import contextlib
import http.client
import json
import socket
import socketserver
import subprocess
import sysconfig
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from obstore.store import S3Store

BUCKET = "bucket"
_WEED = Path(sysconfig.get_path("scripts")) / "weed"
_LOWEST, _HIGHEST = 20_000, 45_000


class Seaweed:
    """A server with one bucket, named `bucket`."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        (folder / "data").mkdir()
        who = {
            "name": "tests",
            "credentials": [{"accessKey": "key", "secretKey": "word"}],
            "actions": ["Admin", "Read", "Write", "List"],
        }
        (folder / "s3.json").write_text(json.dumps({"identities": [who]}))
        self.ports = [_free_port() for _ in range(4)]
        self.process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.ports[3]}"

    def start(self) -> None:
        master, volume, filer, s3 = self.ports
        options = {
            "dir": self.folder / "data",
            "ip": "127.0.0.1",
            "ip.bind": "127.0.0.1",
            "master.telemetry": "false",
            "master.port": master,
            "master.volumeSizeLimitMB": 64,
            "master.electionTimeout": "1s",
            "master.heartbeatInterval": "100ms",
            "volume.port": volume,
            "volume.max": 40,
            "filer": "true",
            "filer.port": filer,
            "filer.localSocket": self.folder / "filer.sock",
            "s3": "true",
            "s3.port": s3,
            "s3.port.iceberg": 0,
            "s3.port.lance": 0,
            "s3.config": self.folder / "s3.json",
            "s3.autoCreateBucket": "false",
        }
        grpc = {
            f"{name}.port.grpc": port + 10_000
            for name, port in zip(("master", "volume", "filer", "s3"), self.ports, strict=True)
        }
        with (self.folder / "log").open("ab") as log:
            self.process = subprocess.Popen(
                [str(_WEED), "server", *(f"-{k}={v}" for k, v in {**options, **grpc}.items())],
                stdout=log,
                stderr=log,
                cwd=self.folder,
            )
        self._await()

    def stop(self) -> None:
        if self.process is not None:
            self.process.kill()
            self.process.wait()
        # It leaves its sockets behind.
        for port in self.ports:
            for path in Path("/tmp").glob(f"seaweedfs-*-*{port % 10_000:04}.sock"):
                if path.stem.rpartition("-")[2] in (str(port), str(port + 10_000)):
                    path.unlink()

    def keys(self, below: str) -> list[str]:
        """Return the names of all objects below a prefix of the bucket."""
        return [one["path"] for batch in _store(self.url).list(below) for one in batch]

    def _await(self) -> None:
        client = _store(self.url)
        deadline = time.monotonic() + 90
        while time.monotonic() < deadline:
            with contextlib.suppress(Exception):
                self.make_bucket()
                # The first bytes wait for a volume to be made.
                client.put("up", bytes(1 << 20))
                return
            time.sleep(0.1)
        raise AssertionError((self.folder / "log").read_text()[-2000:])

    def make_bucket(self) -> None:
        client = self._client
        there = client.exceptions.BucketAlreadyExists, client.exceptions.BucketAlreadyOwnedByYou
        with contextlib.suppress(*there):
            client.create_bucket(Bucket=BUCKET)

    def remove_bucket(self) -> None:
        """Remove the bucket with all that is in it."""
        _store(self.url).delete(self.keys(""))
        self._client.delete_bucket(Bucket=BUCKET)

    @property
    def _client(self) -> Any:
        import boto3

        return boto3.client(
            "s3",
            endpoint_url=self.url,
            aws_access_key_id="key",
            aws_secret_access_key="word",
            region_name="us-east-1",
        )


class Proxy:
    """Passes requests on, counting them by method.

    Attributes:
        spoil: asked for each request's method and path what to do with it instead of passing it
            on: a status to answer with, 0 to break the connection off; None lets it pass.
        delay_s: seconds that each request waits.
        most_at_once: how many requests waited at the same time.
    """

    def __init__(self, target: str) -> None:
        self.target = target.removeprefix("http://")
        self.spoil: Callable[[str, str], int | None] = lambda _method, _path: None
        self.delay_s = 0.0
        self.most_at_once = self._at_once = 0
        self._counting = threading.Lock()
        self.counted: Counter[str] = Counter()
        self._server = _Server(("127.0.0.1", 0), _handler(self))
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def wait(self) -> None:
        with self._counting:
            self._at_once += 1
            self.most_at_once = max(self.most_at_once, self._at_once)
        time.sleep(self.delay_s)
        with self._counting:
            self._at_once -= 1

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing of clients that have gone."""


def _handler(proxy: Proxy) -> type[socketserver.BaseRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def _pass_on(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            proxy.counted[self.command] += 1
            proxy.wait()
            status = proxy.spoil(self.command, self.path)
            if status == 0:
                self.close_connection = True
                self.connection.shutdown(socket.SHUT_RDWR)
                return
            if status is not None:
                self._answer(status, {}, b"<Error><Code>SlowDown</Code></Error>")
                return
            there = http.client.HTTPConnection(proxy.target, timeout=60)
            try:
                # The signature is of the host as the client has it.
                there.putrequest(self.command, self.path, skip_host=True, skip_accept_encoding=True)
                for name, value in self.headers.items():
                    there.putheader(name, value)
                there.endheaders(body)
                reply = there.getresponse()
                content = reply.read()
                self._answer(reply.status, dict(reply.getheaders()), content)
            except OSError:
                self.close_connection = True
            finally:
                there.close()

        def _answer(self, status: int, headers: dict[str, str], content: bytes) -> None:
            self.send_response_only(status)
            for name, value in headers.items():
                if name.lower() not in ("content-length", "transfer-encoding", "connection"):
                    self.send_header(name, value)
            length = headers.get("Content-Length") if self.command == "HEAD" else None
            self.send_header("Content-Length", length or str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        do_GET = do_PUT = do_POST = do_HEAD = do_DELETE = _pass_on  # noqa: N815

        def log_message(self, *args: Any) -> None:
            """Say nothing."""

    return Handler


@contextlib.contextmanager
def seaweed(folder: Path) -> Iterator[Seaweed]:
    """Run a server for as long as somebody needs it."""
    server = Seaweed(folder)
    server.start()
    try:
        yield server
    finally:
        server.stop()


@contextlib.contextmanager
def proxy_of(server: Seaweed) -> Iterator[Proxy]:
    """Run a proxy for as long as somebody needs it."""
    proxy = Proxy(server.url)
    try:
        yield proxy
    finally:
        proxy.close()


def environment(url: str) -> dict[str, str]:
    """Return the environment in which `s3://bucket` is found at a server or proxy."""
    return {
        "AWS_ACCESS_KEY_ID": "key",
        "AWS_SECRET_ACCESS_KEY": "word",
        "AWS_REGION": "us-east-1",
        "AWS_ENDPOINT_URL": url,
        "AWS_ALLOW_HTTP": "true",
    }


def _store(url: str) -> S3Store:
    return S3Store(
        BUCKET,
        endpoint=url,
        access_key_id="key",
        secret_access_key="word",
        region="us-east-1",
        client_options={"allow_http": True},
        retry_config={"max_retries": 0},
    )


def _free_port() -> int:
    """Return a free port such that the one 10,000 above, for gRPC, is below 55536."""
    for port in range(_LOWEST + time.time_ns() // 1000 % 20_000, _HIGHEST):
        with contextlib.suppress(OSError), socket.socket() as one, socket.socket() as other:
            one.bind(("127.0.0.1", port))
            other.bind(("127.0.0.1", port + 10_000))
            return port
    raise AssertionError("no port is free")
