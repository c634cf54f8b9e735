"""An inbox: a folder, or prefix of an object store, that request files are dropped into.

    nightly.yaml                             waits
    accepted/nightly.yaml                    has its run
    accepted/nightly.yaml.json               which run that is
    rejected/other.yaml                      has none
    rejected/other.yaml.problems.txt         why, and what to write instead

What holds whatever instant the daemon dies at:

- A drop is a name, the instant it was written and its content. Its key names its run, so the same
  drop looked at again asks for the same run again, and Dagster makes one run of one key.
- A file leaves only when its run is there, or when what is wrong with it is written down. First
  comes the note beside its new place, which reserves the name, then the move, then the note says
  that it was moved. A move that was cut short is done again; nothing moves over another drop.
- A file that comes back after its move was noted has been asked for again: it is the next attempt
  and has a key of its own, so it runs again, and reuses what is published. (Should the daemon die
  between a move and its note, the file's next return counts as that move.)
- What the request says is read from the bytes that are kept. A file that was replaced in the very
  moment of its move goes back.
- A file is taken when it has been still for a while, and refused only when it has been so for
  longer: a half-written one may look complete, or wrong. An object appears whole.
"""

import contextlib
import json
import logging
import os
import re
import stat
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import PurePath
from typing import Any, Final

from ml_pipeline.errors import MlPipelineError, ParamsError, StoreUnreachable, told
from ml_pipeline.invocation import typed
from ml_pipeline.launch.drops import BadDrop, Drop, GoodDrop, Look, Memory, StuckDrop
from ml_pipeline.launch.run_request import RequestedRun
from ml_pipeline.runs.stages import Pipeline
from ml_pipeline.settings import settings
from ml_pipeline.store.files import digest_of_bytes
from ml_pipeline.store.objects import Objects

ACCEPTED: Final = "accepted"
REJECTED: Final = "rejected"
MOST_BYTES: Final = 65_536

_PATIENCE: Final = 4
"""How many times as long a file has to be still to be refused as to be taken."""

_MOST_WATCHED: Final = 500
_WORKERS: Final = 8
_USABLE: Final = re.compile(r"\w[\w .,+@=()-]{0,199}")
_UNFINISHED: Final = (".tmp", ".part", ".partial", ".crdownload", ".filepart", ".swp", "~")

log = logging.getLogger(__name__)


