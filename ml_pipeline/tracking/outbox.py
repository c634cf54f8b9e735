"""An outbox: notes that wait in a folder until a server has taken them.

One small file for each, put there in one step and never changed, named so that the order of the
names is that in which they came. Whoever sends takes the first, and removes it once it is taken:
a note that was taken but not removed is sent again, so what takes it must know it again.
"""

import contextlib
import itertools
import json
import os
import threading
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from ml_pipeline.errors import SettingsError

_WAITING: Final = "waiting"
_REFUSED: Final = "refused"
_KNOWN: Final = "known"
_STATE: Final = "state.json"
_SETTLED: Final = "settled"
_numbers: Final = itertools.count()
_last: Final = threading.local()


@dataclass(frozen=True)
class Waiting:
    """A note that waits.

    Attributes:
        file: where it is.
        content: what it says.
    """

    file: Path
    content: dict[str, Any]


class Outbox:
    """Notes for one server, in a folder."""

    def __init__(self, folder: Path) -> None:
        """Look at a folder; nothing is made before there is a note.

        Args:
            folder: the server's own.
        """
        self.folder = folder
        self._is_made = False

    @property
    def lock(self) -> Path:
        """What whoever sends holds."""
        return self.folder / "sending.lock"

    def add(self, content: Mapping[str, Any]) -> None:
        """Add a note after all that are there.

        Raises:
            SettingsError: if the folder cannot be written.
        """
        waiting = self.folder / _WAITING
        name = f"{_now():020}-{os.getpid()}-{next(_numbers):06}"
        scratch = self.folder / f".{name}"
        with self._writing(scratch):
            if not self._is_made:
                waiting.mkdir(parents=True, exist_ok=True)
                self._is_made = True
            scratch.write_text(json.dumps(content), encoding="utf-8")
            scratch.rename(waiting / f"{name}.json")

    def waiting(self) -> list[Path]:
        """Return the files of all notes that wait, in order."""
        return _files(self.folder / _WAITING)

    def read(self, file: Path) -> Waiting | None:
        """Return a note; None where it is gone, or is none and has been put aside."""
        try:
            content = json.loads(file.read_bytes())
        except FileNotFoundError:
            return None
        except ValueError as error:
            self.refuse(file, f"it cannot be read: {error}")
            return None
        return Waiting(file, content)

    def refuse(self, file: Path, reason: str) -> None:
        """Put a note aside that no server takes, with the reason."""
        aside = self.folder / _REFUSED
        aside.mkdir(parents=True, exist_ok=True)
        (aside / f"{file.stem}.txt").write_text(f"{reason}\n", encoding="utf-8")
        file.rename(aside / file.name)

    def refused(self) -> dict[Path, str]:
        """Return the files of the notes that were put aside, each with the reason."""
        found = {}
        for file in _files(self.folder / _REFUSED):
            reason = file.with_suffix(".txt")
            found[file] = reason.read_text(encoding="utf-8").strip() if reason.exists() else ""
        return found

    def retry(self) -> int:
        """Let the notes that were put aside wait again, before all others; return how many."""
        files = list(self.refused())
        for file in files:
            file.rename(self.folder / _WAITING / file.name)
            file.with_suffix(".txt").unlink(missing_ok=True)
        return len(files)

    def know(self, key: str, name: str) -> None:
        """Remember what the server calls something.

        Args:
            key: letters and digits that name it here.
            name: its name there.
        """
        file = self._known(key)
        file.parent.mkdir(parents=True, exist_ok=True)
        scratch = self.folder / f".{key}-{os.getpid()}"
        scratch.write_text(name, encoding="utf-8")
        scratch.replace(file)

    @property
    def remembers(self) -> bool:
        """Whether anything was ever known."""
        return (self.folder / _KNOWN).is_dir()

    def known(self, key: str) -> str | None:
        """Return what the server calls something; empty where it may have a part of it only."""
        with contextlib.suppress(FileNotFoundError):
            return self._known(key).read_text(encoding="utf-8")
        return None

    def hurry(self, process: int, is_urgent: bool) -> None:
        """Say whether a process has told all that it had to tell, so that it is not in the way.

        Raises:
            SettingsError: if the folder cannot be written.
        """
        mark = self.folder / f"{_SETTLED}-{process}"
        with self._writing():
            if is_urgent and self.folder.is_dir():
                mark.touch()
            else:
                mark.unlink(missing_ok=True)

    def is_urgent(self, process: int) -> bool:
        """Whether a process has told all that it had to tell."""
        return (self.folder / f"{_SETTLED}-{process}").exists()

    def tell(self, problem: str | None) -> None:
        """Leave word of how the last attempt to send went.

        Args:
            problem: why it ended before everything was sent, None where it did not.

        Raises:
            SettingsError: if the folder cannot be written.
        """
        scratch = self.folder / f".{_STATE}-{os.getpid()}"
        state = json.dumps({"at": time.time(), "problem": problem})
        with self._writing(scratch):
            self.folder.mkdir(parents=True, exist_ok=True)
            scratch.write_text(state, encoding="utf-8")
            scratch.replace(self.folder / _STATE)

    def told(self) -> tuple[float, str | None]:
        """Return when the last attempt to send was, in seconds since 1970, and what stopped it."""
        with contextlib.suppress(OSError, ValueError, KeyError):
            state = json.loads((self.folder / _STATE).read_bytes())
            return state["at"], state["problem"]
        return 0.0, None

    @contextlib.contextmanager
    def _writing(self, scratch: Path | None = None) -> Iterator[None]:
        """Say in words that the folder cannot be written, and leave nothing half behind."""
        try:
            yield
        except OSError as error:
            if scratch is not None:
                with contextlib.suppress(OSError):
                    scratch.unlink(missing_ok=True)
            raise SettingsError(
                f"The home folder must be writable, but {self.folder} is not: {error.strerror}."
                " Set ML_PIPELINE_HOME to a folder that is."
            ) from error

    def _known(self, key: str) -> Path:
        return self.folder / _KNOWN / key[:2] / key


def _files(folder: Path) -> list[Path]:
    try:
        return sorted(folder.glob("*.json"))
    except FileNotFoundError:
        return []


def _now() -> int:
    """Return nanoseconds since 1970, later each time in a process, whatever its clock does."""
    _last.value = max(time.time_ns(), getattr(_last, "value", 0) + 1)
    return int(_last.value)
