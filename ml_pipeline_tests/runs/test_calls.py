"""Calling a stage's function: asynchronous ones, and what is tried again."""

import asyncio
import contextvars
from collections.abc import Callable
from typing import Any

import pytest

from ml_pipeline.errors import NotEnoughDataError
from ml_pipeline.runs.calls import called, completed
from ml_pipeline.runs.options import never

WHERE: contextvars.ContextVar[str] = contextvars.ContextVar("where", default="nowhere")


async def later(value: int) -> tuple[int, str]:
    await asyncio.sleep(0)
    return value + 1, WHERE.get()


def twice(error: Exception, attempt: int) -> float | None:
    return 0.0 if attempt < 3 and isinstance(error, OSError) else None


def failing(errors: list[Exception]) -> tuple[Callable[..., Any], list[list[int]]]:
    """Return a function that raises one error after the other, and what it was called with."""
    given: list[list[int]] = []

    def function(rows: list[int]) -> int:
        given.append(list(rows))
        rows.append(9)
        if errors:
            raise errors.pop(0)
        return len(rows)

    return function, given


def test_coroutine_runs_to_its_end_and_sees_the_context_of_its_caller() -> None:
    before = WHERE.set("here")
    try:
        assert called(later, lambda: {"value": 1}, never) == ((2, "here"), 1)
    finally:
        WHERE.reset(before)


def test_coroutine_runs_to_its_end_where_a_loop_runs_already() -> None:
    async def notebook() -> Any:
        WHERE.set("notebook")
        return completed(later(1))

    assert asyncio.run(notebook()) == (2, "notebook")


@pytest.mark.parametrize("count", [0, 1, 2])
def test_function_that_fails_is_tried_again_with_arguments_of_their_own(count: int) -> None:
    function, given = failing([OSError("busy")] * count)
    assert called(function, lambda: {"rows": [1, 2]}, twice) == (3, count + 1)
    assert given == [[1, 2]] * (count + 1)


@pytest.mark.parametrize(
    ("errors", "calls"),
    [
        ([OSError("busy")] * 3, 3),
        ([ValueError("no")], 1),
        ([OSError("busy"), ValueError("no")], 2),
        ([NotEnoughDataError("three days")], 1),
    ],
    ids=["too often", "not to be retried", "later another", "ours"],
)
def test_function_that_keeps_failing_raises_what_it_raised_last(
    errors: list[Exception], calls: int
) -> None:
    last = errors[-1]
    function, given = failing(list(errors))
    with pytest.raises(type(last), match=str(last)):
        called(function, lambda: {"rows": []}, twice)
    assert len(given) == calls


def test_errors_of_ours_are_not_even_asked_about() -> None:
    function, given = failing([NotEnoughDataError("three days")])
    with pytest.raises(NotEnoughDataError):
        called(function, lambda: {"rows": []}, lambda _error, _attempt: 0.0)
    assert len(given) == 1
