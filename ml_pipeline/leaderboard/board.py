"""Which parameter set is best: results compared over dates, in groups that can be compared.

Two results are ranked together only if they answer the same question:

- they are compared by the same metric, in the same direction, against the same baseline;
- the same code computed them, from the first stage to the one that judges;
- they are about the same dataset, as the labels before the date in paths say;
- they were judged on the same days of the same data. Nothing here knows what holds out which days,
  but a naive baseline does: it has one value for one set of judged days, whatever the parameters.
  So results are kept apart if their baselines differ at any date. Without a baseline this cannot be
  seen: declare one.

Within a group, rows are ranked over the dates that give the most to compare: of the sets of dates
that some row has, the one for which rows with all of it, times dates, is largest; or a larger one
that most of these rows have. The union of all dates would let one run at another date disqualify
every other row. Rows without some of the dates stand below, unranked, with what they lack.
"""

import math
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from functools import cached_property
from itertools import groupby
from typing import Any, Final, Literal, TypeVar, get_args

from ml_pipeline.errors import ParamsError, nearest
from ml_pipeline.leaderboard.cells import Cell
from ml_pipeline.leaderboard.paired_test import signed_rank_p
from ml_pipeline.store.record import Objective

_SAME: Final = 1e-9
_MOST_NAMED: Final = 3

Direction = Literal["minimize", "maximize"]
_T = TypeVar("_T")


