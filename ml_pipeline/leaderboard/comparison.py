"""Two sides compared: every metric that both have, a paired test, and a verdict in one sentence."""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Final

from ml_pipeline.invocation import typed
from ml_pipeline.leaderboard.paired_test import LEAST, signed_rank_p, signed_rank_sum
from ml_pipeline.leaderboard.pairing import Pairing, Which, paired
from ml_pipeline.leaderboard.sides import Side
from ml_pipeline.params.as_of import AsOf, span
from ml_pipeline.runs.changes import differing
from ml_pipeline.runs.gate import Gate, Outcome
from ml_pipeline.store.record import Direction, Objective
from ml_pipeline.text import apart, counted

CHANCE: Final = 0.05
"""A difference with a lower p is said to be hardly one by chance."""

CAUTION: Final = (
    "p: Wilcoxon signed-rank test of the differences by date, two-sided. It is not corrected for"
    " the number of metrics, and takes dates for independent, though the days that they are judged"
    " on may overlap: a hint, not a proof."
)


@dataclass(frozen=True)
class Measure:
    """One metric of both sides.

    Attributes:
        metric: its name.
        direction: which way is better; None where nothing says so.
        values: that of the left and of the right by date, in order, where both have it.
    """

    metric: str
    direction: Direction | None
    values: Mapping[AsOf | None, tuple[float, float]] = field(repr=False)

    @cached_property
    def means(self) -> tuple[float, float]:
        """Mean of either side over the dates."""
        left, right = zip(*self.values.values(), strict=True)
        return _mean(left), _mean(right)

    @cached_property
    def differences(self) -> list[float]:
        """Right minus left by date."""
        return [right - left for left, right in self.values.values()]

    @cached_property
    def difference(self) -> float:
        """Mean of right minus left."""
        return _mean(self.differences)

    @cached_property
    def p_value(self) -> float | None:
        """Signed-rank test of the differences; None for too few dates."""
        return signed_rank_p(self.differences)

    @cached_property
    def better(self) -> Which | None:
        """Which side has the better mean; None for neither, or where nothing says what is."""
        return self.better_of(self.difference)

    @cached_property
    def favoured(self) -> Which | None:
        """The side that the test speaks for; None where it speaks for neither."""
        if self.p_value is None or self.p_value >= CHANCE:
            return None
        return self.better_of(signed_rank_sum(self.differences))

    def better_at(self, which: Which) -> int:
        """Return at how many dates a side is better."""
        return sum(self.better_of(one) == which for one in self.differences)

    def better_of(self, difference: float) -> Which | None:
        """Return which side a difference is in favour of."""
        if self.direction is None or not difference:
            return None
        return "right" if (difference < 0) == (self.direction == "minimize") else "left"


