"""Sends events aside, so that no run waits for a server that is down or slow.

What cannot be sent in time is dropped: lineage is told to whoever listens, and can be had from the
records at any time. That it was dropped is said once.
"""

import logging
import queue
import threading
import time
from collections.abc import Callable, Sequence
from typing import Any, Final

from ml_pipeline.addresses import masked

_MOST_WAITING: Final = 2000
_TIMEOUT_S: Final = 1.0
_PAUSE_S: Final = 30.0
_SETTLE_S: Final = 1.5
_IMPORT_S: Final = 10.0

log = logging.getLogger(__name__)

Told = Callable[[], Sequence[Any]]
"""Makes the events of one thing that has happened."""


class Sender:
    """A thread that makes and sends events in their order."""

    def __init__(self, url: str, api_key: str = "", endpoint: str = "") -> None:
        """Prepare to send; nothing is connected to before there is something to send.

        Args:
            url: of the server.
            api_key: what lets in, if anything is needed.
            endpoint: path below the URL; the library's if empty.
        """
        self._config: dict[str, Any] = {"url": url, "timeout": _TIMEOUT_S, "retry": {"total": 0}}
        if api_key:
            self._config["auth"] = {"type": "api_key", "apiKey": api_key}
        if endpoint:
            self._config["endpoint"] = endpoint
        self._url = url
        self._waiting: queue.Queue[Told | None] = queue.Queue(_MOST_WAITING)
        self._thread: threading.Thread | None = None
        self._client: Any = None
        self._is_imported = threading.Event()
        self._resting_until = 0.0
        self._is_said = False
        self.dropped = 0

    def send(self, told: Told) -> None:
        """Have events sent soon; returns at once."""
        if self._thread is None:
            self._thread = threading.Thread(target=self._work, name="openlineage", daemon=True)
            self._thread.start()
        try:
            self._waiting.put_nowait(told)
        except queue.Full:
            self._drop(f"more than {_MOST_WAITING} wait")

    def settle(self) -> None:
        """Wait until all is sent, but not for long."""
        if self._waiting.unfinished_tasks:
            # Importing the client is not the server's fault, and takes what it takes.
            self._is_imported.wait(_IMPORT_S)
        deadline = time.monotonic() + _SETTLE_S
        while self._waiting.unfinished_tasks and time.monotonic() < deadline:
            time.sleep(0.01)
        if self._waiting.unfinished_tasks:
            self._drop("it does not answer in time", self._waiting.unfinished_tasks)
        elif self._thread is not None:
            # Whoever runs much in one process should not be left with a thread for each run.
            self._waiting.put(None)
            self._thread.join()
            self._thread = None

    def _work(self) -> None:
        while True:
            told = self._waiting.get()
            try:
                if told is None:
                    return
                self._send(told)
            except Exception as error:  # noqa: BLE001 - whatever goes wrong, the run goes on
                self._is_imported.set()
                self._resting_until = time.monotonic() + _PAUSE_S
                self._drop(masked(str(error)))
            finally:
                self._waiting.task_done()

    def _send(self, told: Told) -> None:
        if time.monotonic() < self._resting_until:
            self.dropped += 1
            return
        if self._client is None:
            from openlineage.client import OpenLineageClient
            from openlineage.client.transport.http import HttpConfig, HttpTransport

            transport = HttpTransport(HttpConfig.from_dict(self._config))
            self._client = OpenLineageClient(transport=transport)
            self._is_imported.set()
        for event in told():
            self._client.emit(event)

    def _drop(self, why: str, count: int = 1) -> None:
        self.dropped += count
        if not self._is_said:
            self._is_said = True
            log.warning(
                "Lineage is not told to all of %s: %s. The run goes on; `ml-pipeline export` has"
                " what the records say.",
                masked(self._url),
                why[:300],
            )
