"""The dates at which two sides can be compared, and why the others cannot.

A date is compared where both sides were judged at it by one definition: the same metric, direction
and baseline, of a stage with the same parameter groups, on the same days of the same data. A naive
baseline has one value for one set of judged days, and outside data has a digest; where either
differs, the date is left out, with why.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from ml_pipeline.errors import QueryError, nearest
from ml_pipeline.leaderboard.board import compared_by
from ml_pipeline.leaderboard.cells import Cell
from ml_pipeline.leaderboard.groups import agree
from ml_pipeline.leaderboard.overlap import Results
from ml_pipeline.leaderboard.sides import Side
from ml_pipeline.params.as_of import AsOf, span
from ml_pipeline.runs.changes import differing
from ml_pipeline.store.record import Direction, Objective
from ml_pipeline.text import quoted, shortened

Which = Literal["left", "right"]


@dataclass(frozen=True)
class Pairing:
    """Which dates of two sides can be compared.

    Attributes:
        objective: what is compared at all of them.
        dates: these dates, in order.
        left_out: other dates that a side has, by why they are not compared.
        missing: of those, the dates that a side lacks.
    """

    objective: Objective
    dates: Sequence[AsOf | None]
    left_out: Mapping[str, Sequence[AsOf | None]]
    missing: Mapping[Which, Sequence[AsOf | None]]


def paired(
    left: Side, right: Side, metric: str | None = None, direction: Direction | None = None
) -> Pairing:
    """Find the dates at which two sides can be compared.

    Args:
        left: one side.
        right: the other.
        metric: compare by this one instead of what the results declare.
        direction: which way is better; needed for a metric that is not declared.

    Raises:
        ParamsError: if there is no such date, with what is missing and what makes it; or nothing
            says which way is better.
    """
    if left.store == right.store and left.key == right.key:
        problem = f"the two sides must differ, but {left.name} and {right.name} are one"
        raise QueryError([f"{problem} parameter set in one store, {left.store}"])
    _refuse_unknown(metric, left, right)
    left_out: dict[str, list[AsOf | None]] = {}
    missing: dict[Which, list[AsOf | None]] = {}
    found: dict[AsOf | None, Objective] = {}
    for day in sorted({*left.cells, *right.cells}, key=left.keys.order):
        here, there = left.cells.get(day), right.cells.get(day)
        if here is None or there is None:
            missing.setdefault("left" if here is None else "right", []).append(day)
            name = left.name if here is None else right.name
            left_out.setdefault(f"{name} has no result", []).append(day)
            continue
        objective = compared_by(here.objective, metric, direction)
        why = _why_apart(here, there, objective, (left.name, right.name))
        if why is None and objective is not None:
            found[day] = objective
        else:
            left_out.setdefault(str(why), []).append(day)
    if not found:
        raise QueryError([_nothing_in_common(left, right, left_out, missing)])
    # One definition is compared: that of the last date.
    last = list(found.values())[-1]
    for day, objective in found.items():
        if objective != last:
            why = f"both are compared by {_told(objective)}, later by {_told(last)}"
            left_out.setdefault(why, []).append(day)
    dates = [day for day, objective in found.items() if objective == last]
    return Pairing(last, dates, left_out, missing)


def _refuse_unknown(metric: str | None, left: Side, right: Side) -> None:
    cells = [*left.cells.values(), *right.cells.values()]
    names = sorted({name for cell in cells for name in cell.metrics})
    if metric is not None and cells and metric not in names:
        problem = f"{quoted(metric)} is none of the metrics of either side.{nearest(metric, names)}"
        raise QueryError([f"{problem} There are {', '.join(names) or 'none'}"])


def _why_apart(
    here: Cell, there: Cell, objective: Objective | None, names: tuple[str, str]
) -> str | None:
    """Say why two results of a date cannot be compared, as a clause; None where they can."""
    left, right = names
    for label, a, b in differing(here.dataset, there.dataset):
        return f"{left} is about {label} {shortened(a)}, {right} about {shortened(b)}"
    if here.objective != there.objective:
        told = f"{_told(here.objective)}, {right} by {_told(there.objective)}"
        return f"{left} is compared by {told}"
    if objective is None:
        return "their stage declares no objective: name a metric, like r2:maximize"
    for name, cell in ((left, here), (right, there)):
        if objective.metric not in cell.metrics:
            return f"{name} has no metric '{objective.metric}'"
    if set(here.params) != set(there.params):
        groups = (", ".join(cell.params) for cell in (here, there))
        return f"{left} depends on the parameters of {next(groups)}, {right} on {next(groups)}"
    known, other = (Results(cell.key, [(cell, objective)]).yardstick for cell in (here, there))
    if known.keys() != other.keys() or not agree(known, other):
        baseline = here.objective.baseline if here.objective is not None else None
        return f"they were judged on other days or other data, since {baseline} differs"
    for name, a, b in differing(here.outside, there.outside):
        if a is not None and b is not None and a.is_another_than(b):
            return f"'{name}' read other data from outside"
    return None


def _told(objective: Objective | None) -> str:
    if objective is None:
        return "nothing"
    return f"{objective.metric} ({objective.direction}, baseline {objective.baseline or 'none'})"


def _nothing_in_common(
    left: Side,
    right: Side,
    left_out: Mapping[str, Sequence[AsOf | None]],
    missing: Mapping[Which, Sequence[AsOf | None]],
) -> str:
    reasons = [f"{why} at {span(days)}" for why, days in left_out.items()]
    commands = []
    sides: tuple[tuple[Which, Side], ...] = (("left", left), ("right", right))
    for which, side in sides:
        if not side.cells and not (left.cells or right.cells):
            reasons.append(f"{side.name} has no result")
        if not side.cells or (which in missing and len(left_out) == len(missing)):
            commands.append(f"`{side.command(missing.get(which, ()))}`")
    make = "makes" if len(commands) == 1 else "make"
    making = f". {' and '.join(commands)} {make} what is missing" if commands else ""
    return (
        "both sides must be judged by one definition at a date that they have in common, but"
        f" {'; '.join(reasons)}{making}"
    )
