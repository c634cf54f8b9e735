"""A gate: what the metrics of a candidate must be, beside those of the champion, to pass.

    gate = Gate.of(["mape <= 0.25", "mape within 2%"], min_dates=14)
    outcome = gate.judge(candidate, champion, objective)
    outcome.passed, outcome.sentence, outcome.model_dump(mode="json")

Means are compared, over the dates at which both have the metric; nothing is computed or read here.
Each criterion needs `min_dates` such dates. Where there is no champion yet, bounds hold for all the
candidate's own dates, and what compares with the champion is skipped, in words. A number that is
not finite fails. A candidate that is better at every date never fails what a worse one passes.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from fractions import Fraction
from typing import Annotated, Any, Final, Literal, TypeAlias

import pydantic

from ml_pipeline.errors import QueryError, nearest
from ml_pipeline.params.as_of import AsOf, by_key, span
from ml_pipeline.runs.criterion import Criterion
from ml_pipeline.store.document import Part
from ml_pipeline.store.record import Direction, Objective
from ml_pipeline.text import apart, counted, quoted, shortened

Judged: TypeAlias = Mapping[AsOf | None, Mapping[str, float]]
"""Metrics by name, by date."""

_MOST_DATES: Final = 100_000


def _criterion(given: Any) -> Criterion:
    if isinstance(given, Criterion):
        return given
    if not isinstance(given, str):
        problem = f"a criterion must be text, but got {quoted(given)}"
        raise ValueError(problem)  # noqa: TRY004 - pydantic lets a TypeError pass
    try:
        return Criterion.read(given)
    except QueryError as error:
        raise ValueError(error.problems[0]) from None


class Figure(Part):
    """What one criterion came to, as it is recorded.

    Attributes:
        criterion: as it can be typed.
        metric: its metric.
        direction: which way is better.
        candidate: the candidate's mean; None where there is no finite one.
        champion: the champion's; None where there is none.
        difference: candidate minus champion.
        limit: the value that the candidate has to keep to.
        dates: how many dates were compared.
        verdict: skipped is what compares with a champion where there is none.
        said: the verdict in words.
    """

    criterion: str
    metric: str
    direction: Direction
    candidate: pydantic.FiniteFloat | None = None
    champion: pydantic.FiniteFloat | None = None
    difference: pydantic.FiniteFloat | None = None
    limit: pydantic.FiniteFloat | None = None
    dates: int
    verdict: Literal["passed", "failed", "skipped"]
    said: str


class Outcome(Part):
    """What a gate came to, as it is recorded.

    Attributes:
        passed: whether no criterion failed and there were dates enough.
        dates: keys of the dates that both have, in order; the candidate's where there is no
            champion. None for a pipeline without dates.
        min_dates: how many were needed.
        figures: one for each criterion.
        sentence: all of it in one sentence.
    """

    passed: bool
    dates: tuple[str, ...]
    min_dates: int
    figures: tuple[Figure, ...]
    sentence: str


class Gate(Part):
    """What a candidate must fulfil, the same from the command line, settings and Dagster config.

    Attributes:
        criteria: as they are typed; see `Criterion`.
        min_dates: fewest dates that each is judged over.
    """

    criteria: tuple[
        Annotated[
            Criterion,
            pydantic.PlainValidator(_criterion),
            pydantic.PlainSerializer(str, return_type=str),
        ],
        ...,
    ] = ()
    min_dates: Annotated[int, pydantic.Field(ge=1, le=_MOST_DATES, strict=True)] = 1

    @classmethod
    def of(cls, criteria: Iterable[str] = (), min_dates: int = 1) -> "Gate":
        """Return the gate of criteria as they are typed.

        Raises:
            QueryError: naming every problem.
        """
        return cls.read({"criteria": list(criteria), "min_dates": min_dates})

    @classmethod
    def read(cls, values: Mapping[str, Any], where: str = "gate") -> "Gate":
        """Return the gate of ``{"criteria": [text, ...], "min_dates": number}``.

        Args:
            values: of settings, Dagster config or a request.
            where: what problems call the place that they stand in.

        Raises:
            QueryError: naming every problem.
        """
        try:
            gate = cls.model_validate(dict(values))
        except pydantic.ValidationError as error:
            raise QueryError([_problem(where, found) for found in error.errors()]) from None
        if problems := [f"{where}: {line}" for line in gate._without_effect()]:
            raise QueryError(problems)
        return gate

    def judge(
        self, candidate: Judged, champion: Judged | None, objective: Objective | None
    ) -> Outcome:
        """Compare a candidate with the champion.

        What makes the two comparable, such as one objective and the same judged days, is the
        caller's to see to: dates at which they are not are to be left out of both.

        Args:
            candidate: its metrics by date.
            champion: the champion's; None where there is none yet.
            objective: what both declare to be compared by.

        Returns:
            The figures of every criterion, and whether all hold.

        Raises:
            QueryError: if a criterion names no metric of the candidate, nothing says which way is
                better, or a bound is on the wrong side of the objective's metric.
        """
        directions = self._directions(candidate, objective)
        shared = candidate.keys() if champion is None else candidate.keys() & champion.keys()
        dates = sorted(shared, key=by_key)
        figures = [
            _figure(one, directions[place], dates, candidate, champion, self.min_dates)
            for place, one in enumerate(self.criteria)
        ]
        failed = [figure for figure in figures if figure.verdict == "failed"]
        passed = not failed and len(dates) >= self.min_dates
        return Outcome(
            passed=passed,
            dates=tuple(str(day) for day in dates if day is not None),
            min_dates=self.min_dates,
            figures=tuple(figures),
            sentence=_sentence(figures, dates, self.min_dates, champion is None),
        )

    def _without_effect(self) -> Iterable[str]:
        """Tell which criteria another one of the same metric makes void."""
        known: dict[tuple[str, str], Criterion] = {}
        for one in self.criteria:
            side = "champion" if one.is_relative else str(one.direction)
            other = known.setdefault((one.metric, side), one)
            if other is not one:
                yield f"one criterion of a kind is enough: keep {other} or {one}"

    def _directions(self, candidate: Judged, objective: Objective | None) -> list[Direction]:
        problems = []
        found: list[Direction] = []
        names = sorted({name for metrics in candidate.values() for name in metrics})
        for one in self.criteria:
            declared = None
            if objective is not None and objective.metric == one.metric:
                declared = objective.direction
            direction = one.direction or declared
            criterion, metric = quoted(str(one)), quoted(one.metric)
            if candidate and one.metric not in names:
                problems.append(
                    f"{metric} of {criterion} is none of the metrics of the candidate."
                    f"{nearest(one.metric, names)} There are {', '.join(names) or 'none'}"
                )
            elif direction is None:
                typed = f"{shortened(one.metric)}:minimize {one.relation} {one.size}"
                problems.append(
                    f"which way is better must be told for {metric}: type {typed}, or :maximize"
                )
            elif declared not in (None, direction):
                problems.append(
                    f"{criterion} must not refuse what is better, but results {declared}"
                    f" {one.metric}: bound it on the other side"
                )
            else:
                found.append(direction)
        if problems:
            raise QueryError(problems)
        return found


def _figure(
    criterion: Criterion,
    direction: Direction,
    dates: Sequence[AsOf | None],
    candidate: Judged,
    champion: Judged | None,
    min_dates: int,
) -> Figure:
    metric = criterion.metric
    sides = [candidate] if champion is None else [candidate, champion]
    having = [day for day in dates if all(metric in side[day] for side in sides)]
    means = [_mean([side[day][metric] for day in having]) for side in sides]
    mean, beside = means[0], means[1] if champion is not None else None
    verdict: Literal["passed", "failed", "skipped"] = "failed"
    limit = None
    odd = [day for day in having if not all(math.isfinite(side[day][metric]) for side in sides)]
    if champion is None and criterion.is_relative:
        verdict, said = "skipped", f"'{criterion}' asks nothing, since there is no champion yet"
    elif len(having) < min_dates:
        whose = "that both have" if champion is not None else "of the candidate"
        needed = f"{counted(min_dates, 'date')} {whose}"
        said = f"'{criterion}' needs {needed}, but there are {len(having)}"
    elif odd or mean is None or (champion is not None and beside is None):
        said = f"{metric} must be a finite number, but is none at {span(odd)}"
    else:
        limit = criterion.limit(beside, direction)
        verdict = "passed" if criterion.is_met(mean, beside, direction) else "failed"
        said = _said(criterion, direction, mean, beside, limit, verdict == "passed")
    return Figure(
        criterion=str(criterion),
        metric=metric,
        direction=direction,
        candidate=_float(mean),
        champion=_float(beside),
        difference=_float(mean - beside if mean is not None and beside is not None else None),
        limit=_float(limit),
        dates=len(having),
        verdict=verdict,
        said=said,
    )


def _mean(values: Sequence[float]) -> Fraction | None:
    """Return the exact mean: that of equal values is their value, which no sum of floats is."""
    if not values or not all(map(math.isfinite, values)):
        return None
    return sum(map(Fraction, values), Fraction()) / len(values)


def _float(value: Fraction | None) -> float | None:
    """Return a number as it is recorded; None for what is beyond a float."""
    try:
        return float(value) if value is not None else None
    except OverflowError:
        return None


def _said(
    criterion: Criterion,
    direction: Direction,
    candidate: Fraction,
    champion: Fraction | None,
    limit: Fraction,
    passed: bool,
) -> str:
    # What is beyond a float is a limit that nobody reaches.
    known = (_float(value) for value in (candidate, champion or Fraction(), limit))
    here, there, needed = apart(*(math.inf if value is None else value for value in known))
    what = f"{criterion.metric} {here}"
    if champion is None or not criterion.is_relative:
        return f"{what} is {'' if passed else 'not '}{criterion.relation} {criterion.size}"
    most = f"must be at {'most' if direction == 'minimize' else 'least'} {needed}"
    if criterion.relation == "better by":
        by = f"better than the champion's {there} by {criterion.size} or more"
        return f"{what} is {by}" if passed else f"{what} {most} and {by}"
    if not passed:
        is_nothing = criterion.percent and not criterion.amount and not champion
        room = f", and {criterion.size} of 0 is nothing: 'or 0.01' gives room" if is_nothing else ""
        return f"{what} {most}, within {criterion.size} of the champion's {there}{room}"
    if candidate == champion:
        return f"{what} is that of the champion"
    if (candidate < champion) == (direction == "minimize"):
        return f"{what} is better than the champion's {there}"
    return f"{what} is within {criterion.size} of the champion's {there}"


def _sentence(
    figures: Sequence[Figure], dates: Sequence[AsOf | None], min_dates: int, is_first: bool
) -> str:
    over = f"over {span(dates)}"
    if len(dates) < min_dates:
        whose = "of the candidate" if is_first else "that both have"
        needed = f"{counted(min_dates, 'date')} {whose} must be compared"
        return f"The candidate fails: {needed}, but there are {len(dates)}."
    if failed := [figure.said for figure in figures if figure.verdict == "failed"]:
        of = f" {len(failed)} of {len(figures)} criteria" if len(figures) > 1 else ""
        return f"The candidate fails{of}: {'; '.join(failed)}; {over}."
    asked = "; ".join(figure.said for figure in figures) or "nothing is asked of its metrics"
    return f"The candidate passes: {asked}; {over}."


def _problem(where: str, found: Any) -> str:
    if found["type"] == "value_error":
        return f"{where}: {found['ctx']['error']}"
    place = ".".join(str(part) for part in (where, *found["loc"]))
    return f"{place}: {found['msg'][0].lower()}{found['msg'][1:]}, but got {quoted(found['input'])}"
