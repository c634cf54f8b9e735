"""Calling a stage's function: a coroutine runs to its end, what failed may be tried again."""

import asyncio
import contextvars
import inspect
import logging
import time
from collections.abc import Callable, Coroutine, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from ml_pipeline.errors import MlPipelineError, PipelineError, told
from ml_pipeline.params.secret import without_secrets
from ml_pipeline.runs.options import Retry

log = logging.getLogger(__name__)


def called(
    function: Callable[..., Any], arguments: Callable[[], Mapping[str, Any]], retry: Retry
) -> tuple[Any, int]:
    """Return what a function makes of its arguments, and at which attempt.

    Errors of ours are never tried again: what they refuse stays refused.

    Args:
        function: plain or asynchronous.
        arguments: returns the arguments, anew for each attempt: a failed one may have changed them.
        retry: whether what failed is tried again.

    Raises:
        Exception: what the last attempt raised.
    """
    attempt = 1
    while True:
        try:
            return completed(function(**arguments())), attempt
        except MlPipelineError:
            raise
        except Exception as error:
            wait_s = retry(error, attempt)
            if wait_s is None:
                raise
            log.warning(
                "%s: attempt %s failed, the next is in %g s: %s",
                getattr(function, "__name__", function),
                attempt,
                wait_s,
                without_secrets(told(error)),
            )
        time.sleep(wait_s)
        attempt += 1


def completed(value: Any) -> Any:
    """Return what a coroutine comes to, and anything else as it is."""
    if not inspect.iscoroutine(value):
        return value
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return asyncio.run(value)
    # A notebook has a loop of its own in this thread, which cannot wait for another.
    with ThreadPoolExecutor(1) as thread:
        return thread.submit(contextvars.copy_context().run, _run, value).result()


def _run(coroutine: Coroutine[Any, Any, Any]) -> Any:
    return asyncio.run(coroutine)


def refuse_generator(function: Callable[..., Any]) -> None:
    """Refuse a function that yields, of which nobody could say what its value is.

    Raises:
        PipelineError: if it is one.
    """
    inner = inspect.unwrap(function)
    if inspect.isgeneratorfunction(inner) or inspect.isasyncgenfunction(inner):
        raise PipelineError(
            f"'{function.__name__}' must return one value, which is kept, but it yields. Return the"
            " value, or Result(value, metrics=...); several values are several stages, or a"
            " mapping."
        )
