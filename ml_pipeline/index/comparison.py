"""What of a store an index lacks, and what it has that is gone: by names, without reading a record.

Every record's file has a stamp, which is another once it was written anew. On a local disk that is
its time of change, its size and its number, and a folder of a run whose own time has not changed
since it was last listed is not listed again: that takes 5 us a record. An object store tells stamps
with the names, a thousand a request; dates are listed at the same time.
"""

import itertools
import os
import time
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any, Final, NamedTuple, TypeVar

from ml_pipeline.errors import StoreUnreachable
from ml_pipeline.params.identity import ID_DIGITS
from ml_pipeline.store.artifacts import RECORD, ArtifactStore
from ml_pipeline.store.slots import asset_directory, revision_of

_RUN: Final = "run="
_LISTERS: Final = 16
_MOST_LEVELS: Final = 4
# Clocks of file systems tick some hundred times a second, those of network ones may be off.
_RECENT_NS: Final = 2_000_000_000

_Told = TypeVar("_Told")
_Item = TypeVar("_Item")


class Found(NamedTuple):
    """A record's directory as it was found.

    Attributes:
        path: below the store's root.
        stamp: of the record's file; empty where that is gone.
        folder_stamp: of the folder that the revisions are in; 0 where that tells nothing.
    """

    path: str
    stamp: str
    folder_stamp: int = 0


def differing(store: ArtifactStore, asset: str, known: Iterable[Found]) -> Iterator[Found]:
    """Yield what is not as it was known: new, written anew, or gone, which has no stamp.

    Args:
        store: where to look.
        asset: name of the asset.
        known: what was found before, in the order of the bytes of paths.

    Raises:
        StoreUnreachable: if the store cannot be listed.
    """
    top = asset_directory(asset)
    if store.directory is None:
        yield from _differing_remotely(store, top, known)
        return
    try:
        yield from _differing_here(store.directory, top, known)
    except OSError as error:
        raise StoreUnreachable(
            f"The {store.called} {store.uri} must be readable, but is not: {error}. Make it"
            f" readable, or set {store.set_by}."
        ) from error


def _beside(
    known: Iterable[Found], folders: Iterable[tuple[str, _Told]]
) -> Iterator[tuple[tuple[str, _Told] | None, list[Found]]]:
    """Bring folders together with what was known below each; None stands for those not there.

    Args:
        known: in the order of the bytes of paths.
        folders: those that are there, with anything that is told of them, in the same order.
    """
    waiting = iter(known)
    one = next(waiting, None)
    for folder in folders:
        start = f"{folder[0]}/"
        while one is not None and one.path < start:
            yield None, [one]
            one = next(waiting, None)
        below = []
        while one is not None and one.path.startswith(start):
            below.append(one)
            one = next(waiting, None)
        yield folder, below
    while one is not None:
        yield None, [one]
        one = next(waiting, None)


def _differing_here(root: Path, top: str, known: Iterable[Found]) -> Iterator[Found]:
    now = time.time_ns()
    for run, before in _beside(known, _runs(f"{root}/", top)):
        if run is None:
            yield from _gone(one.path for one in before)
        else:
            yield from _revisions(f"{root}/", *run, before, now)


def _runs(root: str, folder: str) -> Iterator[tuple[str, int]]:
    """Yield the folders of runs below one with their times, in the order of the bytes of paths."""
    for name in sorted(_names(f"{root}{folder}"), key=lambda name: f"{name}/"):
        path = f"{folder}/{name}"
        if name.startswith(_RUN) and _is_run(f"{root}{path}", name):
            if (found := _stat(f"{root}{path}")) is not None:
                yield path, found.st_mtime_ns
        elif not name.startswith(("rev=", ".")):
            yield from _runs(root, path)


def _is_run(folder: str, name: str) -> bool:
    """Whether a folder holds revisions, and is not a label of that name."""
    is_usual = len(name) == len(_RUN) + ID_DIGITS
    return is_usual or any(one.startswith("rev=") for one in _names(folder))


