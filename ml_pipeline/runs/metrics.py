"""Metrics of a result: finite numbers by name, or a refusal that names what is none."""

import math
from collections.abc import Collection, Mapping
from numbers import Real
from typing import Any

from ml_pipeline.errors import PipelineError
from ml_pipeline.store.record import TAKEN


def plain_metrics(
    stage: str, metrics: Mapping[str, Any], parameters: Collection[str] = ()
) -> dict[str, float]:
    """Return metrics as the record keeps them; numbers of NumPy become plain ones.

    Args:
        stage: name of the stage that returned them.
        metrics: what it returned.
        parameters: names of parameters, beside which metrics are listed and asked for by name.

    Raises:
        PipelineError: if a name is taken or a value is no finite number, with all that are.
    """
    if not isinstance(metrics, Mapping):
        raise PipelineError(
            f"Metrics of '{stage}' must be a mapping from names to numbers, but are of type"
            f" {_type_of(metrics)}. Return Result(value, metrics={{'name': number}})."
        )
    found = (_problem(stage, name, value, parameters) for name, value in metrics.items())
    problems = [line for line in found if line]
    if problems:
        raise PipelineError("\n".join(problems))
    return {name: float(value) for name, value in metrics.items()}


def _problem(stage: str, name: object, value: object, parameters: Collection[str]) -> str | None:
    """Return what is wrong with a metric, or None."""
    if not isinstance(name, str) or not name:
        return f"A metric of '{stage}' must have a name, but one is called {name!r}. Name it."
    if name in TAKEN:
        return (
            f"Metric '{name}' of '{stage}' must have another name: runs have a column or"
            " metadata of that name already."
        )
    if name in parameters:
        return (
            f"Metric '{name}' of '{stage}' must have another name: the pipeline has a parameter of"
            " that name."
        )
    if isinstance(value, bool) or not isinstance(value, Real):
        return (
            f"Metric '{name}' of '{stage}' must be a number, but is"
            f" {' '.join(repr(value).split()):.80} of type {_type_of(value)}. Return a float, or"
            " leave it out."
        )
    try:
        is_finite = math.isfinite(float(value))
    except OverflowError:
        is_finite = False
    if not is_finite:
        return (
            f"Metric '{name}' of '{stage}' must be a finite number, but is {value!s:.80}."
            " Leave it out where it is undefined."
        )
    return None


def _type_of(value: object) -> str:
    cls = type(value)
    return cls.__name__ if cls.__module__ == "builtins" else f"{cls.__module__}.{cls.__name__}"
