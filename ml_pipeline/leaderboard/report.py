"""A leaderboard as others read it: rows for tables and CSV, a JSON document, Markdown."""

import csv
import io
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from ml_pipeline.leaderboard.board import Leaderboard
from ml_pipeline.leaderboard.groups import Group
from ml_pipeline.leaderboard.rows import Row
from ml_pipeline.params.as_of import AsOf, span
from ml_pipeline.params.group import OPTIONS
from ml_pipeline.runs.explain import command_line
from ml_pipeline.runs.keys import PLAIN, Keys
from ml_pipeline.text import counted, for_csv, for_markdown, in_full, shown

CAUTION: Final = (
    "p: Wilcoxon signed-rank test of the differences to the baseline by date, two-sided. It"
    " is not corrected for the number of rows, and takes dates for independent, though the days"
    " that they are judged on may overlap: a hint, not a proof."
)

OWN_COLUMNS: Final = frozenset(
    (
        *("group", "asset", "metric", "direction", "place", "rank", "key", "run_id"),
        *("mean", "sd", "worst", "worst_date", "dates", "of_dates", "own_mean", "own_dates"),
        *("difference", "p_value", "seconds", "lacks", "launchpad", "command"),
    )
)
"""The columns of `as_csv` that are no parameters."""


@dataclass(frozen=True)
class Repeat:
    """How a row is run again, or completed.

    Attributes:
        launchpad: returns the address of a page that launches parameters, ``{group: {field:
            value}}``, for dates.
        environment: whose results are ranked; None where no environments are configured.
        keys: what knows the keys of the dates.
    """

    launchpad: Callable[[Mapping[str, Mapping[str, Any]], Sequence[AsOf | None]], str]
    environment: str | None = None
    keys: Keys = PLAIN

    def link(self, row: Row, group: Group) -> str:
        """Return the address of a launchpad filled in with a row's parameters and dates."""
        run = {} if self.environment is None else {OPTIONS: {"environment": self.environment}}
        ends = self.keys.ends(group.dates) if group.dates else ()
        return self.launchpad({**row.params, **run}, list(dict.fromkeys(ends)))

    def command(self, row: Row, group: Group) -> str:
        """Return the command line that runs a row; dates that lie between are run as well."""
        first, last = self.keys.ends(group.dates or [None])
        run = {} if self.environment is None else {"environment": self.environment}
        return command_line({**row.flat, **run}, first, last)


def table(group: Group, most: int | None = None) -> tuple[list[str], list[list[Any]]]:
    """Return the columns and rows of a table for people, what matters most first.

    The run id is that of a row's newest result. Where rows were judged at other dates as well, the
    mean over all of their own stands beside, which is not what they are ranked by.

    Args:
        group: what to show.
        most: rows to show; all of them if omitted.

    Returns:
        Names of the columns, and values in rows; ``""`` where there is nothing to say.
    """
    has_baseline = group.objective.baseline is not None
    has_notes = any(row.lacks for row in group.rows)
    columns = [
        "#",
        "run id",
        group.objective.metric,
        *([f"vs {group.objective.baseline}"] if has_baseline else []),
        "dates",
        *(["own mean"] if group.has_more else []),
        *group.varying,
        *(["own dates"] if group.has_more else []),
        *(["lacks"] if has_notes else []),
        *(["p"] if has_baseline else []),
        "sd",
        "worst",
        "worst date",
        "seconds",
    ]
    rows = []
    for row in group.rows[:most]:
        day, worst = row.worst or (None, None)
        known: list[Any] = [
            row.place,
            row.run_id,
            row.mean,
            *([row.difference] if has_baseline else []),
            f"{len(row.known)} of {len(group.dates)}",
            *([row.own_mean] if group.has_more else []),
            *(row.flat.get(name) for name in group.varying),
            *([span(list(row.own))] if group.has_more else []),
            *([row.lacks] if has_notes else []),
            *([row.p_value] if has_baseline else []),
            row.sd,
            worst,
            day,
            row.seconds,
        ]
        rows.append(["" if value is None else value for value in known])
    return columns, rows


def notes(board: Leaderboard) -> list[str]:
    """Return what to say below all tables: what was set aside, and how to read p."""
    found = [
        f"{counted(count, 'result')} set aside: {reason}."
        for reason, count in board.set_aside.items()
    ]
    has_p = any(row.p_value is not None for group in board.groups for row in group.rows)
    return [*found, CAUTION] if has_p else found


