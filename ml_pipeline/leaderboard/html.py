"""A leaderboard as a page that needs nothing beside itself: tables that sort, and pictures."""

from dataclasses import dataclass
from datetime import datetime
from html import escape
from typing import Any, Final

from ml_pipeline.leaderboard.board import Leaderboard
from ml_pipeline.leaderboard.charts import charts
from ml_pipeline.leaderboard.groups import Group
from ml_pipeline.leaderboard.report import Repeat, about, in_full, notes, shown, table
from ml_pipeline.text import for_terminal


@dataclass(frozen=True)
class Origin:
    """What a page was made from.

    Attributes:
        store: directory or URI of the store.
        at: when, with its zone.
        environment: whose store it is; None where no environments are configured.
    """

    store: str
    at: datetime
    environment: str | None = None

    @property
    def sentence(self) -> str:
        """The origin in a line."""
        made = f"Made {self.at:%Y-%m-%d %H:%M} {self.at:%Z} from the results in {self.store}"
        return f"{made}, environment {self.environment}" if self.environment else made


def html(
    board: Leaderboard,
    repeat: Repeat,
    origin: Origin,
    most: int | None = None,
    title: str = "Leaderboard",
) -> str:
    """Return a page.

    Args:
        board: what to show.
        repeat: how rows are run again.
        origin: what it was made from.
        most: rows to show of each table; all of them if omitted.
        title: what the page is called.
    """
    sections = "\n".join(
        _section(group, place, repeat, most) for place, group in enumerate(board.groups)
    )
    below = "".join(f"<p class=note>{_safe(note)}</p>" for note in notes(board))
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{_safe(title)}</title><style>{_STYLE}</style></head>\n"
        f"<body><main><h1>{_safe(title)}</h1><p class=note>{_safe(origin.sentence)}</p>\n"
        f"{sections}\n{below}</main><script>{_SORTING}</script></body></html>\n"
    )


def _section(group: Group, place: int, repeat: Repeat, most: int | None) -> str:
    columns, rows = table(group, most)
    # Rows come in the order of their ranks.
    head = "".join(
        f'<th scope="col" aria-sort="{"none" if number else "ascending"}">'
        f'<button type="button">{_safe(name)}</button></th>'
        for number, name in enumerate(columns)
    )
    lines = []
    for number, (row, values) in enumerate(zip(group.rows, rows, strict=False)):
        cells = "".join(_cell(value) for value in values[1:])
        again = (
            f'<a href="{escape(repeat.link(row, group))}">launchpad</a>'
            f"<details><summary>command</summary><code>{_safe(repeat.command(row, group))}</code>"
            "</details>"
        )
        kind = "best" if row.rank == 1 else "unranked" if row.rank is None else ""
        lines.append(
            f'<tr class="{kind}"><th scope="row" data-number="{number}">{_safe(values[0])}</th>'
            f"{cells}<td>{again}</td></tr>"
        )
    shared = ", ".join(f"{name}={in_full(value)}" for name, value in group.constant.items())
    pictures = "".join(
        f'<figure class=wide tabindex="0">{picture}</figure>' for picture in charts(group)
    )
    body = "\n".join(lines)
    heading = f"group-{place + 1}"
    return (
        f'<section><h2 id="{heading}">{_safe(group.title)}</h2>'
        f"<p>{_safe(about(group, most))}</p>"
        f'<div class=wide role="region" tabindex="0" aria-labelledby="{heading}">'
        f'<table><thead><tr>{head}<th scope="col">run again</th></tr></thead><tbody>\n{body}\n'
        f"</tbody></table></div><p class=note>All rows: {_safe(shared)}</p>{pictures}</section>"
    )


def _cell(value: Any) -> str:
    if isinstance(value, int | float) and not isinstance(value, bool):
        return f'<td class=number data-number="{value!r}">{_safe(shown(value))}</td>'
    return f"<td>{_safe(shown(value))}</td>"


def _safe(text: str) -> str:
    return escape(for_terminal(text))


_STYLE: Final = """
:root { color-scheme: light dark; --ink: #1f2933; --note: #4a5560; --page: #fff; --line: #c3cad2;
  --link: #0b57a4; --head: #eef1f4 }
@media (prefers-color-scheme: dark) { :root { --ink: #e4e7eb; --note: #b0bac5; --page: #12181f;
  --line: #3c4753; --link: #8ab8f0; --head: #222c37 } }
* { box-sizing: border-box }
body { font: 14px/1.45 system-ui, sans-serif; margin: 0; color: var(--ink);
  background: var(--page) }
main { max-width: 100rem; margin: 0 auto; padding: 1rem; overflow-wrap: anywhere }
h1 { margin: .5rem 0 } h2 { margin: 2.5rem 0 .5rem }
a { color: var(--link) }
:focus-visible { outline: 3px solid var(--link); outline-offset: -3px }
.wide { overflow-x: auto; max-width: 100% }
table { border-collapse: collapse; white-space: nowrap; overflow-wrap: normal }
th, td { padding: .3rem .7rem; border-bottom: 1px solid var(--line) }
th, td { text-align: left; vertical-align: top; font-weight: inherit }
thead th { background: var(--head); padding: 0 }
thead th:last-child { padding: .3rem .7rem; font-weight: 600 }
tr > :first-child { position: sticky; left: 0; background: var(--page) }
thead tr > :first-child { background: var(--head) }
th button { font: inherit; font-weight: 600; color: inherit; background: none; border: 0;
  padding: .3rem .7rem; width: 100%; text-align: left; cursor: pointer; white-space: nowrap }
th[aria-sort=ascending] button::after { content: " \\2191" }
th[aria-sort=descending] button::after { content: " \\2193" }
.number { text-align: right; font-variant-numeric: tabular-nums }
.best { font-weight: 600 } .unranked { font-style: italic; color: var(--note) }
.note { color: var(--note); max-width: 60rem }
summary { cursor: pointer }
details { display: inline-block; margin-left: .7rem; vertical-align: top }
details[open] { max-width: 40rem } details code { white-space: pre-wrap; word-break: break-all }
figure { margin: 1rem 0 }
"""

_SORTING: Final = """
for (const button of document.querySelectorAll("thead button")) button.onclick = () => {
  const head = button.parentNode, row = head.parentNode, at = head.cellIndex;
  const body = row.closest("table").tBodies[0];
  const order = head.ariaSort === "ascending" ? -1 : 1;
  for (const other of row.querySelectorAll("[aria-sort]")) other.ariaSort = "none";
  head.ariaSort = order === 1 ? "ascending" : "descending";
  const number = cell => cell.dataset.number === undefined ? NaN : Number(cell.dataset.number);
  const compare = (a, b) => {
    const [x, y] = [a.cells[at], b.cells[at]], [m, n] = [number(x), number(y)];
    const [s, t] = [x.textContent, y.textContent];
    if (!isNaN(m) || !isNaN(n)) return isNaN(m) || isNaN(n) ? isNaN(m) - isNaN(n) : order * (m - n);
    return s === "" || t === "" ? (s === "") - (t === "") : order * s.localeCompare(t);
  };
  body.append(...[...body.rows].sort(compare));
};
"""