@dataclass(frozen=True)
class Comparison:
    """Two sides at the dates at which they can be compared.

    Attributes:
        left: one side.
        right: the other.
        pairing: the dates compared, and why others are not.
        measures: all metrics that both have; first that which they are compared by.
        cautions: what is to be known before anything is concluded.
    """

    left: Side
    right: Side
    pairing: Pairing
    measures: Sequence[Measure]
    cautions: Sequence[str]

    @property
    def objective(self) -> Objective:
        """What the sides are compared by."""
        return self.pairing.objective

    @property
    def dates(self) -> Sequence[AsOf | None]:
        """The dates compared, in order."""
        return self.pairing.dates

    @property
    def primary(self) -> Measure:
        """The metric that the sides are compared by."""
        return self.measures[0]

    @cached_property
    def baseline(self) -> list[float | None]:
        """The naive baseline at the dates compared; empty where there is none at all."""
        name = self.objective.baseline or ""
        values = [self.left.cells[day].metrics.get(name) for day in self.dates]
        return values if any(value is not None for value in values) else []

    @cached_property
    def parameters(self) -> dict[str, tuple[Any, Any]]:
        """The parameters that differ, by plain name."""
        return {name: (a, b) for name, a, b in differing(self.left.flat, self.right.flat)}

    @cached_property
    def codes(self) -> dict[str, tuple[str | None, str | None]]:
        """The code that differs at the last date compared, by stage."""
        left, right = (side.cells[self.dates[-1]].codes for side in (self.left, self.right))
        return {name: (a, b) for name, a, b in differing(left, right)}

    def side(self, which: Which) -> Side:
        """Return one of the sides."""
        return self.left if which == "left" else self.right

    @cached_property
    def verdict(self) -> str:
        """What the comparison comes to, in one sentence."""
        measure, over = self.primary, _over(self.dates)
        names = f"{self.left.name} and {self.right.name}"
        if not any(measure.differences):
            return f"{names} come to the same {measure.metric}{over}."
        if (which := measure.better) is None:
            return f"Neither of {names} is better on average: {self._figures}{over}{self._chance}."
        other: Which = "left" if which == "right" else "right"
        better, worse = measure.better_at(which), measure.better_at(other)
        at = f", better at {better} of them and worse at {worse}" if len(self.dates) > 1 else ""
        told = f"{self.side(which).name} is better than {self.side(other).name}"
        if worse >= better:
            told = f"On average {told}, but not at most dates"
        elif measure.favoured is None:
            told = f"On average {told}"
        return f"{told}: {self._figures}{over}{at}{self._chance}."

    @property
    def _figures(self) -> str:
        measure = self.primary
        left, right = measure.means
        if measure.better == "right":
            left, right = right, left
        return f"{measure.metric} {' against '.join(apart(left, right))}"

    @property
    def _chance(self) -> str:
        measure = self.primary
        if measure.p_value is None:
            return f"; too few dates to tell that from chance, since the test needs {LEAST}"
        told = f"(p = {measure.p_value:.2g})"
        if measure.favoured is None:
            return f", which may be chance {told}"
        if measure.favoured == measure.better:
            return f", hardly by chance {told}"
        return f"; the test speaks for {self.side(measure.favoured).name} {told}"

    def gated(self, gate: Gate) -> Outcome:
        """Judge the right side as a candidate, and the left one as the champion.

        Raises:
            QueryError: if the gate makes no sense for these metrics.
        """
        left, right = (
            {day: side.cells[day].metrics for day in self.dates} for side in (self.left, self.right)
        )
        return gate.judge(right, left, self.objective)


def compare(
    left: Side, right: Side, metric: str | None = None, direction: Direction | None = None
) -> Comparison:
    """Compare two sides; the arguments are those of `paired`.

    Raises:
        ParamsError: if there is nothing to compare, with what is missing and what makes it; or
            nothing says which way is better.
    """
    pairing = paired(left, right, metric, direction)
    measures = list(_measures(left, right, pairing))
    cautions = list(_cautions(left, right, pairing))
    return Comparison(left, right, pairing, measures, cautions)


def _measures(left: Side, right: Side, pairing: Pairing) -> Iterator[Measure]:
    dates, objective = pairing.dates, pairing.objective
    pairs = {day: (left.cells[day].metrics, right.cells[day].metrics) for day in dates}
    others = dict.fromkeys(name for here, there in pairs.values() for name in (*here, *there))
    for name in dict.fromkeys([objective.metric, *others]):
        values = {
            day: (here[name], there[name])
            for day, (here, there) in pairs.items()
            if name in here and name in there
        }
        if values:
            yield Measure(name, objective.direction if name == objective.metric else None, values)


def _cautions(left: Side, right: Side, pairing: Pairing) -> Iterator[str]:
    dates, objective = pairing.dates, pairing.objective
    for side in (left, right):
        if side.about:
            yield side.about
        if side.missed:
            told = f"{counted(side.missed, 'result')} of {side.name}"
            yield f"{told} cannot be read, `{typed('verify')}` says why"
        changed = dict.fromkeys(
            name
            for day in dates
            for name, _, _ in differing(side.cells[day].codes, side.cells[dates[-1]].codes)
        )
        if changed:
            names = ", ".join(changed)
            yield f"not all dates of {side.name} were made by one revision of the code of {names}"
    judge = left.cells[dates[-1]].asset
    if any(left.cells[day].codes.get(judge) != right.cells[day].codes.get(judge) for day in dates):
        yield (
            f"the code of '{judge}' differs, which measures both: {objective.metric} may mean"
            " another thing on either side"
        )
    cells = [left.cells[day] for day in dates]
    has_yardstick = any(c.objective and c.objective.baseline in c.metrics for c in cells)
    if not has_yardstick and left.key != right.key:
        yield ("no naive baseline tells whether both were judged on the same days of the same data")


def _over(dates: Sequence[AsOf | None]) -> str:
    return f" over {span(dates)}" if any(day is not None for day in dates) else ""


def _mean(values: Sequence[float]) -> float:
    return math.fsum(values) / len(values)
