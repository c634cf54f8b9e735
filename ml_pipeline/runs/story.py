"""What a run tells while it goes on: ten lines at most, however many dates and stages it has."""

import time
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Final

from ml_pipeline.params.as_of import AsOf, noun_of, span
from ml_pipeline.params.model import ParamSet
from ml_pipeline.runs.date_result import DateResult
from ml_pipeline.runs.decisions import Outcome
from ml_pipeline.runs.range_report import RangeReport
from ml_pipeline.text import counted, shortened

_MOST_ON_THE_WAY: Final = 8
"""Lines between the first and the last."""


class Story:
    """The story of a run, told as it happens."""

    def __init__(
        self,
        say: Callable[[str], object],
        params: ParamSet,
        dates: Sequence[AsOf | None],
        stages: Sequence[str],
    ) -> None:
        """Begin it.

        Args:
            say: takes a line.
            params: what is run.
            dates: in order; None alone for a run without.
            stages: names of the assets that are made.
        """
        self._say = say
        self._dates = dates
        self._stages = stages
        self._began = time.monotonic()
        self._told = 0
        self._reused: list[str] = []
        environment = params.options.environment
        at = "" if None in dates else f"{span(dates)}: "
        within = f" in environment {environment}" if environment is not None else ""
        self._say(f"{at}{', '.join(stages)}{within}; {not_default(params)}")

    def made(self, outcome: Outcome) -> None:
        """Tell of an artifact; of many dates, and of what is reused, only in sum."""
        record = outcome.record
        if len(self._dates) > 1 or outcome.reused:
            self._reused += [record.asset] if outcome.reused else []
        elif self._told < _MOST_ON_THE_WAY:
            self._told += 1
            told = outcome.reason or f"{record.asset}: computed"
            self._say(f"{told} ({record.run_id}, {record.duration_s:.2g} s)")

    def over(self, results: Sequence[DateResult]) -> None:
        """Tell how far it is, every now and then.

        Args:
            results: the dates that are over.
        """
        count, total = len(results), len(self._dates)
        if count == total or count * (_MOST_ON_THE_WAY + 1) // total <= self._told:
            return
        self._told = count * (_MOST_ON_THE_WAY + 1) // total
        left = (time.monotonic() - self._began) / count * (total - count)
        failed = Counter(result.error is not None for result in results)[True]
        told = f", {failed} of them failed" if failed else ""
        self._say(
            f"{count} of {counted(total, noun_of(self._dates))} are over{told}; about {left:.0f} s"
            " left"
        )

    def ended(self, report: RangeReport) -> None:
        """Tell what it came to.

        Args:
            report: on all dates.
        """
        if len(self._dates) > 1:
            self._say("\n".join([report.sentence, *report.reasons]))
            return
        for result in report.results:
            reused = f"Reused: {', '.join(self._reused)}. " if self._reused else ""
            judged = result.objective
            values = [judged.metric, judged.baseline] if judged is not None else []
            metrics = [
                f"{name} {result.metrics[name]:.4g}" for name in values if name in result.metrics
            ]
            if result.error is None:
                came_to = f": {', '.join(metrics)}" if metrics else ""
                self._say(f"{reused}Run {result.run_id} is done{came_to}")


def not_default(params: ParamSet, most: int = 8) -> str:
    """Say which parameters have other values than their defaults, and where these came from.

    Args:
        params: the parameters.
        most: how many are named; the others are counted.
    """
    values = params.flat()
    given = [
        f"{one.told}={shortened(values[one.dotted])} ({params.origin(one.dotted)})"
        for one in params.model.parameters()
        if one.dotted in params.origins and values.get(one.dotted, one.default) != one.default
    ]
    more = len(given) - most
    told = [*given[:most], *([f"{more} more"] if more > 0 else [])]
    return f"not default: {', '.join(told) or 'nothing'}"
