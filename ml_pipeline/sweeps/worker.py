"""A worker process from within: it makes one parameter set at one date at a time.

It finds the pipeline by importing its modules: what it runs is checked against the fingerprints
that the sweep was planned with.
"""

import contextlib
import importlib
import math
import multiprocessing
import os
import signal
import threading
import traceback
from pathlib import Path
from typing import TYPE_CHECKING, Final

from ml_pipeline.errors import PipelineError, told
from ml_pipeline.runs.materializer import Materializer
from ml_pipeline.runs.stages import Pipeline
from ml_pipeline.store.artifacts import ArtifactStore
from ml_pipeline.store.claims import BeingComputed
from ml_pipeline.store.fallbacks import Fallback
from ml_pipeline.store.recent import RecentValues
from ml_pipeline.sweeps.processes import READY
from ml_pipeline.sweeps.tasks import (
    THREAD_VARIABLES,
    Deferred,
    Done,
    Failed,
    Site,
    Task,
    Unusable,
    why_of_a_trial,
)

if TYPE_CHECKING:
    from multiprocessing.connection import Connection

_KEPT_BYTES: Final = 256 * 2**20
_LEAST_ROOM_MB: Final = 32


def serve(tasks: "Connection", site: Site) -> None:
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
    os.environ.update(dict.fromkeys(THREAD_VARIABLES, str(site.threads)))


def _materializer(site: Site) -> Materializer:
    modules = [importlib.import_module(name) for name in site.modules]
    pipeline: Pipeline = getattr(modules[0], site.attribute)
    changed = [name for name, code in site.codes.items() if pipeline.stage(name).code != code]
    if changed:
        raise PipelineError(
            f"The code of {', '.join(changed)} has changed since the sweep began. Start it again:"
            " what is done and still current is reused."
        )
    store = ArtifactStore(site.store)
    store.environment = site.environment
    store.fallbacks = [Fallback(name, root) for name, root in site.reads.items()]
    if site.memory_mb is not None:
        _limit_memory(site.memory_mb)
    return Materializer(
        pipeline.with_keys(site.keys),
        store,
        lambda: site.provenance,
        explain=why_of_a_trial,
        recent=RecentValues(_KEPT_BYTES),
        host=site.host,
        asked="blocking",
    )


def _answer(materializer: Materializer, task: Task, threads: int) -> "Done | Deferred | Failed":
    try:
        return _work(materializer, task, threads)
    except BeingComputed:
        return Deferred()
    except (Exception, SystemExit) as error:  # noqa: BLE001 - a trial may fail in any way
        # As text: not every exception survives the way to another process.
        traceback.print_exc()
        return Failed(told(error))


def _work(materializer: Materializer, task: Task, threads: int) -> Done:
    from threadpoolctl import threadpool_limits

    params = materializer.pipeline.params.validate(task.values, origins=task.origins)
    records, reused = {}, set()
    with threadpool_limits(limits=threads), materializer.host:
        made = materializer.run(
            *(params, task.as_of, task.selection, task.known, task.waits),
            claims_first=True,
            empty=task.empty,
        )
        for outcome in made:
            name = outcome.record.asset
            # A picture is for people; nobody in this process looks.
            records[name] = outcome.record.model_copy(update={"picture": None})
            if outcome.reused:
                reused.add(name)
    return Done(records, frozenset(reused))


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