def _revisions(
    root: str, run: str, changed: int, before: Sequence[Found], now: int
) -> Iterator[Found]:
    stamps = {one.path: one.stamp for one in before}
    is_listed = bool(before) and all(one.folder_stamp == changed for one in before)
    if is_listed:
        paths = list(stamps)
    else:
        paths = [f"{run}/{name}" for name in _names(f"{root}{run}") if name.startswith("rev=")]
    files = {path: _stat(f"{root}{path}/{RECORD}") for path in paths}
    found = {path: _stamp(file) for path, file in files.items() if file is not None}
    yield from _gone(path for path in stamps if path not in found)
    # A record may be about to appear, or have done so within the same tick of the clock.
    is_still = len(found) == len(files) and changed < now - _RECENT_NS
    for path, stamp in found.items():
        if stamps.get(path) != stamp or (is_still and not is_listed):
            yield Found(path, stamp, changed if is_still else 0)


def _names(folder: str) -> list[str]:
    try:
        return os.listdir(folder)  # noqa: PTH208 - names alone
    except (FileNotFoundError, NotADirectoryError):
        return []


def _stat(path: str) -> os.stat_result | None:
    try:
        return os.stat(path)  # noqa: PTH116 - a Path takes ten times as long
    except (FileNotFoundError, NotADirectoryError):
        return None


def _stamp(file: os.stat_result) -> str:
    return f"{file.st_mtime_ns:x}-{file.st_size:x}-{file.st_ino:x}"


def stamp_of(entry: Any) -> str:
    """Return the stamp of an object that was listed."""
    return str(entry["e_tag"] or f"{entry['last_modified'].isoformat()}-{entry['size']}")


def _gone(paths: Iterable[str]) -> Iterator[Found]:
    return (Found(path, "") for path in paths)


def _differing_remotely(store: ArtifactStore, top: str, known: Iterable[Found]) -> Iterator[Found]:
    shelves = sorted(_shelves(store, top), key=lambda shelf: f"{shelf}/")
    with ThreadPoolExecutor(_LISTERS) as listers:
        listed: deque[Future[dict[str, str]]] = deque()
        waiting = iter(shelves)

        def ahead() -> Iterator[tuple[str, dict[str, str]]]:
            """Yield shelves with their records, while some of the next are being listed."""
            for shelf in shelves:
                while len(listed) <= _LISTERS and (more := next(waiting, None)) is not None:
                    listed.append(listers.submit(_records, store, more))
                yield shelf, listed.popleft().result()

        for shelf, before in _beside(known, ahead()):
            records = shelf[1] if shelf is not None else {}
            stamps = {one.path: one.stamp for one in before}
            yield from _gone(path for path in stamps if path not in records)
            for path, stamp in records.items():
                if stamps.get(path) != stamp:
                    yield Found(path, stamp)


def _shelves(store: ArtifactStore, top: str) -> list[str]:
    """Return prefixes that can be listed at the same time: those of dates, where there are any."""
    shelves = [top]
    for _ in range(_MOST_LEVELS):
        levels = {shelf: store.children(shelf) for shelf in shelves}
        names = [name for found in levels.values() for name in found]
        if not names or any(name.startswith(_RUN) for name in names):
            break
        shelves = [f"{shelf}/{name}" for shelf, found in levels.items() for name in found]
        if any(name.startswith("as_of=") for name in names):
            break
    return shelves


def _records(store: ArtifactStore, shelf: str) -> dict[str, str]:
    found = {}
    for entry in store.entries(shelf):
        directory = revision_of(entry["path"])
        if entry["path"] == f"{directory}/{RECORD}":
            found[directory] = stamp_of(entry)
    return found


def batches(items: Iterable[_Item], size: int) -> Iterator[list[_Item]]:
    """Yield items, so many at a time."""
    waiting = iter(items)
    while some := list(itertools.islice(waiting, size)):
        yield some