def about(group: Group, most: int | None = None) -> str:
    """Say in a line what a group compares, and why it stands apart from those before it."""
    parts = [group.span, f"{len(group.ranked)} of {len(group.rows)} rows ranked"]
    if most is not None and most < len(group.rows):
        parts.append(f"{most} shown")
    if group.baseline_mean is not None:
        parts.append(f"{group.objective.baseline} {group.baseline_mean:.6g}")
    told = "; ".join(parts)
    return f"{told}. Not ranked with the above: {group.apart}" if group.apart else told


def document(board: Leaderboard, repeat: Repeat, most: int | None = None) -> dict[str, Any]:
    """Return everything as one JSON document."""
    return {
        "groups": [
            {
                "title": group.title,
                "asset": group.asset,
                "dataset": dict(group.dataset),
                **group.objective.model_dump(),
                "baseline_mean": group.baseline_mean,
                "dates": [_iso(day) for day in group.dates],
                "dates_left_out": [_iso(day) for day in group.left_out],
                "codes": dict(group.codes),
                "varying": group.varying,
                "constant": group.constant,
                "apart": group.apart,
                "rows": [_row_document(row, group, repeat) for row in group.rows[:most]],
            }
            for group in board.groups
        ],
        "set_aside": dict(board.set_aside),
    }


def _row_document(row: Row, group: Group, repeat: Repeat) -> dict[str, Any]:
    return {
        **_figures(row),
        "params": {name: dict(values) for name, values in row.params.items()},
        "values": {_iso(day): value for day, value in row.values.items()},
        "run_ids": {_iso(day): cell.run_id for day, cell in row.cells.items() if cell.run_id},
        "failures": {reason: [_iso(day) for day in days] for reason, days in row.failures.items()},
        "launchpad": repeat.link(row, group),
        "command": repeat.command(row, group),
    }


def _figures(row: Row) -> dict[str, Any]:
    day, worst = row.worst or (None, None)
    return {
        "place": row.place,
        "rank": row.rank,
        "key": row.key,
        "run_id": row.run_id,
        "mean": row.mean,
        "sd": row.sd,
        "worst": worst,
        "worst_date": _iso(day),
        "dates": len(row.known),
        "of_dates": len(row.values),
        "own_mean": row.own_mean,
        "own_dates": len(row.own),
        "difference": row.difference,
        "p_value": row.p_value,
        "seconds": row.seconds,
        "lacks": row.lacks,
    }


def as_csv(board: Leaderboard, repeat: Repeat, most: int | None = None) -> str:
    """Return one line for each row of all groups, with all parameters in full precision."""
    lines = [
        {
            "group": number,
            "asset": group.asset,
            "metric": group.objective.metric,
            "direction": group.objective.direction,
            **_figures(row),
            **{name: in_full(value) for name, value in row.flat.items()},
            "launchpad": repeat.link(row, group),
            "command": repeat.command(row, group),
        }
        for number, group in enumerate(board.groups, start=1)
        for row in group.rows[:most]
    ]
    out = io.StringIO()
    columns = dict.fromkeys(name for line in lines for name in line)
    writer = csv.DictWriter(out, list(columns), restval="", lineterminator="\n")
    writer.writeheader()
    writer.writerows({name: for_csv(value) for name, value in line.items()} for line in lines)
    return out.getvalue()


def markdown(board: Leaderboard, repeat: Repeat, most: int | None = 20) -> str:
    """Return tables for places that show Markdown, such as Dagster's metadata."""
    parts = []
    for group in board.groups:
        columns, rows = table(group, most)
        parts.append(f"### {for_markdown(group.title)}\n\n{for_markdown(about(group, most))}\n")
        cells = [
            [*(for_markdown(shown(value)) for value in line), f"[open]({repeat.link(row, group)})"]
            for line, row in zip(rows, group.rows, strict=False)
        ]
        head = [*map(for_markdown, columns), "launchpad"]
        lines = [head, ["---"] * len(head), *cells]
        parts.append("\n".join(f"| {' | '.join(line)} |" for line in lines) + "\n")
    return "\n".join([*parts, *map(for_markdown, notes(board))])


def _iso(day: AsOf | None) -> str | None:
    return str(day) if day is not None else None
