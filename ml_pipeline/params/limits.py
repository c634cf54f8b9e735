"""Limits of an environment: what parameters may be there, narrower than they may be at all.

    limits = { training = { max_iter = "<= 200" }, data = { dataset = ["orders"] } }

Bounds are text as messages tell them, choices a list. They hold for runs that are launched, by
whichever door; what has been made elsewhere is read and promoted all the same.
"""

import math
import operator
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from ml_pipeline.environments import Environment
from ml_pipeline.errors import ParamsError
from ml_pipeline.params.model import ParamModel, ParamSet, nested
from ml_pipeline.params.parameter import Parameter, plain
from ml_pipeline.params.secret import Hidden
from ml_pipeline.settings import settings
from ml_pipeline.text import quoted

_HOLDS: Final[Mapping[str, Callable[[float, float], bool]]] = {
    "<=": operator.le,
    "<": operator.lt,
    ">=": operator.ge,
    ">": operator.gt,
}
_BOUND: Final = re.compile(r"(<=|>=|<|>)\s*([+-]?[0-9][0-9_]*(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?)")
_RULE: Final = (
    "must be bounds such as '<= 200' or '> 0 and <= 0.5', or a list of the values that it may have"
)


@dataclass(frozen=True)
class Limit:
    """What one parameter may be.

    Attributes:
        environment: whose it is.
        parameter: the parameter.
        bounds: signs and numbers, all of which hold.
        choices: the values that it may have, in JSON form; any if there are bounds.
    """

    environment: str
    parameter: Parameter
    bounds: tuple[tuple[str, float], ...] = ()
    choices: tuple[Any, ...] = ()

    @property
    def most(self) -> float | None:
        """The largest number that it allows, or nearly so; None where there is no such bound."""
        found = [limit for sign, limit in self.bounds if sign in ("<", "<=")]
        return min(found) if found else None

    @property
    def must_be(self) -> str:
        """What a value must be, in words."""
        if self.choices:
            return f"one of {', '.join(quoted(one) for one in self.choices)}"
        return " and ".join(f"{sign} {limit}" for sign, limit in self.bounds)

    def refusal(self, value: Any) -> str:
        """Return the refusal of a value that is not within it."""
        return (
            f"{self.parameter.dotted} must be {self.must_be}, the limit of environment"
            f" {self.environment}, but got {quoted(value)}"
        )

    def allows(self, value: Any) -> bool:
        """Whether a value in JSON form is within it."""
        if self.choices:
            return any(type(one) is type(value) and one == value for one in self.choices)
        is_number = isinstance(value, int | float) and not isinstance(value, bool)
        return is_number and all(_HOLDS[sign](value, limit) for sign, limit in self.bounds)


def limits_of(
    model: ParamModel, environment: Environment, problems: list[str] | None = None
) -> list[Limit]:
    """Return the limits of an environment on the parameters of a model.

    Args:
        model: the parameters; limits on groups that it has not are those of another.
        environment: whose.
        problems: what is wrong with them is added here.
    """
    found: list[Limit] = []
    wrong = problems if problems is not None else []
    here = f"environments.{environment.name}.limits"
    for group, written in environment.limits.items():
        if group not in model.groups:
            continue
        placed, faults = model.placed_by_group({group: written})
        wrong += [f"{here}: {fault}" for fault in faults]
        for dotted, raw in placed.items():
            read = _read(model, f"{here}.{dotted}", model.find(dotted), raw, wrong)
            found += [] if read is None else [Limit(environment.name, model.find(dotted), *read)]
    return found


def beyond_limits(params: ParamSet, limits: Iterable[Limit] | None = None) -> list[str]:
    """Say why a run of these parameters may not be launched in its environment, a line each.

    Args:
        params: the parameters.
        limits: those of the environment, if they are known.
    """
    if limits is None:
        limits = limits_in(params.model, params.options.environment)
    own = list(limits)
    values = params.flat(params.model.groups) if own else {}
    return [
        limit.refusal(values[limit.parameter.dotted])
        for limit in own
        if not limit.allows(values[limit.parameter.dotted])
    ]


def limits_in(model: ParamModel, environment: str | None) -> list[Limit]:
    """Return the limits of an environment by its name; none where it is not configured."""
    known = settings().environments
    if known.default is None or environment not in (None, *known.configured):
        return []  # which is refused elsewhere
    return limits_of(model, known.named(environment))


def _read(
    model: ParamModel, line: str, parameter: Parameter, raw: Any, problems: list[str]
) -> tuple[tuple[tuple[str, float], ...], tuple[Any, ...]] | None:
    """Return the bounds and choices of a limit, or None for what is none."""
    if parameter.is_environment:
        problems.append(f"{line}: must be left out: `writable` says where runs may write")
        return None
    # What stands where a reference belongs may be the secret itself.
    got = Hidden() if parameter.holds_secret else quoted(raw)
    if isinstance(raw, list | tuple) and raw:
        found = [_checked(model, line, parameter, one, problems) for one in raw]
        return None if ... in found else ((), tuple(found))
    parts = [_BOUND.fullmatch(part.strip()) for part in str(raw).split(" and ")]
    if not isinstance(raw, str) or None in parts:
        problems.append(f"{line}: {_RULE}, but got {got}")
        return None
    bounds = [(part[1], _number(part[2])) for part in parts if part is not None]
    found = [
        _checked(model, line, parameter, _nearest(parameter, *one), problems) for one in bounds
    ]
    if ... in found:
        return None
    low, high = ([one for one in bounds if one[0][0] == side] for side in "><")
    if len(low) > 1 or len(high) > 1:
        problems.append(f"{line}: must have one bound on each side, but got {got}")
        return None
    if low and high and not _leave_a_value(low[0], high[0]):
        problems.append(f"{line}: must leave a value, but got {got}")
        return None
    return tuple(bounds), ()


def _checked(
    model: ParamModel, line: str, parameter: Parameter, raw: Any, problems: list[str]
) -> Any:
    """Return a value of a limit as the parameter has it, or `...` if it can never have it."""
    try:
        return model.validate(nested({parameter.dotted: raw})).flat([parameter.group])[
            parameter.dotted
        ]
    except ParamsError as error:
        own = [one for one in error.problems if parameter.dotted in one.partition(" ")[0]]
    if own:
        problems.append(f"{line}: what it limits to must be possible at all, but {own[0]}")
        return ...
    # Others are lacking, or do not go with it: not the limit's to say.
    return plain(parameter.read(raw))


def _nearest(parameter: Parameter, sign: str, limit: float) -> float:
    """Return the number next to a bound that is within it."""
    if "=" in sign:
        return limit
    if parameter.kind.whole and not parameter.kind.number:
        return limit + (1 if sign == ">" else -1)
    return math.nextafter(limit, math.inf if sign == ">" else -math.inf)


def _leave_a_value(low: tuple[str, float], high: tuple[str, float]) -> bool:
    return low[1] < high[1] or (low[1] == high[1] and low[0] + high[0] == ">=<=")


def _number(text: str) -> float:
    return float(text) if set(text) & set(".eE") else int(text)
