"""Pages that need nothing beside themselves: tables that sort, pictures, light and dark."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from html import escape
from typing import Any, Final

from ml_pipeline.text import for_terminal, shown

_COMMAND: Final = re.compile("`([^`]+)`")


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


def page(title: str, origin: Origin, sections: Iterable[str], notes: Iterable[str] = ()) -> str:
    """Return a page.

    Args:
        title: what it is called.
        origin: what it was made from.
        sections: what stands in it, as HTML.
        notes: what to say below, as text.
    """
    body = "\n".join(sections)
    below = "".join(f"<p class=note>{with_commands(note)}</p>" for note in notes)
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{safe(title)}</title><style>{_STYLE}</style></head>\n"
        f"<body><main><h1>{safe(title)}</h1><p class=note>{safe(origin.sentence)}</p>\n"
        f"{body}\n{below}</main><script>{_SORTING}</script></body></html>\n"
    )


def sorting_table(
    heading: str,
    columns: Sequence[str],
    rows: Iterable[str],
    last: str | None = None,
    is_sorted: bool = True,
) -> str:
    """Return a table that sorts by any column.

    Args:
        heading: id of the heading that names the table.
        columns: names of the columns.
        rows: rows as HTML.
        last: name of one more column, which cannot be sorted by.
        is_sorted: whether the rows are in the order of the first column.
    """
    head = "".join(
        f'<th scope="col" aria-sort="{"none" if number or not is_sorted else "ascending"}">'
        f'<button type="button">{safe(name)}</button></th>'
        for number, name in enumerate(columns)
    )
    if last is not None:
        head += f'<th scope="col">{safe(last)}</th>'
    body = "\n".join(rows)
    return (
        f'<div class=wide role="region" tabindex="0" aria-labelledby="{escape(heading)}">'
        f"<table><thead><tr>{head}</tr></thead><tbody>\n{body}\n</tbody></table></div>"
    )


def plain_table(heading: str, rows: Iterable[str]) -> str:
    """Return a table of names and values.

    Args:
        heading: id of the heading that names the table.
        rows: rows as HTML.
    """
    body = "\n".join(rows)
    return (
        f'<div class=wide role="region" tabindex="0" aria-labelledby="{escape(heading)}">'
        f"<table class=values><tbody>\n{body}\n</tbody></table></div>"
    )


def told_row(values: Sequence[Any]) -> str:
    """Return a row whose first value names it."""
    return f'<tr><th scope="row">{safe(shown(values[0]))}</th>{cells(values[1:])}</tr>'


def cells(values: Iterable[Any]) -> str:
    """Return the cells of a row."""
    return "".join(map(_cell, values))


def figure(picture: str) -> str:
    """Return a picture that scrolls where there is no room."""
    return f'<figure class=wide tabindex="0">{picture}</figure>'


def with_commands(text: str) -> str:
    """Return text as HTML: a command stands in backticks; whatever else does is text as well."""
    return _COMMAND.sub(r"<code>\1</code>", safe(text))


def safe(text: str) -> str:
    """Return text that is HTML and does nothing."""
    return escape(for_terminal(text))


def _cell(value: Any) -> str:
    if isinstance(value, int | float) and not isinstance(value, bool):
        return f'<td class=number data-number="{value!r}">{safe(shown(value))}</td>'
    return f"<td>{safe(shown(value))}</td>"


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
thead th:not([aria-sort]) { padding: .3rem .7rem; font-weight: 600 }
tr > :first-child { position: sticky; left: 0; background: var(--page) }
thead tr > :first-child { background: var(--head) }
th button { font: inherit; font-weight: 600; color: inherit; background: none; border: 0;
  padding: .3rem .7rem; width: 100%; text-align: left; cursor: pointer; white-space: nowrap }
th[aria-sort=ascending] button::after { content: " \\2191" }
th[aria-sort=descending] button::after { content: " \\2193" }
.number { text-align: right; font-variant-numeric: tabular-nums }
.best { font-weight: 600 } .unranked { font-style: italic; color: var(--note) }
.note { color: var(--note); max-width: 60rem }
code { overflow-wrap: anywhere } summary { cursor: pointer }
details { display: inline-block; margin-left: .7rem; vertical-align: top }
details[open] { max-width: 40rem } details code { white-space: pre-wrap; word-break: break-all }
figure { margin: 1rem 0 } figure svg, figure img { max-width: 100%; height: auto }
.words { max-width: 45rem } .values td { white-space: normal; overflow-wrap: anywhere }
@media print { :root { color-scheme: light; --ink: #000; --note: #333; --page: #fff; --line: #999;
  --link: #000; --head: #eee } main { max-width: none; padding: 0 } .wide { overflow: visible }
  table { white-space: normal; overflow-wrap: anywhere; font-size: 11px }
  th, td, th button { padding: 2px 4px }
  th button::after { content: "" !important }
  section, figure, tr { break-inside: avoid } section:has(tr + tr + tr + tr + tr + tr + tr + tr) {
  break-inside: auto } h2 { break-after: avoid; margin-top: 1.2rem } }
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
