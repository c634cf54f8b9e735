"""A local folder compared with what is known of it, in one of two ways.

A folder gets another time once a name in it comes or goes, whoever does that; and the folder that a
run is in gets one too when the toolkit publishes or removes a revision of the run. So `changed`
looks at the folders above runs alone, and `within` into those that are not as they were. `whole`
looks at every record's file, some 10 us each: it finds besides what was done by hand to what stands
in the folder of a run.
"""

import contextlib
import os
import stat
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Final

from ml_pipeline.ages import SETTLED_S
from ml_pipeline.errors import StoreUnreachable
from ml_pipeline.index.comparison import Folder, Found, beside, gone
from ml_pipeline.params.identity import ID_DIGITS
from ml_pipeline.store.artifacts import RECORD, ArtifactStore

_RUN: Final = "run="
_MOST_CHANGED: Final = 1000
_RECENT_NS: Final = round(SETTLED_S * 1e9)


@contextlib.contextmanager
def readable(store: ArtifactStore) -> Iterator[None]:
    """Turn what the system says of a folder that cannot be read into one error."""
    try:
        yield
    except OSError as error:
        raise StoreUnreachable(
            f"The {store.called} {store.uri} must be readable, but is not: {error}. Make it"
            f" readable, or set {store.set_by}."
        ) from error


def whole(root: Path, top: str, known: Iterable[Found], now: int) -> Iterator[Found | Folder]:
    """Yield what is not as it was known, and every folder above runs.

    Args:
        root: the store's root.
        top: directory of an asset.
        known: what was found before, in the order of the bytes of paths.
        now: the time, in ns since 1970.
    """
    seen: list[Folder] = []
    for run, before in beside(known, _runs(f"{root}/", top, now, seen)):
        if run is None:
            yield from gone(one.path for one in before)
        else:
            yield from _revisions(f"{root}/", *run, before, now)
        yield from seen
        seen.clear()
    yield from seen


def changed(root: Path, remembered: Iterable[Folder], now: int) -> list[str] | None:
    """Return the folders that are not as they were; None for so many that all are to be compared.

    Args:
        root: the store's root.
        remembered: all folders above runs, and those of runs that had not come to rest.
        now: the time, in ns since 1970.
    """
    found = []
    for folder in remembered:
        if not folder.stamp or folder.stamp != _rested(f"{root}/{folder.path}", now):
            found.append(folder.path)
            if len(found) > _MOST_CHANGED:
                return None
    return found


def within(
    root: Path,
    top: str,
    folders: Collection[str],
    known: Callable[[str], Iterable[Found]],
    remembered: Callable[[Sequence[str]], Collection[str]],
    now: int,
) -> Iterator[Found | Folder]:
    """Yield what is not as it was known in folders that have changed, and these.

    What is in a folder comes before the folder: whoever has written down the one may trust the
    other.

    Args:
        root: the store's root.
        top: directory of the asset.
        folders: what has changed: folders above runs, and those of runs.
        known: yields what was found before, below paths that begin so, in the order of their bytes.
        remembered: tells which of some folders are known.
        now: the time, in ns since 1970.
    """
    below = f"{root}/"
    runs = {one for one in folders if _is_run(f"{below}{one}", one.rpartition("/")[2])}
    for run in runs:
        yield Folder(run, None)
        if run.rpartition("/")[0] not in folders:
            before = list(known(f"{run}/"))
            at = _changed_at(_stat(f"{below}{run}"))
            yield from _revisions(below, run, at, before, now)
    waiting = [one for one in folders if one not in runs]
    while waiting:
        folder = waiting.pop()
        is_there = _stat(f"{below}{folder}") is not None
        stamp = _rested(f"{below}{folder}", now)
        direct = (
            one for one in known(f"{folder}/{_RUN}") if one.path.rpartition(f"/{_RUN}")[0] == folder
        )
        inside = list(_inside(below, folder))
        there = [(path, at) for path, is_run in inside if is_run and (at := _at(below, path))]
        for found, before in beside(direct, there):
            if found is None:
                yield from gone(one.path for one in before)
            else:
                yield from _revisions(below, *found, before, now)
        inner = [path for path, is_run in inside if not is_run and _is_folder(f"{below}{path}")]
        waiting += {*inner} - {*remembered(inner)}
        is_forgotten = not is_there and folder != top and folder.rpartition("/")[0] in folders
        yield Folder(folder, None if is_forgotten else stamp)


