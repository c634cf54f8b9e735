"""What became of many dates: how many are done, why others failed, and what the metrics came to."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final

from ml_pipeline import svg
from ml_pipeline.params.as_of import AsOf, noun_of
from ml_pipeline.runs.date_result import DateResult
from ml_pipeline.store.record import Objective
from ml_pipeline.text import counted

_MOST_LISTED: Final = 5


@dataclass(frozen=True)
class Figures:
    """One metric over the dates that have it.

    Attributes:
        sd: sample standard deviation; None for one date.
        lowest: the smallest value and its date.
        highest: the largest value and its date.
        worst: whichever of the two is worse; None where nothing says which way is better.
    """

    mean: float
    sd: float | None
    lowest: tuple[AsOf | None, float]
    highest: tuple[AsOf | None, float]
    worst: tuple[AsOf | None, float] | None


@dataclass(frozen=True)
class RangeReport:
    """The dates of a run or backfill together.

    Attributes:
        results: one for each date, in order.
    """

    results: Sequence[DateResult]

    @property
    def done(self) -> list[DateResult]:
        """The dates that are done."""
        return [result for result in self.results if result.error is None]

    @property
    def reused(self) -> int:
        """How many dates had nothing left to compute."""
        return sum(result.reused for result in self.done)

    @cached_property
    def failures(self) -> dict[str, list[AsOf | None]]:
        """The dates that failed, by reason."""
        found: dict[str, list[AsOf | None]] = {}
        for result in self.results:
            if result.error is not None:
                found.setdefault(result.error, []).append(result.as_of)
        return found

    @cached_property
    def objective(self) -> Objective | None:
        """What the dates are judged by, where that is one thing."""
        found = {result.objective for result in self.done if result.objective is not None}
        return found.pop() if len(found) == 1 else None

    @cached_property
    def figures(self) -> dict[str, Figures]:
        """Every metric over the dates, that of the objective and its baseline first."""
        names = dict.fromkeys(name for result in self.done for name in result.metrics)
        return {name: self._of(name) for name in sorted(names, key=self._is_minor)}

    @property
    def sentence(self) -> str:
        """The report in one line."""
        failed = sum(len(days) for days in self.failures.values())
        parts = [f"{len(self.done)} done ({self.reused} reused)"]
        parts += [f"{failed} failed"] if failed else []
        dates = counted(len(self.results), noun_of(result.as_of for result in self.results))
        told = f"{dates}: {', '.join(parts)}"
        if self.objective is None or self.objective.metric not in self.figures:
            return told
        metric = self.objective.metric
        figures = self.figures[metric]
        told += f"; {metric} mean {figures.mean:.4g}"
        if figures.sd is not None:
            told += f", sd {figures.sd:.4g}"
        if figures.worst is not None:
            told += f", worst {figures.worst[1]:.4g} on {figures.worst[0]}"
        if (baseline := self.objective.baseline) in self.figures:
            told += f" ({baseline} mean {self.figures[baseline].mean:.4g})"
        return told

    @property
    def reasons(self) -> list[str]:
        """A line for each reason why dates failed."""
        return [f"{listed(days)} failed: {reason}" for reason, days in self.failures.items()]

    def table(self) -> tuple[list[str], list[list[Any]]]:
        """Return the metrics over the dates: names of columns, and rows."""
        columns = ["metric", "mean", "sd", "lowest", "lowest on", "highest", "highest on"]
        rows = [
            [
                name,
                figures.mean,
                "" if figures.sd is None else figures.sd,
                *(
                    part
                    for day, value in (figures.lowest, figures.highest)
                    for part in (value, day)
                ),
            ]
            for name, figures in self.figures.items()
        ]
        return columns, rows

    def document(self) -> dict[str, Any]:
        """Return the report in JSON form."""
        return {
            "dates": len(self.results),
            "done": len(self.done),
            "reused": self.reused,
            "failed": len(self.results) - len(self.done),
            "failures": {
                reason: [_key(day) for day in days] for reason, days in self.failures.items()
            },
            "metrics": {
                name: {
                    "mean": figures.mean,
                    "sd": figures.sd,
                    "lowest": _pair(figures.lowest),
                    "highest": _pair(figures.highest),
                    "worst": _pair(figures.worst),
                }
                for name, figures in self.figures.items()
            },
        }

    def picture(self) -> str | None:
        """Draw the metric of the objective and its baseline over the dates.

        Returns:
            An SVG, or None where fewer than two dates have the metric.
        """
        if self.objective is None:
            return None
        names = [(self.objective.baseline, svg.AMBER, "5 4"), (self.objective.metric, svg.BLUE, "")]
        lines = [
            svg.Line(name, [one.metrics.get(name) for one in self.results], color, dash=dash)
            for name, color, dash in names
            if name is not None
        ]
        if sum(value is not None for value in lines[-1].values) < 2:
            return None
        return svg.over_days(self.sentence, [one.as_of or "" for one in self.results], lines)

    def _of(self, name: str) -> Figures:
        known = [(r.as_of, r.metrics[name]) for r in self.done if name in r.metrics]
        values = [value for _, value in known]
        mean = math.fsum(values) / len(values)
        squares = math.fsum((value - mean) ** 2 for value in values)
        lowest = min(known, key=lambda pair: pair[1])
        highest = max(known, key=lambda pair: pair[1])
        worst = None
        if self.objective is not None and name in (self.objective.metric, self.objective.baseline):
            worst = highest if self.objective.direction == "minimize" else lowest
        sd = math.sqrt(squares / (len(values) - 1)) if len(values) > 1 else None
        return Figures(mean, sd, lowest, highest, worst)

    def _is_minor(self, name: str) -> bool:
        main = self.objective
        return main is None or name not in (main.metric, main.baseline)


def _pair(found: tuple[AsOf | None, float] | None) -> dict[str, Any] | None:
    return {"date": _key(found[0]), "value": found[1]} if found is not None else None


def _key(as_of: AsOf | None) -> str | None:
    return None if as_of is None else str(as_of)


def listed(things: Sequence[Any]) -> str:
    """Return the first few of many things in one line, and how many more there are."""
    shown = ", ".join(map(str, things[:_MOST_LISTED]))
    more = len(things) - _MOST_LISTED
    return shown + (f" and {more} more" if more > 0 else "")
