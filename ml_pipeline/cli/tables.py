"""Tables for people: what is looked at or copied is never broken, however narrow the terminal.

Ids, dates, numbers and paths are words without blanks, and stay in one piece; sentences fold
between words. Where not all columns have room, the last ones are left out and named, or each row
becomes a few lines. Where the output is no terminal, everything is there, one line for each row.
"""

import functools
import sys
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final

import click

from ml_pipeline.cli.folding import folded
from ml_pipeline.text import for_terminal

if TYPE_CHECKING:
    from rich.console import Console

_GAP: Final = 2
_WIDEST_SENTENCE: Final = 32
"""Columns of sentences get at least this much room, if they need it."""

_COLORS: Final = {
    "computed": "green",
    "compute": "green",
    "reused": "dim",
    "reuse": "dim",
    "undecided": "yellow",
    "blocked": "red",
    "now": "green",
    "OTHER BYTES": "bold red",
}


def say(text: str = "", err: bool = False) -> None:
    """Print lines for people; nothing in them acts upon the terminal."""
    stream = sys.stderr if err else sys.stdout
    click.echo(folded(for_terminal(text), stream), err=err)


def wide_option(command: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command the option `--wide`."""
    return click.option(
        "--wide", is_flag=True, help="Show all columns, on several lines where there is no room."
    )(command)


def with_paths(command: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command the options `--wide` and `--paths`; where output is no terminal, both hold."""

    @functools.wraps(command)
    def whole(*others: Any, wide: bool, paths: bool, **named: Any) -> Any:
        is_whole = not sys.stdout.isatty()
        return command(*others, wide=wide or is_whole, paths=paths or is_whole, **named)

    given: Callable[..., Any] = whole
    return wide_option(
        click.option("--paths", is_flag=True, help="Show where artifacts are.")(given)
    )


def print_table(
    columns: Sequence[str], rows: Iterable[Sequence[Any]], wide: bool = True, needed: int = 2
) -> None:
    """Print a table.

    Args:
        columns: names, what matters first.
        rows: cells.
        wide: whether all columns are shown in any case; else the last ones are left out where there
            is no room for them, and a line says so and that `--wide` shows them.
        needed: how many columns are never left out; where these have no room, rows become lines.
    """
    from rich.cells import cell_len
    from rich.console import Console

    cells = [[_cell(value) for value in row] for row in rows]
    console = Console(markup=False, highlight=False)
    if not console.is_terminal:
        _print_plain(columns, cells)
        return
    least = (
        [
            max(
                _least(name, cell_len),
                *(_least(row[place], cell_len) for row in cells),
            )
            for place, name in enumerate(columns)
        ]
        if cells
        else [cell_len(name) for name in columns]
    )
    room = console.width
    count = len(columns)
    while count > 1 and sum(least[:count]) + _GAP * (count - 1) > room:
        count -= 1
    if count == len(columns) or (not wide and count >= needed):
        _print_rich(console, columns[:count], [row[:count] for row in cells], least)
        if left := columns[count:]:
            say(f"No room for {', '.join(left)}: --wide shows all.")
    else:
        _print_lines(columns, cells)


def _print_plain(columns: Sequence[str], cells: Sequence[Sequence[str]]) -> None:
    from rich.cells import cell_len

    widths = [
        max(cell_len(row[place]) for row in (columns, *cells)) for place in range(len(columns))
    ]
    for row in (columns, *cells):
        padded = (
            text + " " * (width - cell_len(text)) for text, width in zip(row, widths, strict=True)
        )
        click.echo((" " * _GAP).join(padded).rstrip())


def _print_rich(
    console: "Console",
    columns: Sequence[str],
    cells: Sequence[Sequence[str]],
    least: Sequence[int],
) -> None:
    from rich.table import Table
    from rich.text import Text

    # Gaps are columns: Rich counts padding behind the last one, too, and crops what it lacks then.
    table = Table(box=None, pad_edge=False, padding=0, header_style="bold")
    for place, name in enumerate(columns):
        if place:
            table.add_column(width=_GAP)
        is_sentence = any(" " in row[place] for row in cells)
        table.add_column(
            name,
            no_wrap=not is_sentence,
            min_width=least[place],
            overflow="fold" if is_sentence else "ignore",
        )
    for row in cells:
        texts = [Text(text, style=_COLORS.get(text, "")) for text in row]
        table.add_row(*[cell for text in texts for cell in ("", text)][1:])
    console.print(table)


def _print_lines(columns: Sequence[str], cells: Sequence[Sequence[str]]) -> None:
    """Print each row as lines that the terminal may break, but that stay whole when copied."""
    if len(columns) == 2:
        _print_plain(columns, cells)
        return
    width = max(len(name) for name in columns)
    for place, row in enumerate(cells):
        if place:
            click.echo()
        for name, text in zip(columns, row, strict=True):
            if text:
                label = click.style(name.ljust(width), bold=True)
                click.echo(f"{label}{' ' * _GAP}{text}")


def _least(text: str, measure: Callable[[str], int]) -> int:
    """Return how many columns of the terminal a text needs: its longest word, or a little more."""
    words = [measure(word) for word in text.split(" ")]
    return max(*words, min(measure(text), _WIDEST_SENTENCE))


def _cell(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, float):
        return f"{value:.4g}"
    if isinstance(value, datetime):
        return f"{value:%Y-%m-%d %H:%M:%S}"
    return for_terminal(str(value)).replace("\n", "\\n").replace("\t", "\\t")