@dataclass(frozen=True)
class Row:
    """One parameter set over the dates that its group compares.

    Attributes:
        key: identity of the parameter set, apart from any date.
        params: its values, ``{group: {field: value}}``.
        cells: what it came to, for those of the dates that it was run for.
        values: the metric by date, None where it is missing.
        baseline: the naive baseline by date, None where it is missing.
        direction: which way is better.
        rank: its place, or None where it lacks dates; rows with equal means share one.
        is_tied: whether another row has the same rank.
    """

    key: str
    params: Mapping[str, Mapping[str, Any]]
    cells: Mapping[date | None, Cell] = field(repr=False)
    values: Mapping[date | None, float | None] = field(repr=False)
    baseline: Mapping[date | None, float | None] = field(repr=False)
    direction: Direction
    rank: int | None = None
    is_tied: bool = False

    @property
    def place(self) -> str:
        """The rank as it is shown: ``1``, ``2=`` where it is shared, ``-`` where there is none."""
        return "-" if self.rank is None else f"{self.rank}{'=' if self.is_tied else ''}"

    @cached_property
    def flat(self) -> dict[str, Any]:
        """The parameters by plain name."""
        return {name: value for group in self.params.values() for name, value in group.items()}

    @cached_property
    def known(self) -> list[float]:
        """The metric at the dates that have it, in order."""
        return [value for value in self.values.values() if value is not None]

    @cached_property
    def mean(self) -> float | None:
        """Mean over the dates."""
        return math.fsum(self.known) / len(self.known) if self.known else None

    @cached_property
    def sd(self) -> float | None:
        """Sample standard deviation over the dates; None for fewer than two."""
        if self.mean is None or len(self.known) < 2:
            return None
        squares = math.fsum((value - self.mean) ** 2 for value in self.known)
        return math.sqrt(squares / (len(self.known) - 1))

    @cached_property
    def worst(self) -> tuple[date | None, float] | None:
        """The worst value and its date, the first of equal ones."""
        known = [(day, value) for day, value in self.values.items() if value is not None]
        sign = 1 if self.direction == "minimize" else -1
        return max(known, key=lambda pair: sign * pair[1]) if known else None

    @cached_property
    def differences(self) -> list[float]:
        """Metric minus baseline at the dates that have both."""
        pairs = ((value, self.baseline[day]) for day, value in self.values.items())
        return [value - naive for value, naive in pairs if value is not None and naive is not None]

    @cached_property
    def difference(self) -> float | None:
        """Mean of metric minus baseline; below 0 is better for a metric to minimize."""
        found = self.differences
        return math.fsum(found) / len(found) if found else None

    @property
    def is_better(self) -> bool:
        """Whether the row beats the baseline on the mean."""
        sign = -1 if self.direction == "minimize" else 1
        return self.difference is not None and sign * self.difference > 0

    @cached_property
    def p_value(self) -> float | None:
        """Signed-rank test of the differences; not corrected for the number of rows."""
        return signed_rank_p(self.differences)

    @cached_property
    def seconds(self) -> float:
        """What computing all of its dates took."""
        return math.fsum(cell.seconds for cell in self.cells.values())

    @property
    def failures(self) -> dict[str, list[date | None]]:
        """The dates that failed, by reason."""
        found: dict[str, list[date | None]] = {}
        for day, cell in self.cells.items():
            if cell.error is not None:
                found.setdefault(cell.error, []).append(day)
        return found

    @property
    def lacks(self) -> str:
        """What keeps the row from being ranked, in words; empty where nothing does."""
        dates = f"of {_counted(len(self.values), 'date')}"
        parts = [
            f"failed at {len(days)} {dates}: {reason.partition(chr(10))[0]}"
            for reason, days in self.failures.items()
        ]
        failed = sum(len(days) for days in self.failures.values())
        if missing := len(self.values) - len(self.known) - failed:
            parts.insert(0, f"missing {missing} {dates}")
        return "; ".join(parts)


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
        apart: why the group stands apart from one before it; empty for the first.
    """

    asset: str
    objective: Objective
    dataset: Mapping[str, Any]
    codes: Mapping[str, str]
    dates: Sequence[date | None]
    left_out: Sequence[date | None]
    rows: Sequence[Row]
    apart: str = ""

    @property
    def ranked(self) -> list[Row]:
        """The rows that have all dates, best first."""
        return [row for row in self.rows if row.rank is not None]

    @cached_property
    def baseline(self) -> dict[date | None, float | None]:
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
        others = f"; {_counted(len(self.left_out), 'other')} left out, which not all rows have"
        return span(self.dates) + (others if self.left_out else "")


@dataclass(frozen=True)
class Leaderboard:
    """All groups.

    Attributes:
        groups: the one with the most ranked results first.
        set_aside: results that are in no group: how many, by reason.
    """

    groups: Sequence[Group]
    set_aside: Mapping[str, int] = field(default_factory=dict)

    @property
    def best(self) -> Row | None:
        """The best row of the first group."""
        ranked = self.groups[0].ranked if self.groups else []
        return ranked[0] if ranked else None


def leaderboard(
    cells: Iterable[Cell],
    metric: str | None = None,
    direction: Direction | None = None,
    dates: Sequence[date | None] | None = None,
) -> Leaderboard:
    """Compare results.

    Args:
        cells: what to compare, done or failed; the last one of a parameter set and date counts.
        metric: compare by this one instead of what the results declare. Its baseline is the one
            that is named alike: `naive_wape` for `wape`, where `naive_mape` is that of `mape`.
        direction: which way is better; needed for a metric that is not declared.
        dates: the dates to compare, but those at which nothing was judged; chosen if omitted.

    Raises:
        ParamsError: if no result has the metric, or nothing says which way is better.
    """
    cells = list(cells)
    judged, set_aside = _judged(cells, metric, direction)
    if cells and not judged:
        raise ParamsError([_nothing_to_compare(cells, metric)])
    groups: list[Group] = []
    for same in _alike(judged):
        rows = [_Results(key, found) for key, found in _by(same, lambda pair: pair[0].key)]
        groups += [_group(some, dates) for some in _on_same_days(rows)]
    groups.sort(key=lambda group: (-len(group.ranked) * len(group.dates), -len(group.rows)))
    told = [
        replace(group, apart=_apart(group, groups[:place])) for place, group in enumerate(groups)
    ]
    return Leaderboard(told, set_aside)


def named_metric(text: str | None) -> tuple[str | None, Direction | None]:
    """Read ``wape`` or ``wape:minimize``.

    Raises:
        ParamsError: if the direction is none.
    """
    if text is None:
        return None, None
    name, colon, direction = text.partition(":")
    if not colon:
        return name, None
    for known in get_args(Direction):
        if direction == known:
            return name, known
    raise ParamsError([f"metric {name} must end in :minimize or :maximize, but got {text!r}"])


_Judged = tuple[Cell, Objective]


def _judged(
    cells: Sequence[Cell], metric: str | None, direction: Direction | None
) -> tuple[list[_Judged], dict[str, int]]:
    judged: list[_Judged] = []
    set_aside: Counter[str] = Counter()
    for cell in cells:
        objective = _objective(cell.objective, metric, direction)
        if objective is None:
            set_aside["their stage declares no objective: name a metric"] += 1
        elif cell.error is None and objective.metric not in cell.metrics:
            set_aside[f"they have no metric '{objective.metric}'"] += 1
        else:
            judged.append((cell, objective))
    return judged, dict(set_aside)


def _objective(
    declared: Objective | None, metric: str | None, direction: Direction | None
) -> Objective | None:
    if metric is None:
        return declared
    if declared is not None and declared.metric == metric:
        return declared.model_copy(update={"direction": direction or declared.direction})
    if direction is None:
        problem = f"which way is better must be told for '{metric}'"
        raise ParamsError([f"{problem}: type {metric}:minimize or {metric}:maximize"])
    baseline = None
    if declared is not None and declared.baseline is not None:
        baseline = declared.baseline.replace(declared.metric, metric)
    return Objective(metric=metric, direction=direction, baseline=baseline)


def _nothing_to_compare(cells: Sequence[Cell], metric: str | None) -> str:
    metrics = sorted({name for cell in cells for name in cell.metrics})
    there_are = f"There are {', '.join(metrics)}" if metrics else "There are no metrics at all"
    if metric is None:
        return (
            "results must say what they are compared by, but their stage declares no objective:"
            f" name a metric, like r2:maximize. {there_are}"
        )
    return (
        f"'{metric}' is none of the metrics of these results.{nearest(metric, metrics)} {there_are}"
    )


def _alike(judged: Sequence[_Judged]) -> Iterator[list[_Judged]]:
    """Part results by everything that can be told of one alone."""

    def kind(pair: _Judged) -> str:
        cell, objective = pair
        return repr(
            [cell.asset, objective, sorted(cell.codes.items()), sorted(cell.dataset.items())]
        )

    for _, same in _by(judged, kind):
        yield same


@dataclass
class _Results:
    """The results of one parameter set."""

    key: str
    judged: list[_Judged]

    @cached_property
    def cells(self) -> dict[date | None, Cell]:
        return {
            cell.as_of: cell for cell, _ in sorted(self.judged, key=lambda p: _order(p[0].as_of))
        }

    @property
    def days(self) -> frozenset[date | None]:
        return frozenset(self.cells)

    @cached_property
    def yardstick(self) -> dict[date | None, float]:
        """The declared baseline at the dates that have it: the same for the same judged days."""
        found = {}
        for day, cell in self.cells.items():
            name = cell.objective.baseline if cell.objective is not None else None
            if name is not None and name in cell.metrics:
                found[day] = cell.metrics[name]
        return found


def _on_same_days(rows: Iterable[_Results]) -> list[list[_Results]]:
    """Part the results of parameter sets by the days that they were judged on."""
    parts: list[tuple[dict[date | None, float], list[_Results]]] = []
    unmeasured = []
    for row in sorted(rows, key=lambda row: -len(row.yardstick)):
        if not row.yardstick:
            unmeasured.append(row)
            continue
        for known, members in parts:
            if _agree(known, row.yardstick):
                known.update(row.yardstick)
                members.append(row)
                break
        else:
            parts.append((dict(row.yardstick), [row]))
    groups = [members for _, members in parts]
    if unmeasured and groups:
        # What failed everywhere says nothing of its days: it stands where most rows are.
        max(groups, key=len).extend(unmeasured)
    elif unmeasured:
        groups.append(unmeasured)
    return groups


def _agree(known: Mapping[date | None, float], other: Mapping[date | None, float]) -> bool:
    return all(
        math.isclose(known[day], value, rel_tol=_SAME, abs_tol=_SAME)
        for day, value in other.items()
        if day in known
    )


def _group(results: Sequence[_Results], given: Sequence[date | None] | None) -> Group:
    cell, objective = results[0].judged[0]
    judged_at = {day for row in results for day, cell in row.cells.items() if cell.error is None}
    everywhere = {day for row in results for day in row.cells}
    if given is not None:
        dates = [day for day in sorted(given, key=_order) if day in judged_at]
    else:
        dates = [day for day in _most_to_compare(results) if day in judged_at or not judged_at]
    rows = [_row(row, dates, objective) for row in results]
    return Group(
        asset=cell.asset,
        objective=objective,
        dataset=cell.dataset,
        codes=cell.codes,
        dates=dates,
        left_out=sorted(everywhere - set(dates), key=_order),
        rows=_in_order(rows, objective.direction),
    )


def _most_to_compare(results: Sequence[_Results]) -> list[date | None]:
    sets = Counter(row.days for row in results)
    having = {days: sum(n for other, n in sets.items() if days <= other) for days in sets}

    def gain(days: Iterable[date | None]) -> tuple[int, list[tuple[bool, date]]]:
        # Of equal gains the later dates.
        found = frozenset(days)
        return having[found] * len(found), sorted(map(_order, found), reverse=True)

    most = max(having, key=gain)
    larger = [days for days in having if most < days and 2 * having[days] > having[most]]
    return sorted(max(larger, key=gain, default=most), key=_order)


def _row(results: _Results, dates: Sequence[date | None], objective: Objective) -> Row:
    cells = {day: results.cells[day] for day in dates if day in results.cells}

    def at(day: date | None, name: str | None) -> float | None:
        return cells[day].metrics.get(name) if name is not None and day in cells else None

    return Row(
        key=results.key,
        params=results.judged[0][0].params,
        cells=cells,
        values={day: at(day, objective.metric) for day in dates},
        baseline={day: at(day, objective.baseline) for day in dates},
        direction=objective.direction,
    )


def _in_order(rows: Sequence[Row], direction: Direction) -> list[Row]:
    sign = 1 if direction == "minimize" else -1

    def score(row: Row) -> float:
        return math.inf if row.mean is None else sign * row.mean

    complete = [row for row in rows if row.values and len(row.known) == len(row.values)]
    complete.sort(key=lambda row: (score(row), row.key))
    ranked: list[Row] = []
    for _, tied in groupby(complete, key=score):
        members = list(tied)
        rank = len(ranked) + 1
        ranked += [replace(row, rank=rank, is_tied=len(members) > 1) for row in members]
    rest = [row for row in rows if not row.values or len(row.known) < len(row.values)]
    return ranked + sorted(rest, key=lambda row: (-len(row.known), score(row), row.key))


def _apart(group: Group, earlier: Sequence[Group]) -> str:
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
    return found or [_other_days(group, other)]


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
                ", ".join(str(value) for value in list(values.values())[:_MOST_NAMED])
                for values in (here, there)
            ]
            reasons.append(f"{name} {named[0]} instead of {named[1]}")
    told = "judged on other days or other data, since the baseline differs"
    return f"{told} ({', '.join(reasons)})" if reasons else told


def span(days: Sequence[date | None]) -> str:
    """Say which dates are meant, in a phrase."""
    if not days:
        return "no dates"
    if len(days) == 1:
        return str(days[0]) if days[0] is not None else "no date"
    return f"{_counted(len(days), 'date')} from {days[0]} to {days[-1]}"


def _counted(count: int, noun: str) -> str:
    return f"{count} {noun}{'' if count == 1 else 's'}"


def _order(day: date | None) -> tuple[bool, date]:
    return day is not None, day or date.min


def _by(items: Iterable[_T], key: Callable[[_T], str]) -> list[tuple[str, list[_T]]]:
    found: dict[str, list[_T]] = {}
    for item in items:
        found.setdefault(key(item), []).append(item)
    return list(found.items())
