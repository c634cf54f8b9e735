"""What is varied in a sweep, as Optuna describes it, and values on their way there and back.

Optuna holds truth values, numbers, text and none, and takes `True`, `1` and `1.0` for one choice.
Values of other kinds, and choices that it would mistake for each other, are held as JSON.
"""

import itertools
import json
from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Any

from ml_pipeline.params.identity import digest_of
from ml_pipeline.sweeps.request import SweepRequest
from ml_pipeline.sweeps.space import Interval


class Distributions:
    """The distributions of a request's varied parameters, by dotted name."""

    def __init__(self, request: SweepRequest) -> None:
        """Describe what a request varies."""
        self.request = request
        self.intervals = {
            name: space for name, space in request.dimensions.items() if isinstance(space, Interval)
        }
        listed = _listed(request)
        self._encoded = {name for name, values in listed.items() if _needs_json(values)}
        self._listed = listed

    @cached_property
    def by_name(self) -> Mapping[str, Any]:
        """The distributions themselves."""
        from optuna import distributions as optuna

        found: dict[str, Any] = {}
        for name, space in self.intervals.items():
            if space.whole:
                step = int(space.step or 1)
                found[name] = optuna.IntDistribution(
                    int(space.low), int(space.high), space.log, step
                )
            else:
                found[name] = optuna.FloatDistribution(space.low, space.high, space.log, space.step)
        for name, values in self._listed.items():
            are_numbers = {type(value) for value in values} <= {int, float}
            if self.request.is_search or not are_numbers or name in self._encoded:
                choices = [self.stored(name, value) for value in values]
                found[name] = optuna.CategoricalDistribution(choices)
            elif all(isinstance(value, int) for value in values):
                found[name] = optuna.IntDistribution(min(values), max(values))
            else:
                found[name] = optuna.FloatDistribution(min(values), max(values))
        return found

    def stored(self, name: str, value: Any) -> Any:
        """Return a value in the form that a study holds."""
        return json.dumps(value) if name in self._encoded else value

    def values(self, stored: Mapping[str, Any]) -> dict[str, Any]:
        """Return what a study holds of a trial as raw values by dotted name."""
        return {
            name: json.loads(value) if name in self._encoded else self.on_step(name, value)
            for name, value in stored.items()
        }

    def on_step(self, name: str, value: Any) -> Any:
        """Return the value of an interval with steps that a sampler's sum comes near to."""
        space = self.intervals.get(name)
        return value if space is None else space.nearest(value)


def _needs_json(values: Sequence[Any]) -> bool:
    return any(isinstance(value, list | dict) for value in values) or any(
        one == other for one, other in itertools.pairwise(sorted(values, key=_order))
    )


def _order(value: Any) -> tuple[str, float, str]:
    """Bring values that are equal beside each other, whatever their types."""
    if isinstance(value, int | float):
        return ("", float(value), "")
    return (type(value).__name__, 0.0, str(value))


def _listed(request: SweepRequest) -> Mapping[str, Sequence[Any]]:
    """Return the values of every parameter that has no interval, no two alike, by dotted name."""
    if request.is_search:
        return {
            name: request.plain_values(name)
            for name, space in request.dimensions.items()
            if not isinstance(space, Interval)
        }
    trials = request.combinations.trials
    found = {
        name: [trial.varied[name] for trial in trials if name in trial.varied]
        for name in request.varied
    }
    return {
        name: list({digest_of(value): value for value in values}.values())
        for name, values in found.items()
    }