class Inbox(Objects):
    """Request files below one root."""

    called = "inbox"
    setting = "ML_PIPELINE_INBOX"

    def look(
        self,
        read: Callable[[bytes, str], RequestedRun],
        memory: Memory,
        settle_s: float,
        most: int,
        now: float | None = None,
    ) -> Look:
        """Read the files that have been waiting longest.

        Args:
            read: makes a run of the bytes and the name of a file, or raises `ParamsError`.
            memory: what the last look left; it is brought up to date.
            settle_s: for how long a file must have been still to be taken, in seconds.
            most: how many files to read.
            now: the time, in seconds since 1970.

        Raises:
            StoreUnreachable: if the inbox cannot be read.
        """
        drops = sorted(
            self._drops(memory, time.time() if now is None else now),
            key=lambda drop: (drop.modified_ns, drop.name),
        )
        still = [drop for drop in drops if drop.still_s >= settle_s]
        unfinished = [drop for drop in drops if drop.still_s < settle_s]
        with ThreadPoolExecutor(_WORKERS) as workers:
            found = list(workers.map(lambda drop: self._read(drop, read), still[:most]))
        good, bad, stuck = [], [], []
        for one in found:
            if isinstance(one, Drop):
                unfinished.append(one)
            elif isinstance(one, StuckDrop):
                stuck.append(one)
            elif one is not None and one.is_unsure and one.drop.still_s < _PATIENCE * settle_s:
                unfinished.append(one.drop)
            elif isinstance(one, GoodDrop):
                good.append(one)
            elif one is not None:
                bad.append(one)
        memory.watched = {
            drop.name: memory.watched[drop.name]
            if memory.watched.get(drop.name, ("",))[0] == drop.stamp
            else (drop.stamp, time.time() if now is None else now)
            for drop in unfinished[:_MOST_WATCHED]
        }
        return Look(good, bad, unfinished, stuck, max(0, len(still) - most))

    def accept(self, settled: Iterable[tuple[GoodDrop, str]]) -> list[StuckDrop]:
        """Move requests away whose runs exist.

        Args:
            settled: requests, each with Dagster's id of its run.

        Returns:
            Those that could not be moved; the next look tries again.
        """

        def move(one: tuple[GoodDrop, str]) -> StuckDrop | None:
            try:
                self._accept(*one)
            except StoreUnreachable as error:
                return StuckDrop(one[0].drop, str(error))
            return None

        with ThreadPoolExecutor(_WORKERS) as workers:
            return [one for one in workers.map(move, settled) if one is not None]

    def reject(self, refused: BadDrop, instead: str) -> str:
        """Move a bad request away and write down why.

        Args:
            refused: the request.
            instead: a request that would be good.

        Returns:
            The path of the file that says why, below the inbox.

        Raises:
            StoreUnreachable: if the inbox cannot be written.
        """
        drop = refused.drop
        content = "" if refused.data is None else digest_of_bytes(refused.data)
        drop_id = drop.identity(content)
        text = _problems_text(refused, drop_id, instead).encode()
        name = drop.name if _USABLE.fullmatch(drop.name) else f"unnamed-{drop_id}"
        for place in _places(name, drop_id):
            beside = f"{REJECTED}/{place}.problems.txt"
            if self.put_if_absent(beside, text) or self.read(beside) == text:
                self._move(drop.name, f"{REJECTED}/{place}", refused.data)
                return beside
        raise StoreUnreachable(
            f"{self.address(REJECTED)} holds other text under the names that are kept for"
            f" {drop.name}. Remove it."
        )

    def _accept(self, asked: GoodDrop, dagster_run_id: str) -> None:
        place, note = self._noted(asked.drop.name, asked.id)
        earlier = list(note.get("earlier", []))
        if note.get("moved"):
            earlier.append(note["dagster_run_id"])
        written = {
            "request": asked.key,
            "dagster_run_id": dagster_run_id,
            "run_ids": {str(day): run_id for day, run_id in asked.run.run_ids.items()},
            "drop": asked.id,
            "attempt": asked.attempt,
            "earlier": earlier,
            "moved": False,
        }
        beside = f"{ACCEPTED}/{place}.json"
        self.overwrite(beside, _json(written))
        self._move(asked.drop.name, f"{ACCEPTED}/{place}", asked.data)
        self.overwrite(beside, _json({**written, "moved": True}))

    def _noted(self, name: str, drop_id: str) -> tuple[str, Mapping[str, Any]]:
        """Return the name that a drop has, or would get, among the accepted, and its note."""
        for place in _places(name, drop_id):
            data = self.read(f"{ACCEPTED}/{place}.json")
            if data is None:
                break
            try:
                note = json.loads(data)
            except ValueError:
                continue
            if isinstance(note, dict) and note.get("drop") == drop_id:
                return place, note
        return place, {}

    def _move(self, name: str, to: str, data: bytes | None) -> None:
        self.rename(name, to)
        if data is None:
            return
        moved = self.read(to)
        if moved == data:
            return
        self.overwrite(to, data)
        if moved is not None:
            for place in _places(name, digest_of_bytes(moved)):
                if self.put_if_absent(place, moved):
                    return

    def _drops(self, memory: Memory, now: float) -> Iterator[Drop]:
        for name, size, modified_ns, is_file in self._files():
            if name.startswith(".") or name.endswith(_UNFINISHED):
                continue
            still_s = float("inf")
            if self.directory is not None:
                drop = Drop(name, size, modified_ns, 0.0)
                stamp, since = memory.watched.get(name, ("", now))
                # Clocks differ: what seems to come from the future is timed by our own.
                still_s = max(
                    0.0, now - modified_ns / 1e9, now - since if stamp == drop.stamp else 0
                )
            yield Drop(name, size, modified_ns, still_s, is_file)

    def _files(self) -> Iterator[tuple[str, int, int, bool]]:
        """Yield name, size, time and kind of everything at the root but folders."""
        if self.directory is None:
            for entry in self.files():
                yield (
                    entry["path"].rpartition("/")[2],
                    entry["size"],
                    round(entry["last_modified"].timestamp() * 1e9),
                    True,
                )
            return
        # The library would follow links, and stumble over one name that it cannot spell.
        with self._reaching("list"):
            for folder in (ACCEPTED, REJECTED):
                if (self.directory / folder).is_symlink():
                    raise StoreUnreachable(
                        f"{self.directory / folder} must be a folder, but is a link: remove it."
                    )
            with os.scandir(self.directory) as found:
                for file in found:
                    if file.is_dir(follow_symlinks=False):
                        continue
                    status = file.stat(follow_symlinks=False)
                    is_file = stat.S_ISREG(status.st_mode)
                    yield file.name, status.st_size, status.st_mtime_ns, is_file

    def _bytes(self, name: str) -> bytes | None:
        """Return what a file holds now, a little more than the most at most; None if it is gone."""
        if self.directory is None:
            return self.read(name)
        # It may have become a link or a pipe since it was listed.
        flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK
        with contextlib.suppress(FileNotFoundError), self._reaching("read"):
            descriptor = os.open(self.directory / name, flags)
            with os.fdopen(descriptor, "rb") as file:
                return file.read(MOST_BYTES + 1)
        return None

    def _read(
        self, drop: Drop, read: Callable[[bytes, str], RequestedRun]
    ) -> GoodDrop | BadDrop | StuckDrop | Drop | None:
        """Read one drop: it comes back bare if it is being written, as None if it is gone."""
        if not drop.is_file:
            problem = "a request must be a plain file, but this is a link or device: copy the file"
            return BadDrop(drop, None, [problem])
        if not _USABLE.fullmatch(drop.name):
            problem = (
                "the name of a request must be of at most 200 letters, digits, spaces and"
                " . , _ + @ = ( ) -, but this one is not: rename it"
            )
            return BadDrop(drop, None, [problem])
        if drop.size > MOST_BYTES:
            problem = f"a request must have at most {MOST_BYTES:,} bytes, but has {drop.size:,}"
            return BadDrop(drop, None, [problem])
        try:
            data = self._bytes(drop.name)
            if data is None:
                return None
            if len(data) != drop.size:
                return drop
            return self._asked(drop, data, read)
        except StoreUnreachable as error:
            return StuckDrop(drop, str(error))

    def _asked(
        self, drop: Drop, data: bytes, read: Callable[[bytes, str], RequestedRun]
    ) -> GoodDrop | BadDrop:
        try:
            run = read(data, drop.name)
        except ParamsError as error:
            return BadDrop(drop, data, error.problems)
        except MlPipelineError:
            # The installation is at fault, and not the file.
            raise
        except Exception as error:
            log.exception("a request made its reader fail: %s", drop.name)
            problem = f"a request must be one that can be read, but this one fails: {told(error)}"
            return BadDrop(drop, data, [problem])
        drop_id = drop.identity(digest_of_bytes(data))
        _, note = self._noted(drop.name, drop_id)
        attempt = int(note.get("attempt", 1)) + bool(note.get("moved"))
        return GoodDrop(drop, data, drop_id, attempt, run)


def inbox_of(pipeline: Pipeline) -> str:
    """Return the directory or URI of a pipeline's request files: its own, where it is prefixed."""
    root = settings().inbox_root
    return f"{root.rstrip('/')}/{pipeline.name}" if pipeline.is_prefixed else root


def _places(name: str, drop_id: str) -> tuple[str, str]:
    """Return the names that a drop may get: its own, and one that no other drop can have."""
    path = PurePath(name)
    return name, f"{path.stem}~{drop_id}{path.suffix}"


def _problems_text(refused: BadDrop, drop_id: str, instead: str) -> str:
    problems = "".join(f"- {problem}\n" for problem in refused.problems)
    return (
        f"{refused.drop.name!r} was not run (drop {drop_id}):\n\n{problems}\n"
        "Correct the file and move it back into the inbox. A request looks like this:\n\n"
        f"{instead}\n"
        f"`{typed('params')}` lists every parameter with its type and bounds.\n"
    )


def _json(document: Mapping[str, Any]) -> bytes:
    return json.dumps(document, indent=2).encode() + b"\n"
