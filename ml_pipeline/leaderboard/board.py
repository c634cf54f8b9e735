"""Which parameter set is best: results compared over dates, in groups that can be compared.

Two results are ranked together only if they answer the same question:

- they are compared by the same metric, in the same direction, against the same baseline;
- the same code computed them, from the first stage to the one that judges;
- they are about the same dataset, as the labels before the date in paths say;
- they were judged on the same days of the same data, at the same dates (see `overlap`).
"""

import math
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import groupby
from typing import TypeVar, get_args

from ml_pipeline.errors import ParamsError, nearest
from ml_pipeline.invocation import typed
from ml_pipeline.leaderboard.cells import Cell
from ml_pipeline.leaderboard.groups import Group, apart
from ml_pipeline.leaderboard.overlap import InOrder, Judged, Part, Results, Table, parts, tables
from ml_pipeline.leaderboard.rows import Row
from ml_pipeline.params.as_of import AsOf, by_key
from ml_pipeline.store.record import Direction, Objective
from ml_pipeline.text import quoted, shortened

_T = TypeVar("_T")


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
    dates: Sequence[AsOf | None] | None = None,
    missed: int = 0,
    in_order: InOrder = by_key,
) -> Leaderboard:
    """Compare results.

    Args:
        cells: what to compare, done or failed; the last one of a parameter set and date counts.
        metric: compare by this one instead of what the results declare. Its baseline is the one
            that is named alike: `naive_wape` for `wape`, where `naive_mape` is that of `mape`.
        direction: which way is better; needed for a metric that is not declared.
        dates: the dates to compare, but those at which nothing was judged; chosen if omitted.
        missed: how many results there are that cannot be read.
        in_order: returns a key that puts dates in order, as the pipeline's `keys` do.

    Raises:
        ParamsError: if no result has the metric, or nothing says which way is better.
    """
    cells = list(cells)
    judged, set_aside = _judged(cells, metric, direction)
    if missed:
        set_aside[f"their record cannot be read, `{typed('verify')}` says why"] = missed
    if cells and not judged:
        raise ParamsError([_nothing_to_compare(cells, metric)])
    groups: list[Group] = []
    for same in _alike(judged):
        results = [
            Results(key, found, in_order) for key, found in _by(same, lambda pair: pair[0].key)
        ]
        for part in parts(results, is_asked=dates is not None):
            asked = (
                [Table(sorted(dates, key=in_order), part.members)] if dates is not None else None
            )
            groups += [_group(part, table, in_order) for table in asked or tables(part)]
    groups = _told_most_first(groups, in_order)
    told = [
        replace(group, apart=apart(group, groups[:place])) for place, group in enumerate(groups)
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
    raise ParamsError(
        [f"metric {shortened(name)} must end in :minimize or :maximize, but got {quoted(text)}"]
    )


def _judged(
    cells: Sequence[Cell], metric: str | None, direction: Direction | None
) -> tuple[list[Judged], dict[str, int]]:
    judged: list[Judged] = []
    set_aside: Counter[str] = Counter()
    for cell in cells:
        objective = compared_by(cell.objective, metric, direction)
        if objective is None:
            set_aside["their stage declares no objective: name a metric"] += 1
        elif cell.error is None and objective.metric not in cell.metrics:
            set_aside[f"they have no metric '{objective.metric}'"] += 1
        else:
            judged.append((cell, objective))
    return judged, dict(set_aside)


def compared_by(
    declared: Objective | None, metric: str | None, direction: Direction | None
) -> Objective | None:
    """Return what a result is compared by.

    Args:
        declared: what its stage declares.
        metric: another metric that is asked for.
        direction: which way that is better; needed where it is not the declared one.

    Raises:
        ParamsError: if nothing says which way is better.
    """
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


def _alike(judged: Sequence[Judged]) -> Iterator[list[Judged]]:
    """Part results by everything that can be told of one alone."""

    def kind(pair: Judged) -> str:
        cell, objective = pair
        return repr(
            [cell.asset, objective, sorted(cell.codes.items()), sorted(cell.dataset.items())]
        )

    for _, same in _by(judged, kind):
        yield same


def _group(part: Part, table: Table, in_order: InOrder) -> Group:
    cell, objective = table.members[0].judged[0]
    judged_at = {
        day for one in table.members for day, cell in one.cells.items() if cell.error is None
    }
    everywhere = {day for one in table.members for day in one.cells}
    # Where nobody was judged, everybody failed: that compares nothing.
    dates = [day for day in table.dates if day in judged_at]
    if not judged_at:
        dates = [day for day in table.dates if day in everywhere]
    rows = [_row(one, dates, objective) for one in table.members]
    return Group(
        asset=cell.asset,
        objective=objective,
        dataset=cell.dataset,
        codes=cell.codes,
        dates=dates,
        left_out=sorted(everywhere - set(dates), key=in_order),
        rows=_in_order(rows, objective.direction),
        yardstick=part.yardstick,
    )


def _row(results: Results, dates: Sequence[AsOf | None], objective: Objective) -> Row:
    cells = {day: results.cells[day] for day in dates if day in results.cells}

    def at(day: AsOf | None, name: str | None) -> float | None:
        return cells[day].metrics.get(name) if name is not None and day in cells else None

    run_ids = [cell.run_id for cell in (cells or results.cells).values() if cell.run_id]
    return Row(
        key=results.key,
        params=results.judged[0][0].params,
        cells=cells,
        values={day: at(day, objective.metric) for day in dates},
        baseline={day: at(day, objective.baseline) for day in dates},
        direction=objective.direction,
        own={
            day: cell.metrics[objective.metric]
            for day, cell in results.cells.items()
            if objective.metric in cell.metrics
        },
        run_id=run_ids[-1] if run_ids else "",
        flat=results.judged[0][0].flat,
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


def _told_most_first(groups: Iterable[Group], in_order: InOrder) -> list[Group]:
    """Put those groups first that compare most rows best; of equal ones the later ones."""

    def told(group: Group) -> tuple[float, int, int]:
        ranked, dates = len(group.ranked), len(group.dates)
        return -(ranked - 1) * math.sqrt(dates), -ranked * dates, -len(group.rows)

    named = sorted(groups, key=lambda group: min(row.key for row in group.rows))
    late = sorted(named, key=lambda group: max(map(in_order, group.dates)), reverse=True)
    return sorted(late, key=told)


def _by(items: Iterable[_T], key: Callable[[_T], str]) -> list[tuple[str, list[_T]]]:
    found: dict[str, list[_T]] = {}
    for item in items:
        found.setdefault(key(item), []).append(item)
    return list(found.items())
