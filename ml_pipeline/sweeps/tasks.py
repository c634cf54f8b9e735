"""What a sweep and its worker processes say to each other."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from ml_pipeline.params.as_of import AsOf
from ml_pipeline.runs.host import Host
from ml_pipeline.runs.keys import Keys
from ml_pipeline.store.record import Provenance, Record

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
    """

    values: Mapping[str, Mapping[str, Any]]
    origins: Mapping[str, str]
    as_of: AsOf | None
    selection: Sequence[str]
    known: Mapping[str, Record]
    waits: bool = False


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


def why_of_a_trial(*_: Any) -> str:
    """Say why a trial is computed, without the cost of finding the nearest earlier run."""
    return "a trial of a sweep"
