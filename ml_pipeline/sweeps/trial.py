"""Trials: the parameter sets of a sweep, each made of what all share and what makes it differ."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, Final

from ml_pipeline.errors import ParamsError
from ml_pipeline.params.group import OPTIONS
from ml_pipeline.params.limits import Limit, beyond_limits, limits_in
from ml_pipeline.params.model import ParamModel, ParamSet, nested
from ml_pipeline.store.slots import slot_for

ORIGIN: Final = "sweep"


@dataclass(frozen=True)
class Trial:
    """One parameter set of a sweep.

    Attributes:
        number: place in the sweep, from 0.
        params: values of all parameters.
        varied: the values that make it differ from its neighbours, by dotted name.
        key: its identity apart from any date: 16 hexadecimal digits.
    """

    number: int
    params: ParamSet
    varied: Mapping[str, Any]
    key: str

    def with_origins(self, origins: Mapping[str, str]) -> "Trial":
        """Return the same trial, its fixed values from elsewhere."""
        known = {**origins, **dict.fromkeys(self.varied, ORIGIN)}
        return replace(self, params=replace(self.params, origins=known))


@dataclass(frozen=True)
class Base:
    """What all trials of a sweep share.

    Attributes:
        model: the parameters of the pipeline.
        fixed: raw values by dotted name.
        origins: where they came from, by dotted name.
    """

    model: ParamModel = field(repr=False)
    fixed: Mapping[str, Any]
    origins: Mapping[str, str]

    def trial(self, varied: Mapping[str, Any], number: int) -> Trial:
        """Validate one parameter set.

        Args:
            varied: raw values by dotted name, over the fixed ones.
            number: place in the sweep.

        Raises:
            ParamsError: naming every problem.
        """
        origins = {**self.origins, **dict.fromkeys(varied, ORIGIN)}
        params = self.model.validate(nested({**self.fixed, **varied}), origins=origins)
        if beyond := beyond_limits(params, self._limits):
            raise ParamsError(beyond)
        values = params.flat({dotted.partition(".")[0] for dotted in varied})
        known = {dotted: values[dotted] for dotted in varied}
        return Trial(number, params, known, key_of(params))

    @cached_property
    def _limits(self) -> list[Limit]:
        # All trials are in one environment.
        return limits_in(self.model, self.fixed.get(f"{OPTIONS}.environment"))


def key_of(params: ParamSet) -> str:
    """Return the identity of a parameter set apart from any date."""
    return slot_for("", params, params.model.scope, None).run_id
