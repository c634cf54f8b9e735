"""A leaderboard as others read it: rows for tables and CSV, a JSON document, Markdown, HTML."""

import csv
import io
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from html import escape
from typing import Any, Final

from ml_pipeline.leaderboard.board import Leaderboard
from ml_pipeline.leaderboard.charts import charts
from ml_pipeline.leaderboard.groups import Group
from ml_pipeline.leaderboard.rows import Row, span
from ml_pipeline.runs.explain import command_line

CAUTION: Final = (
    "p: exact Wilcoxon signed-rank test of the differences to the baseline by date, two-sided. It"
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
    """

    launchpad: Callable[[Mapping[str, Mapping[str, Any]], Sequence[date | None]], str]

    def link(self, row: Row, group: Group) -> str:
        """Return the address of a launchpad filled in with a row's parameters and dates."""
        return self.launchpad(row.params, group.dates)

    def command(self, row: Row, group: Group) -> str:
        """Return the command line that runs a row; dates that lie between are run as well."""
        days = group.dates or [None]
        return command_line(row.flat, days[0], days[-1])


def table(group: Group, most: int | None = None) -> tuple[list[str], list[list[Any]]]:
    """Return the columns and rows of a table for people.

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
        "sd",
        "worst",
        "worst date",
        "dates",
        *(["own mean", "own dates"] if group.has_more else []),
        *([f"vs {group.objective.baseline}", "p"] if has_baseline else []),
        "seconds",
        *group.varying,
        *(["lacks"] if has_notes else []),
    ]
    rows = []
    for row in group.rows[:most]:
        day, worst = row.worst or (None, None)
        known: list[Any] = [
            row.place,
            row.run_id,
            row.mean,
            row.sd,
            worst,
            day,
            f"{len(row.known)} of {len(group.dates)}",
            *([row.own_mean, span(list(row.own))] if group.has_more else []),
            *([row.difference, row.p_value] if has_baseline else []),
            row.seconds,
            *(row.flat.get(name) for name in group.varying),
            *([row.lacks] if has_notes else []),
        ]
        rows.append(["" if value is None else value for value in known])
    return columns, rows


def notes(board: Leaderboard) -> list[str]:
    """Return what to say below all tables: what was set aside, and how to read p."""
    found = [f"{count} results set aside: {reason}." for reason, count in board.set_aside.items()]
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
            **{name: _told(value) for name, value in row.flat.items()},
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
    writer.writerows(lines)
    return out.getvalue()


def markdown(board: Leaderboard, repeat: Repeat, most: int | None = 20) -> str:
    """Return tables for places that show Markdown, such as Dagster's metadata."""
    parts = []
    for group in board.groups:
        columns, rows = table(group, most)
        parts.append(f"### {_in_markdown(group.title)}\n\n{_in_markdown(about(group, most))}\n")
        shown = [
            [*map(_shown, line), f"[open]({repeat.link(row, group)})"]
            for line, row in zip(rows, group.rows, strict=False)
        ]
        lines = [[*columns, "launchpad"], ["---"] * (len(columns) + 1), *shown]
        links_kept = [[*map(_in_markdown, line[:-1]), line[-1]] for line in lines]
        parts.append("\n".join(f"| {' | '.join(line)} |" for line in links_kept) + "\n")
    return "\n".join([*parts, *notes(board)])


def html(
    board: Leaderboard, repeat: Repeat, most: int | None = None, title: str = "Leaderboard"
) -> str:
    """Return a page that needs nothing beside itself: tables that sort by a click, and pictures."""
    sections = "\n".join(_section(group, repeat, most) for group in board.groups)
    below = "".join(f"<p class=note>{escape(note)}</p>" for note in notes(board))
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width">'
        f"<title>{escape(title)}</title><style>{_STYLE}</style></head>\n"
        f"<body><h1>{escape(title)}</h1>\n{sections}\n{below}<script>{_SORTING}</script>"
        "</body></html>\n"
    )


def _section(group: Group, repeat: Repeat, most: int | None) -> str:
    columns, rows = table(group, most)
    head = "".join(f"<th>{escape(name)}</th>" for name in [*columns, "run again"])
    lines = []
    for row, values in zip(group.rows, rows, strict=False):
        cells = "".join(_cell(value) for value in values)
        again = (
            f'<a href="{escape(repeat.link(row, group))}">launchpad</a>'
            f"<details><summary>command</summary><code>{escape(repeat.command(row, group))}</code>"
            "</details>"
        )
        kind = "best" if row.rank == 1 else "unranked" if row.rank is None else ""
        lines.append(f'<tr class="{kind}">{cells}<td>{again}</td></tr>')
    shared = ", ".join(f"{name}={_told(value)}" for name, value in group.constant.items())
    pictures = "".join(f"<figure>{picture}</figure>" for picture in charts(group))
    body = "\n".join(lines)
    return (
        f"<section><h2>{escape(group.title)}</h2><p>{escape(about(group, most))}</p>"
        f"<div class=wide><table><thead><tr>{head}</tr></thead><tbody>\n{body}\n"
        f"</tbody></table></div><p class=note>All rows: {escape(shared)}</p>{pictures}</section>"
    )


def _cell(value: Any) -> str:
    kind = " class=number" if isinstance(value, int | float) else ""
    return f'<td{kind} data-value="{escape(_told(value))}">{escape(_shown(value))}</td>'


def _shown(value: Any) -> str:
    """Write a value for people."""
    return f"{value:.6g}" if isinstance(value, float) else _told(value)


def _told(value: Any) -> str:
    """Write a value in full."""
    if isinstance(value, date):
        return value.isoformat()
    return value if isinstance(value, str) else json.dumps(value)


def _in_markdown(text: str) -> str:
    for sign in "\\`*_[]<>|#":
        text = text.replace(sign, f"\\{sign}")
    return " ".join(text.split())


def _iso(day: date | None) -> str | None:
    return day.isoformat() if day is not None else None


_STYLE: Final = """
:root { color-scheme: light dark }
body { font: 14px/1.45 system-ui, sans-serif; margin: 2rem auto; max-width: 75rem }
body { padding: 0 1rem }
h2 { margin-top: 2.5rem }
.wide { overflow-x: auto }
table { border-collapse: collapse; white-space: nowrap }
th, td { padding: .3rem .7rem; border-bottom: 1px solid #8884 }
th, td { text-align: left; vertical-align: top }
th { cursor: pointer; user-select: none }
th[data-order]::after { content: " \\2191" } th[data-order="-1"]::after { content: " \\2193" }
.number { text-align: right; font-variant-numeric: tabular-nums }
.best { font-weight: 600 } .unranked { opacity: .65 }
.note { opacity: .75; max-width: 60rem }
details[open] { max-width: 40rem } details code { white-space: pre-wrap; word-break: break-all }
figure { margin: 1rem 0; overflow-x: auto }
"""

_SORTING: Final = """
for (const head of document.querySelectorAll("th")) head.onclick = () => {
  const row = head.parentNode, body = row.parentNode.nextElementSibling, at = head.cellIndex;
  const order = head.dataset.order === "1" ? -1 : 1;
  for (const other of row.children) delete other.dataset.order;
  head.dataset.order = order;
  const value = line => line.cells[at].dataset.value ?? "";
  const compare = (a, b) => {
    const [x, y] = [value(a), value(b)], [m, n] = [parseFloat(x), parseFloat(y)];
    if (isNaN(m) && isNaN(n)) return order * x.localeCompare(y);
    return isNaN(m) || isNaN(n) ? isNaN(m) - isNaN(n) : order * (m - n);
  };
  body.append(...[...body.rows].sort(compare));
};
"""
