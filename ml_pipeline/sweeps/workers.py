"""Worker processes: each makes one parameter set at one date at a time, and may die of it.

Workers are forked from a server that has imported the pipeline once, so one that was killed is
replaced in milliseconds. They find the pipeline by importing its module: what they run is checked
against the fingerprints that the sweep was planned with.
"""

import contextlib
import importlib
import math
import multiprocessing
import os
import signal
import sys
import threading
import traceback
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from ml_pipeline.errors import PipelineError, told
from ml_pipeline.runs.reuse import Materializer
from ml_pipeline.runs.stages import Pipeline
from ml_pipeline.store.artifacts import ArtifactStore
from ml_pipeline.store.recent import RecentValues
from ml_pipeline.store.record import Provenance, Record
from ml_pipeline.sweeps.processes import READY, Processes

if TYPE_CHECKING:
    from multiprocessing.connection import Connection
    from multiprocessing.context import BaseContext

_KEPT_BYTES: Final = 256 * 2**20
_LEAST_ROOM_MB: Final = 32
_THREAD_VARIABLES: Final = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "POLARS_MAX_THREADS")

_HAS_SERVER: Final = "forkserver" in multiprocessing.get_all_start_methods()


@dataclass(frozen=True)
class Site:
    """What a worker needs to know once.

    Attributes:
        module: name of the module that holds the pipeline.
        attribute: its name there.
        codes: fingerprint of every stage.
        store: root of the artifacts.
        provenance: what to record about the surroundings.
        output: file for what stages print.
        threads: threads that a computation may use.
        memory_mb: most memory of the process, in MiB.
    """

    module: str
    attribute: str
    codes: Mapping[str, str]
    store: str
    provenance: Provenance
    output: Path | None
    threads: int
    memory_mb: int | None


@dataclass(frozen=True)
class Task:
    """One piece of work.

    Attributes:
        values: values of all parameters, ``{group: {field: value}}``.
        origins: where they came from, by dotted name.
        as_of: the date.
        selection: names of the stages to make.
        known: records of what they read.
    """

    values: Mapping[str, Mapping[str, Any]]
    origins: Mapping[str, str]
    as_of: date | None
    selection: Sequence[str]
    known: Mapping[str, Record]


@dataclass(frozen=True)
class Made:
    """What came of a task.

    Attributes:
        records: by stage name.
        reused: names of the stages that were published already.
    """

    records: Mapping[str, Record]
    reused: frozenset[str]


@dataclass(frozen=True)
class Failed:
    """A task failed.

    Attributes:
        reason: what was raised, in words.
    """

    reason: str


@dataclass(frozen=True)
class Unusable:
    """A worker cannot work at all, and no other could.

    Attributes:
        reason: why.
    """

    reason: str


def why_of_a_trial(*_: Any) -> str:
    """Say why a trial is computed, without the cost of finding the nearest earlier run."""
    return "a trial of a sweep"


def site_of(
    pipeline: Pipeline,
    store: ArtifactStore,
    provenance: Provenance,
    output: Path | None,
    threads: int,
    memory_mb: int | None,
) -> Site:
    """Describe a pipeline and a store so that another process finds them.

    Raises:
        PipelineError: if the pipeline is no module's attribute, or the store in memory.
    """
    if store.uri.lower().startswith("memory:"):
        raise PipelineError(
            f"The store of a sweep must be where other processes reach it, but is in memory"
            f" ({store.uri}). Set ML_PIPELINE_STORE to a directory or a bucket."
        )
    names = dict.fromkeys(stage.function.__module__ for stage in pipeline.stages.values())
    for name in names:
        for attribute, value in vars(sys.modules[name]).items():
            if value is pipeline:
                codes = {stage.name: stage.code for stage in pipeline.stages.values()}
                return Site(
                    name, attribute, codes, store.uri, provenance, output, threads, memory_mb
                )
    raise PipelineError(
        f"Pipeline '{pipeline.name}' must be a name in the module of its assets, so that worker"
        f" processes find it, but is none in {', '.join(names)}. Assign it there."
    )


class Workers(Processes["Made | Failed | Unusable"]):
    """Worker processes for one site."""

    def __init__(self, site: Site, count: int) -> None:
        """Start so many; the first task waits until one is ready."""
        super().__init__(count, _context(site.module), _serve, site)


def warm_up(pipeline: Pipeline) -> None:
    """Let the server that workers are forked from import the pipeline, while the caller goes on."""
    _context(next(iter(pipeline.stages.values())).function.__module__)


