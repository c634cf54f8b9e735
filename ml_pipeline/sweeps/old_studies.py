"""Studies of sweeps that nobody has added to for long: found and deleted, in files or a database.

Nothing published goes with a study: a sweep that is asked for again makes it again from the store.
"""

import contextlib
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Final

from ml_pipeline.store.owner import is_gone, is_here
from ml_pipeline.sweeps.study import is_of_a_sweep, owners
from ml_pipeline.sweeps.study_storage import file_of, held, journal, reaching

if TYPE_CHECKING:
    import optuna

_DAMAGED: Final = ".damaged-"


@dataclass(frozen=True)
class OldStudy:
    """A study that can go.

    Attributes:
        name: its name, or that of a file which was put aside as damaged.
        bytes: size of its file; 0 in a database.
    """

    name: str
    bytes: int


def old_studies(storage: str, older_than: timedelta) -> list[OldStudy]:
    """Find the studies that did not change for some time, but for those that a sweep works on.

    Args:
        storage: a directory for study files, or the URL of a database.
        older_than: time since the last change.

    Raises:
        StoreUnreachable: if the storage cannot be read.
    """
    before = time.time() - older_than.total_seconds()
    with reaching(storage):
        if file_of("", storage) is None:
            return [OldStudy(name, 0) for name in _names(storage) if _is_old(name, storage, before)]
        folder = Path(storage).expanduser()
        found = [path for path in folder.glob("*") if path.is_file()] if folder.is_dir() else []
        return [
            OldStudy(path.name, path.stat().st_size)
            for path in sorted(found)
            if path.stat().st_mtime < before
            and (_DAMAGED in path.suffix or (path.suffix == ".log" and _is_left(path)))
        ]


def delete(storage: str, studies: Sequence[OldStudy], older_than: timedelta) -> Iterator[OldStudy]:
    """Delete studies, but those that have changed since, yielding each as it is gone.

    Raises:
        StoreUnreachable: if the storage cannot be written.
    """
    before = time.time() - older_than.total_seconds()
    for one in studies:
        with reaching(storage):
            if file_of("", storage) is None:
                gone = _deleted(one.name, storage, before)
            else:
                gone = _removed(Path(storage).expanduser() / one.name, before)
        if gone:
            yield one


def _removed(path: Path, before: float) -> bool:
    lock = path.with_suffix(".lock")
    with contextlib.suppress(FileNotFoundError), held(lock):
        if path.stat().st_mtime >= before:
            return False
        path.unlink()
        if _DAMAGED not in path.suffix:
            lock.unlink(missing_ok=True)
        return True
    return False


def _deleted(name: str, storage: str, before: float) -> bool:
    import optuna

    if not _is_old(name, storage, before):
        return False
    with contextlib.suppress(KeyError):
        optuna.delete_study(study_name=name, storage=storage)
        return True
    return False


def _names(storage: str) -> list[str]:
    import optuna

    optuna.logging.set_verbosity(optuna.logging.ERROR)
    return sorted(optuna.get_all_study_names(storage))


def _is_old(name: str, storage: str, before: float) -> bool:
    import optuna

    try:
        study = optuna.load_study(study_name=name, storage=storage)
    except KeyError:  # somebody else has deleted it
        return False
    trials = study.get_trials(deepcopy=False)
    times = [time for trial in trials for time in (trial.datetime_start, trial.datetime_complete)]
    # One without any trial has no time, and nothing in it that somebody could miss, or about to be.
    latest = max((time for time in times if time is not None), default=None)
    return latest is not None and _moment(latest) < before and _nobody_works_on(study)


def _moment(time: datetime) -> float:
    return time.timestamp()


def _is_left(path: Path) -> bool:
    """Whether a file is a study of ours that nobody works on."""
    import optuna

    optuna.logging.set_verbosity(optuna.logging.ERROR)
    try:
        study = optuna.load_study(study_name=path.stem, storage=journal(path))
    except (ValueError, LookupError, TypeError, AttributeError, AssertionError):
        return False  # no study, or damaged: the next sweep on it puts it aside
    return _nobody_works_on(study)


def _nobody_works_on(study: "optuna.Study") -> bool:
    alive = any(is_here(owner) and not is_gone(owner) for owner in owners(study))
    return is_of_a_sweep(study) and not alive
