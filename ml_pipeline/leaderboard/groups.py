"""Groups: rows that can be compared, and why one group stands apart from another."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Final

from ml_pipeline.leaderboard.rows import Row
from ml_pipeline.params.as_of import AsOf, span
from ml_pipeline.store.record import Objective
from ml_pipeline.text import counted, shortened

SAME: Final = 1e-9
"""Baselines that differ by less, relatively, are one value that was rounded."""

_MOST_NAMED: Final = 3


@dataclass(frozen=True)
class Group:
    """Rows that can be compared.

    Attributes:
        asset: the stage that judged.
        objective: what rows are compared by.
        dataset: the labels that say which data they are about.
        codes: code fingerprint of every stage, by name.
        dates: the dates compared, in order.
        left_out: other dates that some rows were run for.
        rows: the ranked ones, best first, then those that lack dates.
        yardstick: the declared baseline by date, of all that the rows were judged at.
        apart: why the group stands apart from one before it; empty for the first.
    """

    asset: str
    objective: Objective
    dataset: Mapping[str, Any]
    codes: Mapping[str, str]
    dates: Sequence[AsOf | None]
    left_out: Sequence[AsOf | None]
    rows: Sequence[Row]
    yardstick: Mapping[AsOf | None, float] = field(default_factory=dict, repr=False)
    apart: str = ""

    @property
    def ranked(self) -> list[Row]:
        """The rows that have all dates, best first."""
        return [row for row in self.rows if row.rank is not None]

    @cached_property
    def baseline(self) -> dict[AsOf | None, float | None]:
        """The naive baseline by date."""
        return {
            day: next(
                (row.baseline[day] for row in self.rows if row.baseline[day] is not None), None
            )
            for day in self.dates
        }

    @cached_property
    def baseline_mean(self) -> float | None:
        """Mean of the naive baseline over the dates, where all have it."""
        values = [value for value in self.baseline.values() if value is not None]
        if len(values) < len(self.dates) or not values:
            return None
        return math.fsum(values) / len(values)

    @cached_property
    def varying(self) -> list[str]:
        """Plain names of the parameters in which rows differ."""
        names = dict.fromkeys(name for row in self.rows for name in row.flat)
        return [name for name in names if len({repr(row.flat.get(name)) for row in self.rows}) > 1]

    @cached_property
    def constant(self) -> dict[str, Any]:
        """The parameters that all rows share."""
        flat = self.rows[0].flat if self.rows else {}
        return {name: value for name, value in flat.items() if name not in self.varying}

    @property
    def title(self) -> str:
        """What is compared, in a line."""
        about = [f"{name}={value}" for name, value in self.dataset.items()]
        return " ".join([*about, self.objective.metric, f"({self.objective.direction})"])

    @property
    def span(self) -> str:
        """The dates compared, in a phrase."""
        others = f"; {counted(len(self.left_out), 'other')} left out, which not all rows have"
        return span(self.dates) + (others if self.left_out else "")

    @property
    def has_more(self) -> bool:
        """Whether some rows were judged at other dates than those compared."""
        return any(len(row.own) > len(row.known) for row in self.rows)


def apart(group: Group, earlier: Sequence[Group]) -> str:
    """Say why a group does not stand together with the one before it that is most like it."""
    if not earlier:
        return ""
    told = sorted((_aspects(group, other) for other in earlier), key=len)
    return "; ".join(told[0])


def _aspects(group: Group, other: Group) -> list[str]:
    found = []
    if group.asset != other.asset:
        found.append(f"judged by '{group.asset}' instead of '{other.asset}'")
    for name, value in group.dataset.items():
        if other.dataset.get(name) != value:
            found.append(f"{name} {value} instead of {other.dataset.get(name, 'none')}")
    if group.objective != other.objective:
        here, there = (
            f"{one.metric} ({one.direction}, baseline {one.baseline or 'none'})"
            for one in (group.objective, other.objective)
        )
        found.append(f"compared by {here} instead of {there}")
    changed = [
        name
        for name in dict.fromkeys([*group.codes, *other.codes])
        if group.codes.get(name) != other.codes.get(name)
    ]
    if changed:
        found.append(f"another revision of the code of {', '.join(changed)}")
    if found:
        return found
    if not agree(group.yardstick, other.yardstick):
        return [_other_days(group, other)]
    told = f"{span(group.dates)} instead of {span(other.dates)}"
    shared = set(group.yardstick or group.dates) & set(other.yardstick or other.dates)
    return [f"compared over {told}" if shared else f"no date in common: {told}"]


def _other_days(group: Group, other: Group) -> str:
    """Say that two groups were judged on other days, and which parameters may be why."""
    reasons = []
    for name in dict.fromkeys([*group.rows[0].flat, *other.rows[0].flat]):
        here, there = (
            {repr(row.flat.get(name)): row.flat.get(name) for row in one.rows}
            for one in (group, other)
        )
        if not set(here) & set(there):
            named = [
                ", ".join(shortened(value) for value in list(values.values())[:_MOST_NAMED])
                for values in (here, there)
            ]
            reasons.append(f"{name} {named[0]} instead of {named[1]}")
    told = "judged on other days or other data, since the baseline differs"
    return f"{told} ({', '.join(reasons)})" if reasons else told


def agree(known: Mapping[AsOf | None, float], other: Mapping[AsOf | None, float]) -> bool:
    """Whether two baselines are the same at the dates that both have."""
    return all(
        math.isclose(known[day], value, rel_tol=SAME, abs_tol=SAME)
        for day, value in other.items()
        if day in known
    )
