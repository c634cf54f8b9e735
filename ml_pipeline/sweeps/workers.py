"""Worker processes as the sweep sees them: started where their imports are done, given tasks.

Workers are forked from a server that has imported the pipeline once, so one that was killed is
replaced in milliseconds.
"""

import contextlib
import multiprocessing
import os
import signal
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final

from ml_pipeline.cores import cores
from ml_pipeline.errors import PipelineError
from ml_pipeline.params.as_of import AsOf
from ml_pipeline.runs.earlier import published
from ml_pipeline.runs.host import Host
from ml_pipeline.runs.keys import KnownKeys, Meaning
from ml_pipeline.runs.stages import Pipeline
from ml_pipeline.settings import settings
from ml_pipeline.store.artifacts import ArtifactStore
from ml_pipeline.store.record import Provenance
from ml_pipeline.sweeps.processes import Processes
from ml_pipeline.sweeps.tasks import THREAD_VARIABLES, Answer, Machines, Site
from ml_pipeline.sweeps.worker import serve

if TYPE_CHECKING:
    from multiprocessing.context import BaseContext

_HAS_SERVER: Final = "forkserver" in multiprocessing.get_all_start_methods()


def site_of(
    pipeline: Pipeline,
    store: ArtifactStore,
    provenance: Provenance,
    output: Path | None,
    threads: int,
    memory_mb: int | None,
    host: Host,
    dates: Iterable[AsOf | None],
) -> Site:
    """Describe a pipeline and a store so that another process finds them.

    Raises:
        PipelineError: if the pipeline is no module's attribute, or the store in memory.
    """
    if store.uri.lower().startswith("memory:"):
        raise PipelineError(
            f"The store of a sweep must be where other processes reach it, but is in memory"
            f" ({store.uri}). Set {store.set_by} to a directory or a bucket."
        )
    holder, attribute = _place_of(pipeline.declared)
    modules = list(dict.fromkeys([holder, *_modules_of(pipeline)]))
    codes = {stage.name: stage.code for stage in pipeline.stages.values()}
    reads = {one.environment: one.root for one in store.fallbacks}
    return Site(
        modules,
        attribute,
        codes,
        store.uri,
        store.environment,
        reads,
        provenance,
        output,
        threads,
        memory_mb,
        host,
        KnownKeys(meanings(pipeline, store, dates)),
    )


def meanings(
    pipeline: Pipeline, store: ArtifactStore, dates: Iterable[AsOf | None]
) -> dict[AsOf, Meaning]:
    """Return what the keys stand for that workers meet.

    Args:
        pipeline: the stages, with their partitions.
        store: where earlier artifacts are, which they may compare with.
        dates: which partitions are computed.
    """
    known = {day: pipeline.keys.meaning(day) for day in dates if day is not None}
    if not any(isinstance(day, str) for day in known):
        return known  # dates say for themselves which are earlier
    for stage in pipeline.stages.values():
        asked = any(check.blocking and check.signature.provided for check in stage.checks)
        looked_at = {*stage.signature.earlier.values(), *([stage.name] if asked else [])}
        for name in looked_at:
            for day in published(store, name):
                with contextlib.suppress(PipelineError):  # of partitions that the pipeline had
                    known.setdefault(day, pipeline.keys.meaning(day))
    return known


class LocalWorkers(Processes[Answer]):
    """Worker processes of this machine for one site."""

    def __init__(self, site: Site, count: int) -> None:
        """Start so many; the first task waits until one is ready."""
        super().__init__(count, _context(site.modules), serve, site)


class _LocalMachine:
    """This machine, with a worker for each core."""

    def seats(self) -> int:
        return cores()

    def workers(self, site: Site, count: int, notice: Callable[[str], None]) -> LocalWorkers:
        return LocalWorkers(site, count)


LOCAL: Final[Machines] = _LocalMachine()


def configured_machines() -> Machines:
    """Return what computes sweeps in this installation."""
    if not settings().scheduler:
        return LOCAL
    from ml_pipeline.sweeps.dask_workers import DaskCluster

    return DaskCluster(settings().scheduler)


def warm_up(pipeline: Pipeline) -> None:
    """Let the server that workers are forked from import the pipeline, while the caller goes on."""
    _context(_modules_of(pipeline))


def _modules_of(pipeline: Pipeline) -> Sequence[str]:
    """Return the names of the modules that hold its stages and their checks."""
    stages = pipeline.stages.values()
    checks = [check.made_by for stage in stages for check in stage.checks if check.made_by]
    return list(dict.fromkeys([*(stage.function.__module__ for stage in stages), *checks]))


def _place_of(pipeline: Pipeline) -> tuple[str, str]:
    """Return the name of a module that holds a pipeline, and its name there.

    Raises:
        PipelineError: if no module does.
    """
    names = _modules_of(pipeline)
    for name in dict.fromkeys([*names, *sys.modules]):
        for attribute, value in list(getattr(sys.modules[name], "__dict__", {}).items()):
            if value is pipeline:
                return name, attribute
    raise PipelineError(
        f"Pipeline '{pipeline.name}' must be a name in the module of its assets, so that worker"
        f" processes find it, but is none in {', '.join(names)}. Assign it there."
    )


def _context(modules: Sequence[str]) -> "BaseContext":
    """Return how processes are started: from a server that has the imports, where there is one."""
    if not _HAS_SERVER:
        return multiprocessing.get_context("spawn")
    from multiprocessing import forkserver, resource_tracker

    context = multiprocessing.get_context("forkserver")
    if "__main__" not in modules:
        context.set_forkserver_preload([*modules, "ml_pipeline.sweeps.preload"])
    # Ctrl-C reaches the server, too, and it takes a while until it can ignore that by itself.
    resource_tracker.ensure_running()
    before = signal.pthread_sigmask(signal.SIG_BLOCK, [])
    try:
        signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGINT])
        with _few_threads(1):
            forkserver.ensure_running()
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
    return context


@contextlib.contextmanager
def _few_threads(count: int) -> Iterator[None]:
    """Set the variables that libraries read when the processes started now import them."""
    before = {name: os.environ.get(name) for name in THREAD_VARIABLES}
    os.environ.update(dict.fromkeys(THREAD_VARIABLES, str(count)))
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value
