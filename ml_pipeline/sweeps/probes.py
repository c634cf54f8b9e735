"""Probes: what a search may propose, tried at its ends and listed values before it begins."""

import itertools
from collections.abc import Mapping, Sequence
from typing import Any, Final

from ml_pipeline.errors import ParamsError
from ml_pipeline.sweeps.combinations import by_rule
from ml_pipeline.sweeps.space import Dimension, Values
from ml_pipeline.sweeps.trial import Base, Trial

_MOST_CORNERS: Final = 64
_MOST_LISTED: Final = 1000

Probes = Mapping[str, Sequence[Trial]]
"""A valid trial for each listed value and each end of an interval, by dotted name."""


def probe(base: Base, dimensions: Mapping[str, Dimension], skip_invalid: bool) -> Probes:
    """Return valid trials that take each listed value and each end of an interval.

    Args:
        base: what they share.
        dimensions: what is searched, by dotted name.
        skip_invalid: whether values that are never valid may be left out.

    Raises:
        ParamsError: if a value is never valid and may not be left out, or none is left.
    """
    long = [
        f"{name} lists {len(space.values):,} values, but a search takes at most {_MOST_LISTED:,}"
        " of them: give an interval, or list fewer"
        for name, space in dimensions.items()
        if isinstance(space, Values) and len(space.values) > _MOST_LISTED
    ]
    if long:
        raise ParamsError(long)
    valid: dict[str, list[Trial]] = {name: [] for name in dimensions}
    problems: dict[str, int] = {}
    for name, space in dimensions.items():
        for value in _ends(space):
            found = _with(base, dimensions, name, value)
            if isinstance(found, Trial):
                valid[name].append(found)
            else:
                problems.update(dict.fromkeys(found.problems, 1))
    if problems and not (skip_invalid and all(valid.values())):
        raise ParamsError(list(by_rule(problems)))
    return valid


def _with(
    base: Base, dimensions: Mapping[str, Dimension], name: str, value: Any
) -> Trial | ParamsError:
    """Return a valid trial that has a value, whatever the others are, or what is wrong."""
    others = {other: _ends(space) for other, space in dimensions.items() if other != name}
    first: ParamsError | None = None
    for values in itertools.islice(itertools.product(*others.values()), _MOST_CORNERS):
        try:
            return base.trial({name: value, **dict(zip(others, values, strict=True))}, 0)
        except ParamsError as error:
            first = first or error
            if any(problem.startswith(f"{name} ") for problem in error.problems):
                # Whatever the others are, this one is refused by itself.
                return error
    return first or ParamsError([f"{name} cannot be searched"])


def _ends(space: Dimension) -> tuple[Any, ...]:
    if isinstance(space, Values):
        return space.values
    return tuple(int(end) if space.whole else end for end in (space.low, space.high))
