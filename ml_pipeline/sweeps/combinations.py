"""Listed values and what they come to: every combination, validated, each once."""

import itertools
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final

from ml_pipeline.errors import ParamsError
from ml_pipeline.sweeps.options import MOST_COMBINATIONS, SearchOptions
from ml_pipeline.sweeps.trial import Base, Trial

_MOST_TOLD: Final = 3
_SIGNS: Final = (", but got ", " (got ")

Rows = Sequence[Mapping[str, Any]]


@dataclass(frozen=True)
class Combinations:
    """What the listed values come to.

    Attributes:
        asked: number of combinations.
        trials: the valid ones, no two alike.
        duplicates: how many were the same as an earlier one.
        invalid: how many are not valid.
        problems: why they are not, with how many each concerns.
    """

    asked: int = 0
    trials: Sequence[Trial] = ()
    duplicates: int = 0
    invalid: int = 0
    problems: Mapping[str, int] = field(default_factory=dict)

    def with_origins(self, origins: Mapping[str, str]) -> "Combinations":
        """Return the same combinations, their fixed values from elsewhere."""
        return replace(self, trials=[trial.with_origins(origins) for trial in self.trials])


def combine(
    base: Base, listed: Mapping[str, Sequence[Any]], rows: Rows, options: SearchOptions
) -> Combinations:
    """Return all combinations of listed values.

    Args:
        base: what they share.
        listed: raw values by dotted name.
        rows: combinations of raw values by dotted name, to be combined with the others.
        options: how many there may be, and whether invalid ones may be left out.

    Raises:
        ParamsError: if there are too many, or some are not valid and may not be left out.
    """
    asked = math.prod(len(values) for values in listed.values()) * max(1, len(rows))
    if asked > options.max_trials:
        sizes = [f"{name} {len(values)}" for name, values in listed.items()]
        if rows:
            sizes.append(f"trials {len(rows)}")
        problem = (
            f"a sweep may have at most {options.max_trials} combinations, but this one"
            f" has {asked} ({' x '.join(sizes)}): "
        )
        if asked <= MOST_COMBINATIONS:
            problem += f"list fewer values, choose a search strategy, or set max_trials={asked}"
        else:
            problem += "list fewer values, or choose a search strategy"
        raise ParamsError([problem])
    trials: dict[str, Trial] = {}
    invalid, duplicates = 0, 0
    found: dict[str, int] = {}
    for varied in _assignments(listed, rows):
        try:
            trial = base.trial(varied, len(trials))
        except ParamsError as error:
            invalid += 1
            for problem in error.problems:
                found[problem] = found.get(problem, 0) + 1
            continue
        if trial.key in trials:
            duplicates += 1
        else:
            trials[trial.key] = trial
    problems = by_rule(found)
    if problems and not (options.skip_invalid and trials):
        raise ParamsError(
            [
                problem if count == asked else f"{problem} ({count} of {asked} combinations)"
                for problem, count in problems.items()
            ]
        )
    return Combinations(asked, list(trials.values()), duplicates, invalid, problems)


def by_rule(problems: Mapping[str, int]) -> dict[str, int]:
    """Tell what breaks one rule in one line, however many values do.

    Args:
        problems: lines, with how many combinations each concerns.
    """
    rules: dict[tuple[str, str], dict[str, int]] = {}
    for problem, count in problems.items():
        sign = next((sign for sign in _SIGNS if sign in problem), "")
        rule, _, got = problem.partition(sign) if sign else (problem, "", "")
        rules.setdefault((rule, sign), {})[got] = count
    told = {}
    for (rule, sign), values in rules.items():
        told[f"{rule}{sign}{_some(list(values))}"] = sum(values.values())
    return told


def _some(values: Sequence[str]) -> str:
    if len(values) <= _MOST_TOLD:
        *first, last = values
        return f"{', '.join(first)} and {last}" if first else last
    return f"{', '.join(values[:_MOST_TOLD])} and {len(values) - _MOST_TOLD} more"


def _assignments(listed: Mapping[str, Sequence[Any]], rows: Rows) -> Iterator[dict[str, Any]]:
    for row in rows or [{}]:
        for values in itertools.product(*listed.values()):
            yield {**row, **dict(zip(listed, values, strict=True))}
