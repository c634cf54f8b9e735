"""What may be said of a stage besides its function, and what others may add to that.

A pipeline that is computed in plain Python takes the options here. Where more is offered, as in
Dagster, options of its own are made into `Extras`, of which this room knows no more than it needs.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from os import PathLike
from types import MappingProxyType
from typing import Any, Final, TypeAlias, TypedDict

from ml_pipeline.errors import PipelineError, nearest
from ml_pipeline.runs.card import Card
from ml_pipeline.runs.column import ColumnsOption
from ml_pipeline.store.record import Objective

Provide: TypeAlias = Callable[[str, Any], object | None]
"""Takes an argument and its annotation; returns what is to be provided for it, or None."""
Retry: TypeAlias = Callable[[Exception, int], float | None]
"""Takes what a stage raised and how often it was tried; returns the seconds until the next try,
or None if there is none."""


class StageOptions(TypedDict, total=False):
    """The options of `Pipeline.asset`.

    Attributes:
        reads: for a stage that reads data from outside: takes ``as_of`` and groups like the stage
            itself, in Dagster its resources as well, and returns a digest of what the stage would
            read now.
        objective: for a stage whose metrics judge the run: the metric that runs are compared by,
            or a function of groups that returns it.
        code_version: stands for the code instead of its fingerprint; for that of own formats and
            of what the pipeline trusts, too.
        packages: names of installed packages whose versions are part of the revision.
        files: paths of files whose content is part of the revision, relative to the folder of the
            function's module.
        card: what the model card of what it makes says that nobody could compute.
        columns: of a table, what its columns are and which others they are made from, by name; or
            a function of groups that returns it.
        description: what the asset is; the first line of the docstring if omitted.
        kinds: Dagster's kind tags.
        group: Dagster's group; the pipeline's name if omitted.
        owners: Dagster's owners: addresses, or teams like ``team:research``.
        tags: Dagster's tags.
        key_prefix: what stands before the name in Dagster's key. Paths in the store do not have
            it, so it may change.
        renamed_from: the name that the stage had when runs already existed, or all of them. Run ids
            have no names of stages in them; runs from before are listed and found with the others.
    """

    reads: Callable[..., str] | None
    objective: Objective | Callable[..., Objective] | None
    code_version: str | None
    packages: Iterable[str]
    files: Iterable[str | PathLike[str]]
    card: Card | None
    columns: ColumnsOption
    description: str | None
    kinds: Iterable[str]
    group: str | None
    owners: Iterable[str]
    tags: Mapping[str, str] | None
    key_prefix: str | Iterable[str]
    renamed_from: str | Iterable[str]


def nothing(_argument: str, _annotation: Any) -> None:
    """Provide nothing."""


def never(_error: Exception, _attempt: int) -> None:
    """Try nothing again."""


@dataclass(frozen=True)
class Extras:
    """What others add to a stage.

    Attributes:
        provide: tells which arguments are provided where the stage is computed.
        provide_reads: tells the same of the arguments of ``reads``.
        provided: says in words what such arguments may be.
        others: keys of assets that are no stages and whose versions count.
        after: names of stages that have to be made before and count, though their values are not
            asked for.
        retry: whether what failed is tried again.
        told: what those want to know of it who added it.
    """

    provide: Provide = nothing
    provide_reads: Provide = nothing
    provided: str = ""
    others: tuple[str, ...] = ()
    after: tuple[str, ...] = ()
    retry: Retry = never
    told: Any = None


NO_EXTRAS: Final = Extras()


def refuse_unknown(
    function: str,
    given: Iterable[str],
    known: Iterable[str],
    instead: Mapping[str, str] = MappingProxyType({}),
) -> None:
    """Refuse options that do not exist.

    Args:
        function: name of the stage's function.
        given: names of the options given.
        known: names of the options that there are.
        instead: what to do instead, by names that people may know from elsewhere.

    Raises:
        PipelineError: naming all of them.
    """
    names = sorted(known)
    unknown = [
        f"'{name}'.{f' {instead[name]}.' if name in instead else nearest(name, names)}"
        for name in given
        if name not in names
    ]
    if unknown:
        raise PipelineError(
            f"The options of '{function}' must be some of {', '.join(names)}, but there is no"
            f" {' There is no '.join(unknown)}"
        )
