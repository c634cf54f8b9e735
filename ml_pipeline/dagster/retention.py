"""What an environment need not keep any longer, of its store, the instance, studies and logs.

Each policy finds what is old and spares what is promoted, referenced or running; what was found is
looked at again in the moment in which it goes.
"""

import contextlib
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from pathlib import Path

import dagster as dg

from ml_pipeline.dagster import old_runs
from ml_pipeline.dagster.location import Location
from ml_pipeline.environments import Environment
from ml_pipeline.index.removal import Expiry, removable
from ml_pipeline.retention import Retention
from ml_pipeline.settings import Settings
from ml_pipeline.store.artifacts import ArtifactStore
from ml_pipeline.store.housekeeping import Removable, remove
from ml_pipeline.sweeps import old_studies


@dataclass(frozen=True)
class Due:
    """Something that need not be kept any longer.

    Attributes:
        name: what it is: a path below the store's root, Dagster's id of a run, or a file's name.
        why: why it can go.
        bytes: how much it holds, as far as that can be seen from here.
    """

    name: str
    why: str
    bytes: int


@dataclass(frozen=True)
class Policy:
    """What one part of the retention of an environment came to.

    Attributes:
        lines: the lines of the settings, with their values.
        due: what it lets go.
        remove: removes that, and yields what has gone; what is needed again by then stays.
    """

    lines: str
    due: tuple[Due, ...]
    remove: Callable[[], Iterator[Due]]


def due(
    location: Location, environment: str | None, instance: dg.DagsterInstance, settings: Settings
) -> Iterator[Policy]:
    """Yield what the policies of an environment let go; nothing is removed.

    Args:
        location: the code location.
        environment: whose; this deployment's own if None. What commands have printed is its alone.
        instance: where runs are.
        settings: of this installation.

    Raises:
        ArtifactDamaged: if it cannot be told what is promoted.
        StoreUnreachable: if the store or the studies cannot be read.
    """
    known = settings.environments
    here = known.named(environment)
    is_default = here.name == (known.default or "")
    keeps = Retention.model_validate(here.retention)
    lines = _Lines(here)
    if keeps.artifacts is not None or keeps.revisions is not None:
        store = location.store_in(environment)
        yield _of_store(location, store, instance, keeps, lines)
    if keeps.dagster_runs is not None:
        yield _of_runs(
            instance, keeps.dagster_runs, here.name, is_default, keeps.keep_latest, lines
        )
    if keeps.studies is not None:
        yield _of_studies(location.studies(here), keeps.studies, lines)
    if keeps.logs is not None and is_default:
        yield _of_logs(settings.logs_directory, keeps.logs, lines)


@dataclass(frozen=True)
class _Lines:
    """The lines of a table as a person wrote them."""

    environment: Environment

    def __call__(self, *names: str) -> str:
        written: Mapping[str, object] = self.environment.retention
        return ", ".join(f"{name} {written[name]}" for name in names if name in written)


def _of_store(
    location: Location,
    store: ArtifactStore,
    instance: dg.DagsterInstance,
    keeps: Retention,
    lines: _Lines,
) -> Policy:
    pipeline = location.pipeline
    codes = {name: stage.code for name, stage in pipeline.stages.items()}
    expiry = Expiry(keeps.artifacts, keeps.keep_newest or 0) if keeps.artifacts else None
    items = removable(
        store,
        keeps.revisions,
        keeps.keep_former,
        codes,
        expiry,
        old_runs.being_read(instance, store),
    )

    def removed() -> Iterator[Due]:
        for item in remove(store, items, keeps.keep_former):
            yield _artifact(item)

    said = lines("artifacts", "keep_newest", "revisions", "keep_former")
    return Policy(said, tuple(map(_artifact, items)), removed)


def _artifact(item: Removable) -> Due:
    return Due(item.path, item.why, item.bytes)


def _of_runs(
    instance: dg.DagsterInstance,
    age: timedelta,
    environment: str,
    is_default: bool,
    keep_latest: bool,
    lines: _Lines,
) -> Policy:
    found = old_runs.old_runs(instance, age, environment, is_default, keep_latest)

    def told(run: old_runs.OldRun) -> Due:
        return Due(run.dagster_run_id, f"a run of {run.job} that has ended", run.bytes)

    return Policy(
        lines("dagster_runs", "keep_latest"),
        tuple(map(told, found)),
        lambda: map(told, old_runs.delete(instance, found)),
    )


def _of_studies(storage: str, age: timedelta, lines: _Lines) -> Policy:
    found = old_studies.old_studies(storage, age)

    def told(study: old_studies.OldStudy) -> Due:
        return Due(study.name, "a study that no sweep has added to", study.bytes)

    return Policy(
        lines("studies"),
        tuple(map(told, found)),
        lambda: map(told, old_studies.delete(storage, found, age)),
    )


def _of_logs(folder: Path, age: timedelta, lines: _Lines) -> Policy:
    before = time.time() - age.total_seconds()
    files = [file for file in sorted(folder.rglob("*")) if file.is_file()]
    found = [(file, _log(folder, file)) for file in files if file.stat().st_mtime < before]
    return Policy(
        lines("logs"), tuple(one for _, one in found), partial(_without_logs, found, before)
    )


def _log(folder: Path, file: Path) -> Due:
    name = file.relative_to(folder).as_posix()
    return Due(name, "what a command has printed", file.stat().st_size)


def _without_logs(found: list[tuple[Path, Due]], before: float) -> Iterator[Due]:
    for file, one in found:
        with contextlib.suppress(FileNotFoundError):
            if file.stat().st_mtime < before:
                file.unlink()
                yield one
