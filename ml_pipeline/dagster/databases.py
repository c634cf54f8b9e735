"""The databases of a Dagster instance: made whole or not at all, and what is wrong with them.

Dagster makes each where it is to be, with migrations that two processes at a time leave with two
heads, and that a kill leaves half done. So they are made in a folder aside, by one process while
the others wait, and move to their places one by one: a database that is there is whole.
"""

import contextlib
import shutil
import sqlite3
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

import dagster as dg
import filelock

from ml_pipeline.dagster.private import known_revisions
from ml_pipeline.errors import SettingsError

DATABASES: Final = ("history/runs.db", "history/runs/index.db", "schedules/schedules.db")
"""Where Dagster keeps what it knows, below the folder of an instance that is configured no other
way. Every run has one more, for its events, which only it writes."""

_STORAGES: Final = ("storage", "run_storage", "event_log_storage", "schedule_storage")
_LOCK: Final = ".making.lock"
_SCRATCH: Final = ".making-"
_LONGEST_MAKING_S: Final = 120.0
_LONGEST_LOCK_S: Final = 15.0
_MAGIC: Final = b"SQLite format 3\0"
_REMEDY: Final = (
    "Move it away, with -wal and -shm beside it: a new one is made, and nothing but the history in"
    " it is lost. Artifacts and their records are elsewhere."
)


def make_databases(folder: Path, configuration: Callable[[], Mapping[str, Any]]) -> None:
    """Make those databases of an instance that are not there.

    Args:
        folder: where the instance is.
        configuration: returns what it is configured with: where that names other databases,
            Dagster makes those itself.

    Raises:
        SettingsError: if another process is making them and does not come to an end.
    """
    if not _lacking(folder) or any(name in configuration() for name in _STORAGES):
        return
    try:
        with filelock.FileLock(folder / _LOCK, timeout=_LONGEST_MAKING_S):
            # Who was killed while it held the lock has left its scratch.
            for left in folder.glob(f"{_SCRATCH}*"):
                shutil.rmtree(left, ignore_errors=True)
            if lacking := _lacking(folder):
                _make(folder, lacking)
    except filelock.Timeout as error:
        raise SettingsError(
            "The databases of a new Dagster instance must be made within"
            f" {_LONGEST_MAKING_S:.0f} s, but another process holds {folder / _LOCK} for longer."
            " End it, and try again."
        ) from error


def _lacking(folder: Path) -> list[str]:
    return [name for name in DATABASES if not (folder / name).exists()]


def _make(folder: Path, lacking: list[str]) -> None:
    with tempfile.TemporaryDirectory(prefix=_SCRATCH, dir=folder) as scratch:
        made = Path(scratch)
        (made / "dagster.yaml").write_text("telemetry:\n  enabled: false\n")
        with dg.DagsterInstance.from_config(scratch) as instance:
            # The storages make their databases when they are first asked for.
            for storage in ("run_storage", "event_log_storage", "schedule_storage"):
                getattr(instance, storage)
        for name in lacking:
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (made / name).rename(folder / name)


def check_databases(folder: Path) -> None:
    """Look whether the databases of an instance can be used; those that are not there can.

    Raises:
        SettingsError: naming the first that cannot, and what to do about it.
    """
    for name in DATABASES:
        file = folder / name
        if file.exists() and (fault := _fault(file)) is not None:
            raise SettingsError(fault)


def _fault(file: Path) -> str | None:
    try:
        with file.open("rb") as opened:
            head = opened.read(len(_MAGIC))
        if head != _MAGIC:
            found = "is empty" if not head else "is none"
            return f"{file} must be a database of Dagster's, but {found}. {_REMEDY}"
        with contextlib.closing(_opened(file)) as database:
            # Only who may write can tell that nobody else keeps everybody from it.
            database.execute("BEGIN IMMEDIATE")
            if _is_cut_off(file, database):
                return f"{file} must be a whole database, but its end is missing. {_REMEDY}"
            revisions = [row[0] for row in database.execute("SELECT * FROM alembic_version")]
            database.rollback()
    except sqlite3.DatabaseError as error:
        return _told(file, error)
    except OSError as error:
        return f"{file} must be readable, but is not: {error.strerror}. Change who may read it."
    if unknown := sorted({*revisions} - known_revisions()):
        return (
            f"{file} must be of this Dagster, {dg.__version__}, or of an older one, but has the"
            f" revision {', '.join(unknown)}, which only a newer one knows. Install that, or:"
            f" {_REMEDY[0].lower()}{_REMEDY[1:]}"
        )
    if len(revisions) != 1:
        found = " and ".join(sorted(revisions)) or "none"
        return f"{file} must have one revision, but has {found}. {_REMEDY}"
    return None


def _opened(file: Path) -> sqlite3.Connection:
    return sqlite3.connect(
        f"{file.absolute().as_uri()}?mode=rw",
        uri=True,
        timeout=_LONGEST_LOCK_S,
        isolation_level=None,
    )


def _is_cut_off(file: Path, database: sqlite3.Connection) -> bool:
    """Whether a database is shorter than it says; to be asked while nobody else writes to it."""
    ((pages,),) = database.execute("PRAGMA page_count")
    ((size,),) = database.execute("PRAGMA page_size")
    if pages * size <= file.stat().st_size:
        return False
    # The rest may be in the log that is beside it.
    ((said,),) = database.execute("PRAGMA quick_check(1)")
    return bool(said != "ok")


def _told(file: Path, error: sqlite3.DatabaseError) -> str:
    if error.sqlite_errorcode in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
        return (
            f"{file} must be free to be written, but another process has kept it locked for"
            f" {_LONGEST_LOCK_S:.0f} s. End that process (`fuser {file}` names it)."
        )
    if isinstance(error, sqlite3.OperationalError) and "no such table" not in str(error):
        return (
            f"{file} must be a file that can be written, but is not: {error}. Change who may write"
            " to it and to its folder, or make room on the disk."
        )
    return f"{file} must be a database of Dagster's, but is damaged: {error}. {_REMEDY}"
