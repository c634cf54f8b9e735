"""What can be ranked together: parameter sets judged on the same data, at dates that they share.

A naive baseline has one value for one set of judged days, whatever the parameters. So results are
kept apart if their baselines differ at any date, or if they have no date in common. Without a
baseline only the dates are compared: declare one.

Of what is left, some dates are chosen at which many rows can be compared well: the error of a mean
shrinks with the root of the number of dates, so the comparisons with the best row count, times
that root. Rows that lack a few of these dates stand below, with what they lack. Rows that have
few of them, or much more to be compared at, are ranked once more, over the dates that they share.
"""

import math
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from functools import cached_property
from itertools import combinations
from typing import Any, Final

from ml_pipeline.leaderboard.cells import Cell
from ml_pipeline.leaderboard.groups import agree
from ml_pipeline.params.as_of import AsOf, by_key
from ml_pipeline.store.record import Objective

_MOST_TABLES: Final = 6
_MOST_PAIRED: Final = 60

Judged = tuple[Cell, Objective]
Days = frozenset[AsOf | None]
InOrder = Callable[[AsOf | None], Any]


@dataclass
class Results:
    """The results of one parameter set.

    Attributes:
        key: its identity, apart from any date.
        judged: what it came to, with what that is compared by; the last one of a date counts.
        in_order: returns a key that puts dates in order.
    """

    key: str
    judged: list[Judged]
    in_order: InOrder = by_key

    @cached_property
    def cells(self) -> dict[AsOf | None, Cell]:
        """The results by date, in order."""
        return {
            cell.as_of: cell
            for cell, _ in sorted(self.judged, key=lambda p: self.in_order(p[0].as_of))
        }

    @cached_property
    def days(self) -> Days:
        """The dates that it was run for."""
        return frozenset(self.cells)

    @cached_property
    def yardstick(self) -> dict[AsOf | None, float]:
        """The declared baseline at the dates that have it: the same for the same judged days."""
        found = {}
        for day, cell in self.cells.items():
            name = cell.objective.baseline if cell.objective is not None else None
            if name is not None and name in cell.metrics:
                found[day] = cell.metrics[name]
        return found


@dataclass
class Part:
    """Parameter sets that were judged on the same data, each at a date that another one has.

    Attributes:
        yardstick: the declared baseline by date.
        days: all dates.
        members: the parameter sets.
    """

    yardstick: dict[AsOf | None, float]
    days: set[AsOf | None]
    members: list[Results]

    @property
    def in_order(self) -> InOrder:
        """Returns a key that puts dates in order."""
        return self.members[0].in_order


@dataclass(frozen=True)
class Table:
    """Some parameter sets and the dates to compare them at, in order."""

    dates: Sequence[AsOf | None]
    members: Sequence[Results]


def parts(results: Iterable[Results], is_asked: bool) -> list[Part]:
    """Part the results of parameter sets by the data that they were judged on.

    Args:
        results: what can be told apart by nothing else.
        is_asked: whether the dates to compare are given: then none in common is no reason.
    """
    found: list[Part] = []
    for one in sorted(results, key=lambda one: (not one.yardstick, -len(one.days), one.key)):
        alike = [
            part
            for part in found
            if (is_asked or part.days & one.days) and agree(part.yardstick, one.yardstick)
        ]
        # What failed everywhere says nothing of its data: it stands where most of its dates are.
        alike.sort(key=lambda part: (-len(part.days & one.days), -len(part.members)))
        if not alike:
            found.append(Part(dict(one.yardstick), set(one.days), [one]))
            continue
        first, *others = alike if one.yardstick else alike[:1]
        _add(first, one.yardstick, one.days, [one])
        for other in others:
            if agree(first.yardstick, other.yardstick):
                _add(first, other.yardstick, other.days, other.members)
                found.remove(other)
    return found


def _add(
    part: Part,
    yardstick: Mapping[AsOf | None, float],
    days: Iterable[AsOf | None],
    members: Sequence[Results],
) -> None:
    part.yardstick.update(yardstick)
    part.days.update(days)
    part.members.extend(members)


def tables(part: Part) -> Iterator[Table]:
    """Yield the tables in which the members of a part are ranked, the one that tells most first."""
    left = list(part.members)
    unplaced = list(part.members)
    used: set[Days] = set()
    counts = Counter(day for one in part.members for day in one.days)
    shared = {day for day, count in counts.items() if count > 1}
    while left and len(used) < _MOST_TABLES:
        dates = _most_to_compare(part, left, used)
        if dates is None:
            break
        used.add(dates)
        members = [
            one
            for one in part.members
            if one.days >= dates or (one in left and 2 * len(one.days & dates) >= len(dates))
        ]
        yield Table(sorted(dates, key=part.in_order), members)
        placed = {one.key for one in members}
        unplaced = [one for one in unplaced if one.key not in placed]
        left = [one for one in left if one.key not in placed or _has_more(one, dates, shared)]
    if unplaced:
        largest = max(unplaced, key=lambda one: (len(one.days), one.key))
        yield Table(sorted(largest.days, key=part.in_order), unplaced)


def _has_more(one: Results, dates: Days, shared: AbstractSet[AsOf | None]) -> bool:
    """Whether dates are fewer than half of those that a row shares with any other."""
    return 2 * len(one.days & dates) < len(one.days & shared)


def _most_to_compare(part: Part, left: Sequence[Results], used: AbstractSet[Days]) -> Days | None:
    """Return the dates at which the rows that are left can be compared best; None without any."""
    sets = Counter(one.days for one in part.members)
    new = Counter(one.days for one in left)
    candidates = set(sets)
    if len(sets) <= _MOST_PAIRED:
        candidates |= {one & other for one, other in combinations(sets, 2) if one & other}
    having = {days: _count(sets, days) for days in candidates}

    def gain(days: Days) -> tuple[float, int, list[tuple[Any, ...]]]:
        added = _count(new, days)
        compared = added if having[days] > added else added - 1
        # Of equal gains the more and the later dates.
        latest = sorted(map(part.in_order, days), reverse=True)
        return compared * math.sqrt(len(days)), len(days), latest

    wanted = [days for days in candidates - used if _count(new, days)]
    most = max(wanted, key=gain, default=None)
    if most is None or gain(most)[0] <= 0:
        return None
    # A row that lacks a few dates of most others does not take these from them.
    larger = [days for days in wanted if most < days and 2 * having[days] > having[most]]
    return max(larger, key=gain, default=most)


def _count(sets: Mapping[Days, int], days: Days) -> int:
    return sum(count for other, count in sets.items() if days <= other)