def _context(module: str) -> "BaseContext":
    """Return how processes are started: from a server that has the imports, where there is one."""
    if not _HAS_SERVER:
        return multiprocessing.get_context("spawn")
    from multiprocessing import forkserver, resource_tracker

    context = multiprocessing.get_context("forkserver")
    if module != "__main__":
        context.set_forkserver_preload([module, "ml_pipeline.sweeps.preload"])
    # Ctrl-C reaches the server, too, and it takes a while until it can ignore that by itself.
    resource_tracker.ensure_running()
    before = signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGINT])
    try:
        with _few_threads(1):
            forkserver.ensure_running()
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
    return context


def _serve(tasks: "Connection", site: Site) -> None:
    """Do one task after the other until the sweep is over."""
    _settle(site)
    materializer: Materializer | Unusable
    try:
        materializer = _materializer(site)
    except Exception as error:  # noqa: BLE001 - the pipeline's module can raise anything
        traceback.print_exc()
        materializer = Unusable(told(error))
    with contextlib.suppress(EOFError):
        tasks.send(READY)
        while True:
            task = tasks.recv()
            if isinstance(materializer, Unusable):
                tasks.send(materializer)
            else:
                tasks.send(_answer(materializer, task, site.threads))


def _settle(site: Site) -> None:
    # Ctrl-C reaches the whole terminal; the sweep decides what happens to its workers.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_leave_with_parent, daemon=True).start()
    if site.output is not None:
        _print_to(site.output)
    _volunteer_for_the_oom_killer()
    os.environ.update(dict.fromkeys(_THREAD_VARIABLES, str(site.threads)))


def _materializer(site: Site) -> Materializer:
    pipeline = getattr(importlib.import_module(site.module), site.attribute)
    changed = [name for name, code in site.codes.items() if pipeline.stage(name).code != code]
    if changed:
        raise PipelineError(
            f"The code of {', '.join(changed)} has changed since the sweep began. Start it again:"
            " what is done and still current is reused."
        )
    store = ArtifactStore(site.store)
    if site.memory_mb is not None:
        _limit_memory(site.memory_mb)
    return Materializer(
        pipeline,
        store,
        lambda: site.provenance,
        explain=why_of_a_trial,
        recent=RecentValues(_KEPT_BYTES),
    )


def _answer(materializer: Materializer, task: Task, threads: int) -> "Made | Failed":
    try:
        return _work(materializer, task, threads)
    except (Exception, SystemExit) as error:  # noqa: BLE001 - a trial may fail in any way
        # As text: not every exception survives the way to another process.
        traceback.print_exc()
        return Failed(told(error))


def _work(materializer: Materializer, task: Task, threads: int) -> Made:
    from threadpoolctl import threadpool_limits

    params = materializer.pipeline.params.validate(task.values, origins=task.origins)
    records, reused = {}, set()
    with threadpool_limits(limits=threads):
        for outcome in materializer.run(params, task.as_of, task.selection, task.known):
            name = outcome.record.asset
            # A picture is for people; nobody in this process looks.
            records[name] = outcome.record.model_copy(update={"picture": None})
            if outcome.reused:
                reused.add(name)
    return Made(records, frozenset(reused))


def _limit_memory(most_mb: int) -> None:
    import resource

    used_mb = _used_bytes() / 2**20
    if most_mb < used_mb + _LEAST_ROOM_MB:
        raise PipelineError(
            f"search.trial_memory_mb must be at least {math.ceil(used_mb + _LEAST_ROOM_MB)}, but is"
            f" {most_mb}: a worker takes {math.ceil(used_mb)} MiB before it computes anything."
        )
    resource.setrlimit(resource.RLIMIT_DATA, (most_mb * 2**20, most_mb * 2**20))


def _used_bytes() -> int:
    """Return what counts towards the limit of this process, where that is known."""
    with contextlib.suppress(OSError):
        for line in Path("/proc/self/status").read_text().splitlines():
            if line.startswith("VmData:"):
                return int(line.split()[1]) * 1024
    return 0


@contextlib.contextmanager
def _few_threads(count: int) -> Iterator[None]:
    """Set the variables that libraries read when the processes started now import them."""
    before = {name: os.environ.get(name) for name in _THREAD_VARIABLES}
    os.environ.update(dict.fromkeys(_THREAD_VARIABLES, str(count)))
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


def _leave_with_parent() -> None:
    """End with the sweep, even if it was killed: nobody would collect the results."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


def _print_to(output: Path) -> None:
    output.parent.mkdir(parents=True, exist_ok=True)
    with output.open("a") as sink:
        os.dup2(sink.fileno(), 1)
        os.dup2(sink.fileno(), 2)


def _volunteer_for_the_oom_killer() -> None:
    """Where memory runs out, a worker should die, not the sweep or a neighbour."""
    with contextlib.suppress(OSError):
        Path("/proc/self/oom_score_adj").write_text("1000")
