"""The process that sends: one at a time, in the order in which notes came.

It lives as long as the process that has started it, or until there is nothing to send; killed at
any instant, it leaves the note that it was at, and what sends next completes that.
"""

import importlib
import os
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

import filelock
import pydantic

from ml_pipeline.tracking.mlflow.notes import NOTES, AnyNote
from ml_pipeline.tracking.mlflow.sending import unreachable
from ml_pipeline.tracking.outbox import Outbox

if TYPE_CHECKING:
    from ml_pipeline.tracking.mlflow.server import Server

_SHARE: Final = 0.04
"""Of the time, while the process that is told of has something else to do."""
_LONGEST_REST_S: Final = 40.0
_LOOKS_EVERY_S: Final = 0.2
_TRIES_EVERY_S: Final = 5.0
_IDLE_S: Final = 60.0
_WAITS_S: Final = (0.3, 1.0)
_NICENESS: Final = 10

_REFUSALS: Final = (
    *("INVALID_PARAMETER_VALUE", "RESOURCE_DOES_NOT_EXIST", "RESOURCE_ALREADY_EXISTS"),
    *("INVALID_STATE", "BAD_REQUEST", "ENDPOINT_NOT_FOUND", "NOT_IMPLEMENTED"),
)
"""What a server says of a note that it will never take."""


@dataclass
class Sent:
    """What came of sending.

    Attributes:
        sent: how many notes the server has taken.
        refused: how many were put aside.
        problem: why it ended before everything was sent, None where it did not.
    """

    sent: int = 0
    refused: int = 0
    problem: str | None = None


class Sender:
    """Sends what waits in an outbox."""

    def __init__(self, outbox: Outbox, uri: str, patience_s: float = 0.0) -> None:
        """Send nothing yet.

        Args:
            outbox: where notes wait.
            uri: of the server.
            patience_s: how long to wait for another process that is sending a note.
        """
        self.patience_s = patience_s
        self.outbox = outbox
        self.uri = uri
        self._server: Server | None = None

    def send(
        self,
        told: Callable[[int, int], object] = lambda _done, _left: None,
        rest: Callable[[float], object] = lambda _took: None,
    ) -> Sent:
        """Send all that waits, each note by one process at a time.

        Args:
            told: called after each note with how many are done and left.
            rest: called after each note with how many seconds it took.

        Raises:
            filelock.Timeout: if another process has been at one note for longer than was said.
        """
        done = Sent()
        if self.outbox.waiting():
            # Before anything is locked: whoever else sends would wait for what takes seconds.
            importlib.import_module("ml_pipeline.tracking.mlflow.server")
            importlib.import_module("mlflow")
        while files := self.outbox.waiting():
            for place, file in enumerate(files, start=1):
                # Let go of after each: who waits for an answer need not wait for who does not.
                began = time.monotonic()
                with filelock.FileLock(self.outbox.lock, self.patience_s):
                    done.problem = self._sent(file, done)
                if done.problem is not None:
                    self.outbox.tell(done.problem)
                    return done
                told(done.sent + done.refused, len(files) - place)
                rest(time.monotonic() - began)
        if done.sent or done.refused or self.outbox.told()[1] is not None:
            self.outbox.tell(None)
        return done

    def _sent(self, file: Path, done: Sent) -> str | None:
        """Send one note; return why no note can be sent now, if that is so."""
        from mlflow.exceptions import MlflowException

        from ml_pipeline.tracking.mlflow.server import Gone, Server

        note = self.outbox.read(file)
        if note is None:
            return None
        try:
            if self._server is None:
                self._server = Server(self.uri, self.outbox)
            self._taken(self._server, NOTES.validate_python(note.content))
        except (pydantic.ValidationError, Gone) as error:
            self.outbox.refuse(file, str(error))
            done.refused += 1
            return None
        except (MlflowException, OSError) as error:
            # Of the system's errors there are those of folders that artifacts cannot be put into.
            said = " ".join(f"{type(error).__name__}: {error}".split())
            code = getattr(error, "error_code", _REFUSALS[0])
            if code not in _REFUSALS or not self._answers():
                return said
            self.outbox.refuse(file, said)
            done.refused += 1
            return None
        file.unlink()
        done.sent += 1
        return None

    def _taken(self, server: "Server", note: AnyNote) -> None:
        """Have a note taken, if not at once: a request of a process that was killed may go on."""
        from mlflow.exceptions import MlflowException

        for wait_s in _WAITS_S:
            try:
                server.take(note)
                return
            except MlflowException as error:
                if error.error_code not in _REFUSALS:
                    raise
                time.sleep(wait_s)
        server.take(note)

    def _answers(self) -> bool:
        return self._server is not None and self._server.answers()


def serve(outbox: Outbox, uri: str, parent: int) -> None:
    """Send while a process lives and has something to tell.

    Args:
        outbox: where notes wait.
        uri: of the server.
        parent: id of the process.
    """
    sender = Sender(outbox, uri)

    def rest(took: float) -> None:
        """Leave the time to the process that computes, as long as it does."""
        until = time.monotonic() + min(took / _SHARE, _LONGEST_REST_S)
        while time.monotonic() < until and os.getppid() == parent:
            if outbox.is_urgent(parent):
                return
            time.sleep(_LOOKS_EVERY_S)

    idle_since = time.monotonic()
    while True:
        is_alone = os.getppid() != parent
        if outbox.waiting():
            problem = unreachable(uri)
            if problem is not None:
                outbox.tell(problem)
            else:
                try:
                    problem = sender.send(rest=rest).problem
                    idle_since = time.monotonic()
                except filelock.Timeout:
                    # Whoever sends now looks once more after it has let go.
                    if is_alone:
                        return
            if problem is not None:
                if is_alone:
                    return
                time.sleep(_TRIES_EVERY_S)
        elif is_alone or time.monotonic() - idle_since > _IDLE_S:
            outbox.hurry(parent, False)
            return
        time.sleep(_LOOKS_EVERY_S)


def main(arguments: list[str]) -> None:
    """Serve what the command line names: folder, address and process."""
    # Whoever computes comes first.
    os.nice(_NICENESS)
    folder, uri, parent = arguments
    outbox = Outbox(Path(folder))
    try:
        serve(outbox, uri, int(parent))
    except Exception as error:
        # Nobody sees what this process prints.
        outbox.tell(f"{type(error).__name__}: {error}")
        raise


if __name__ == "__main__":
    main(sys.argv[1:])