def stamp_at(root: Path, directory: str) -> str:
    """Return the stamp of the record in a directory; empty where there is none."""
    file = _stat(f"{root}/{directory}/{RECORD}")
    return "" if file is None else _stamp(file)


def _runs(root: str, folder: str, now: int, seen: list[Folder]) -> Iterator[tuple[str, int]]:
    """Yield the folders of runs below one with their times, in the order of the bytes of paths."""
    stamp = _rested(f"{root}{folder}", now)
    for path, is_run in _inside(root, folder):
        if not is_run:
            if _is_folder(f"{root}{path}"):
                yield from _runs(root, path, now, seen)
        elif at := _at(root, path):
            yield path, at
    seen.append(Folder(folder, stamp))


def _inside(root: str, folder: str) -> Iterator[tuple[str, bool]]:
    """Yield what is in a folder above runs, in the order of the bytes, and whether it is a run."""
    for name in sorted(_names(f"{root}{folder}"), key=lambda name: f"{name}/"):
        path = f"{folder}/{name}"
        if name.startswith(_RUN) and _is_run(f"{root}{path}", name):
            yield path, True
        elif not name.startswith(("rev=", ".")):
            yield path, False


def _is_run(folder: str, name: str) -> bool:
    """Whether a folder holds revisions, and is not a label of that name."""
    if not name.startswith(_RUN):
        return False
    is_usual = len(name) == len(_RUN) + ID_DIGITS
    return is_usual or any(one.startswith("rev=") for one in _names(folder))


def _revisions(
    root: str, run: str, at: int, before: Sequence[Found], now: int
) -> Iterator[Found | Folder]:
    stamps = {one.path: one.stamp for one in before}
    is_listed = bool(before) and all(one.folder_stamp == at for one in before)
    if is_listed:
        paths = list(stamps)
    else:
        paths = [f"{run}/{name}" for name in _names(f"{root}{run}") if name.startswith("rev=")]
    files = {path: _stat(f"{root}{path}/{RECORD}") for path in paths}
    found = {path: _stamp(file) for path, file in files.items() if file is not None}
    yield from gone(path for path in stamps if path not in found)
    # A record may be about to appear, or have done so within the same tick of the clock.
    is_still = bool(found) and len(found) == len(files) and at < now - _RECENT_NS
    for path, stamp in found.items():
        if stamps.get(path) != stamp or (is_still and not is_listed):
            yield Found(path, stamp, at if is_still else 0)
    if not is_still and at:
        yield Folder(run, "")


def _rested(folder: str, now: int) -> str:
    """Return the stamp of a folder; empty if it is none, or has changed a moment ago.

    Of two changes within a tick of the clock, the second gives it no other time.
    """
    found = _stat(folder)
    if found is None or not stat.S_ISDIR(found.st_mode) or _changed_at(found) >= now - _RECENT_NS:
        return ""
    # The time of change of its state cannot be set back, as copying and restoring does the other.
    return f"{found.st_mtime_ns:x}-{found.st_ctime_ns:x}-{found.st_ino:x}"


def _at(root: str, path: str) -> int:
    return _changed_at(_stat(f"{root}{path}"))


def _changed_at(found: os.stat_result | None) -> int:
    """Return when a folder has changed, in ns since 1970; 0 if it is gone."""
    return 0 if found is None else max(found.st_mtime_ns, found.st_ctime_ns)


def _is_folder(path: str) -> bool:
    found = _stat(path)
    return found is not None and stat.S_ISDIR(found.st_mode)


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
