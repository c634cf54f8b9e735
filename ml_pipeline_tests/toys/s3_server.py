"""An S3-compatible server: a real one, started here, with a bucket named `bucket` or others."""

import contextlib
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator


@contextlib.contextmanager
def serving_s3(*buckets: str) -> Iterator[dict[str, str]]:
    """Start a server; what is yielded is the environment in which `s3://bucket` is found.

    Args:
        buckets: names of the buckets that there are; `bucket` if omitted.
    """
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    process = subprocess.Popen(
        [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    url = f"http://127.0.0.1:{port}"
    try:
        for _ in range(300):
            try:
                urllib.request.urlopen(f"{url}/moto-api/").close()
                break
            except (urllib.error.URLError, ConnectionError):
                time.sleep(0.1)
        for bucket in buckets or ("bucket",):
            made = urllib.request.Request(f"{url}/{bucket}", method="PUT")
            urllib.request.urlopen(made).close()
        yield {
            "AWS_ACCESS_KEY_ID": "key",
            "AWS_SECRET_ACCESS_KEY": "word",
            "AWS_REGION": "us-east-1",
            "AWS_ENDPOINT_URL": url,
            "AWS_ALLOW_HTTP": "true",
        }
    finally:
        process.kill()
        process.wait()
