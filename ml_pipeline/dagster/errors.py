"""Our errors where Dagster would wrap them: it passes its own through, so ours become its own.

The first line that a user sees in the UI is then the message itself, and not that an error
occurred in the config mapping of a resource.
"""

import contextlib
from collections.abc import Iterator

import dagster as dg

from ml_pipeline.errors import MlPipelineError, ParamsError


@contextlib.contextmanager
def unwrapped(effect: str | None = None) -> Iterator[None]:
    """Let errors of ours leave the context as errors of Dagster's with the same message.

    They stay what they are for whoever catches them: a `ParamsError` is still a `ParamsError`.

    Args:
        effect: what to say has happened where parameters are refused, if there is a run already.
    """
    try:
        yield
    except MlPipelineError as caught:
        error: MlPipelineError = caught
        if effect is not None and type(caught) is ParamsError:
            error = ParamsError(caught.problems, effect).with_traceback(caught.__traceback__)
            error.__cause__ = caught.__cause__
        if isinstance(error, dg.DagsterError):
            raise
        kind = _of_dagster(type(error))
        passed = kind.__new__(kind, *error.args)
        passed.__dict__.update(error.__dict__)
        # Not from the error itself: the same message as its own cause would tell nothing.
        raise passed.with_traceback(error.__traceback__) from error.__cause__


def _of_dagster(kind: type[MlPipelineError]) -> type[MlPipelineError]:
    names = {"__module__": kind.__module__, "__doc__": kind.__doc__}
    return type(kind.__name__, (kind, dg.DagsterError), names)
