"""Config of existing ops and assets, refused when a run is launched instead of within the run.

Dagster reads config by types when it plans a run, before the run exists; what the classes of ops
demand beyond, such as bounds, validators and rules over several fields, it asks in the running
step. Here the classes are asked when the run is planned.
"""

from collections.abc import Callable, Mapping
from contextvars import ContextVar
from dataclasses import dataclass, field
from functools import wraps
from typing import Any, Final, TypeVar, cast

import dagster as dg
import pydantic

from ml_pipeline.dagster import private_ops
from ml_pipeline.dagster.errors import unwrapped
from ml_pipeline.errors import OpConfigError, PipelineError, told
from ml_pipeline.params.op_config import problems_of

D = TypeVar("D", bound=dg.Definitions | Callable[..., dg.Definitions])


def validated(definitions: D) -> D:
    """Let config be refused at launch that would fail in the run, with every problem of every op.

    Holds for ops, assets, graphs, asset checks and jobs whose functions have a ``config`` annotated
    with a class, through every door: the launchpad, backfills, GraphQL, schedules, sensors and
    Python. Run config and its types, and all else of the definitions, stay what they are; ops that
    declare their config by a schema are left alone. It is the ops in the definitions that check
    their config from now on, so jobs and schedules that were made of them already do as well.

    Args:
        definitions: those of a code location, or a function that returns them, decorated with
            `dagster.definitions` or not.

    Returns:
        The same definitions, or a function that returns them.

    Raises:
        PipelineError: if it is neither.
    """
    if isinstance(definitions, dg.Definitions):
        for op in private_ops.ops_in(definitions):
            cls = private_ops.config_class_of(op)
            if cls is not None:
                private_ops.check_config(op, _Check(op.name, cls))
        return definitions
    return cast("D", later(definitions, validated))


def later(definitions: Any, change: Callable[[dg.Definitions], dg.Definitions]) -> Any:
    """Return a function whose definitions are changed once they are loaded.

    Args:
        definitions: a function that returns definitions, decorated or not.
        change: returns what becomes of them.

    Raises:
        PipelineError: if it is no function.
    """
    function = private_ops.function_that_loads(definitions)
    if function is None:
        raise PipelineError(
            "What is to be changed must be Dagster's Definitions, or a function that returns them,"
            f" but is a {type(definitions).__name__}."
        )

    @wraps(function)
    def load(*context: Any) -> dg.Definitions:
        return change(function(*context))

    return load if function is definitions else dg.definitions(load)


@dataclass
class _Round:
    """The question what is wrong with the config of each op of a job.

    Attributes:
        handle: of the op that is asked.
        known: what has been answered, with the name of each op for its handle.
    """

    handle: str = ""
    known: set[str] = field(default_factory=set)


_round: Final[ContextVar[_Round | None]] = ContextVar("_round", default=None)


@dataclass(frozen=True, eq=False)
class _Check:
    op: str
    cls: type[dg.Config]

    def __call__(self, config: Any) -> None:
        asking = _round.get()
        try:
            self._read(self.op, config or {})
        except OpConfigError as own:
            if asking is not None:
                asking.known.update(own.problems)
                self._read(asking.handle, config or {})
            with unwrapped():
                raise OpConfigError(_problems_of_all(own)) from own.__cause__

    def _read(self, handle: str, config: Mapping[str, Any]) -> None:
        try:
            private_ops.config_as_in_run(self.cls, config)
        except pydantic.ValidationError as error:
            raise OpConfigError(problems_of(error, handle, self.cls, config)) from None
        except Exception as error:
            reason = f"cannot be made of its config: {told(error)}"
            raise OpConfigError([f"{handle}: {self.cls.__name__} {reason}"]) from error


def _problems_of_all(own: OpConfigError) -> list[str]:
    """Return the problems of all ops of the job, those of the op that is refused included."""
    asking = _Round()
    reset = _round.set(asking)
    problems: list[str] = []
    try:
        for asking.handle, op, config in private_ops.ops_being_read():
            try:
                op.apply_config_mapping({"config": config})
            except OpConfigError as error:
                problems += error.problems
            except dg.DagsterError:
                # Somebody else's mapping does not do: Dagster tells when it comes to it.
                continue
    finally:
        _round.reset(reset)
    # Config that a graph makes of its own is not among what is read.
    return [*(problem for problem in own.problems if problem not in asking.known), *problems]
