"""What a sweep and its worker processes say to each other."""

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Protocol, TypeAlias

from ml_pipeline.params.as_of import AsOf
from ml_pipeline.runs.host import Host
from ml_pipeline.runs.keys import Keys
from ml_pipeline.store.record import Provenance, Record
from ml_pipeline.sweeps.processes import Ended

THREAD_VARIABLES: Final = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "POLARS_MAX_THREADS")
"""What libraries that compute read, when they are imported, to know how many threads to use."""


@dataclass(frozen=True)
class Site:
    """What a worker needs to know once.

    Attributes:
        modules: names of the modules to import: the one that holds the pipeline, then all that add
            stages to it.
        attribute: the pipeline's name in the first of them.
        codes: fingerprint of every stage.
        store: root of the artifacts.
        environment: whose they are; None where no environments are configured.
        reads: roots of the environments that are read where it has nothing, by name.
        provenance: what to record about the surroundings.
        output: file for what stages print.
        threads: threads that a computation may use.
        memory_mb: most memory of the process, in MiB.
        host: what provides what stages take besides.
        keys: what the keys of the dates stand for.
    """

    modules: Sequence[str]
    attribute: str
    codes: Mapping[str, str]
    store: str
    environment: str | None
    reads: Mapping[str, str]
    provenance: Provenance
    output: Path | None
    threads: int
    memory_mb: int | None
    host: Host
    keys: Keys


@dataclass(frozen=True)
class Task:
    """One piece of work.

    Attributes:
        values: values of all parameters, ``{group: {field: value}}``.
        origins: where they came from, by dotted name.
        as_of: the date.
        selection: names of the stages to make.
        known: records of what they read.
        waits: whether to wait for what another run is computing.
        empty: names of stages of which nothing was published, whatever it was made of.
    """

    values: Mapping[str, Mapping[str, Any]]
    origins: Mapping[str, str]
    as_of: AsOf | None
    selection: Sequence[str]
    known: Mapping[str, Record]
    waits: bool = False
    empty: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Done:
    """What came of a task.

    Attributes:
        records: by stage name.
        reused: names of the stages that were published already.
    """

    records: Mapping[str, Record]
    reused: frozenset[str]


@dataclass(frozen=True)
class Deferred:
    """Another run is computing what a task is about; there may be other work meanwhile."""


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


Answer: TypeAlias = Done | Deferred | Failed | Unusable
"""What a worker says of a task."""


class Workers(Protocol):
    """Those who do tasks, wherever they are."""

    @property
    def has_idle(self) -> bool:
        """Whether there is one without work."""

    @property
    def has_busy(self) -> bool:
        """Whether there is one at work."""

    def give(self, work: Task, purpose: Any, timeout_s: float | None) -> None:
        """Hand a task to one that has none.

        Args:
            work: the task.
            purpose: comes back with the answer.
            timeout_s: seconds after which its computation is given up, if there is a limit.
        """

    def answers(self, until: float = math.inf) -> Iterator[tuple[Any, Answer | Ended]]:
        """Wait for an answer; yield whatever there is by then with what it was for.

        Args:
            until: when to stop waiting, on the clock `time.monotonic`.
        """

    def close(self) -> None:
        """Stop them at once."""


class Machines(Protocol):
    """What computes a sweep: this machine, or many."""

    def seats(self) -> int:
        """Return how many tasks are computed at once.

        Raises:
            PipelineError: if the machines cannot be reached.
        """

    def workers(self, site: Site, count: int, notice: Callable[[str], None]) -> Workers:
        """Start workers for a site.

        Args:
            site: what they need to know.
            count: most tasks at once.
            notice: called with a line about whatever the sweep waits for that may not come.

        Raises:
            PipelineError: if they cannot be started.
        """


def why_of_a_trial(*_: Any) -> str:
    """Say why a trial is computed, without the cost of finding the nearest earlier run."""
    return "a trial of a sweep"
