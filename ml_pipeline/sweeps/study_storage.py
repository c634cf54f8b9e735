"""Where studies are kept: a file for each, or a database."""

import contextlib
import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from ml_pipeline.addresses import masked, refusal
from ml_pipeline.errors import StoreUnreachable

if TYPE_CHECKING:
    import optuna
    from optuna.storages.journal import JournalFileOpenLock


def exists(name: str, storage: str) -> bool:
    """Whether there is a study of that name.

    Args:
        name: the study's name.
        storage: a directory for study files, or the URL of a database.

    Raises:
        StoreUnreachable: if the storage cannot be read.
    """
    file = file_of(name, storage)
    if file is not None:
        return file.exists()
    import optuna

    with reaching(storage):
        return name in optuna.get_all_study_names(storage)


def file_of(name: str, storage: str) -> Path | None:
    """Return a study's file, or None where studies are in a database.

    Raises:
        StoreUnreachable: if the address carries credentials.
    """
    if (problem := refusal(storage)) is not None:
        raise StoreUnreachable(f"The address of the studies {problem}: ML_PIPELINE_STUDIES.")
    return None if "://" in storage else Path(storage).expanduser() / f"{name}.log"


def journal(file: Path) -> "optuna.storages.JournalStorage":
    """Open a study file.

    Raises:
        ValueError: if it is damaged.
    """
    from optuna.storages import JournalStorage
    from optuna.storages.journal import JournalFileBackend

    file.parent.mkdir(parents=True, exist_ok=True)
    if file.exists() and _is_cut_off(file):
        raise ValueError("its last line is cut off")
    return JournalStorage(JournalFileBackend(str(file), _lock(file.with_suffix(".lock"))))


def _lock(file: Path) -> "JournalFileOpenLock | None":
    """Return a lock that ends with its process, however that ends; None where there is none.

    Optuna's own would stand for half a minute after a sweep that was killed.
    """
    try:
        import fcntl
    except ImportError:
        return None
    from optuna.storages.journal import JournalFileOpenLock

    class Lock(JournalFileOpenLock):
        def acquire(self) -> bool:
            self._held = file.open("ab")
            fcntl.flock(self._held, fcntl.LOCK_EX)
            return True

        def release(self) -> None:
            self._held.close()

    return Lock(str(file))


@contextlib.contextmanager
def held(file: Path) -> Iterator[None]:
    """Hold the lock of a study file, so that nobody writes to it meanwhile."""
    lock = _lock(file)
    if lock is not None:
        lock.acquire()
    try:
        yield
    finally:
        if lock is not None:
            lock.release()


def _is_cut_off(file: Path) -> bool:
    """Whether a file ends within a line, and nobody is about to complete it."""
    for _ in range(5):
        with file.open("rb") as lines:
            size = lines.seek(0, os.SEEK_END)
            lines.seek(max(0, size - 1))
            if lines.read() in (b"", b"\n"):
                return False
        time.sleep(0.05)
    return True


@contextlib.contextmanager
def reaching(storage: str) -> Iterator[None]:
    """Turn what libraries say of a storage that cannot be used into one error."""
    failures: tuple[type[Exception], ...] = (OSError,)
    if "://" in storage:
        from optuna.exceptions import OptunaError
        from sqlalchemy.exc import SQLAlchemyError

        failures = (OSError, ImportError, OptunaError, SQLAlchemyError)
    try:
        yield
    except failures as error:
        said = masked(str(error).partition("\n")[0])
        raise StoreUnreachable(
            f"The studies must be readable and writable in {storage}, but are not: {said}."
            " ML_PIPELINE_STUDIES, or else studies of the code location, names another place."
        ) from error
