"""How a leaderboard leaves the command line: as a table, CSV, JSON or a page."""

import functools
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import click

from ml_pipeline.cli.environments import environment_document, tell_environment
from ml_pipeline.cli.files import write
from ml_pipeline.cli.project import project
from ml_pipeline.cli.show import print_json
from ml_pipeline.cli.tables import print_table, say, wide_option
from ml_pipeline.cli.webservers import link_option
from ml_pipeline.dagster.launchpad import launchpad_link
from ml_pipeline.launch.names import names_of
from ml_pipeline.leaderboard.board import Leaderboard
from ml_pipeline.leaderboard.html import html
from ml_pipeline.leaderboard.page import Origin
from ml_pipeline.leaderboard.report import Repeat, about, as_csv, document, notes, table
from ml_pipeline.store.artifacts import ArtifactStore


@dataclass(frozen=True)
class Output:
    """Where a leaderboard goes.

    Attributes:
        top: most rows of each table; all of them if None.
        csv: file for all rows; ``-`` is standard output.
        html: file for a page; ``-`` is standard output.
        as_json: whether to print one JSON document.
        url: where the Dagster UI is that links open.
        wide: whether all columns are shown, even where there is no room.
    """

    top: int | None
    csv: str | None
    html: str | None
    as_json: bool
    url: str
    wide: bool = False


def output_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command the options that say where a leaderboard goes, as the argument `output`."""

    @functools.wraps(command)
    def with_output(
        *others: Any,
        top: int | None,
        csv: str | None,
        html: str | None,
        as_json: bool,
        url: str,
        wide: bool,
        **named: Any,
    ) -> Any:
        return command(*others, output=Output(top, csv, html, as_json, url, wide), **named)

    for option in (
        link_option("Where the Dagster UI is that launchpad links open."),
        click.option("--json", "as_json", is_flag=True, help="Print one JSON document."),
        click.option("--html", metavar="FILE", help="Write a report with plots."),
        click.option("--csv", metavar="FILE", help="Write all rows as CSV; - for the terminal."),
        click.option(
            "--top", type=click.IntRange(1), metavar="N", help="Only the best N of each table."
        ),
    ):
        with_output = option(with_output)
    return wide_option(with_output)


def show_board(
    board: Leaderboard,
    store: ArtifactStore,
    output: Output,
    empty: str,
    beside: Mapping[str, Any] | None = None,
) -> None:
    """Write a leaderboard where it should go.

    Args:
        board: what to show.
        store: where the results are.
        output: where it goes.
        empty: what to say where there is nothing.
        beside: more for the JSON document.
    """
    repeat = Repeat(
        functools.partial(
            launchpad_link, names_of(project().pipeline), output.url, project().module
        ),
        store.environment,
        project().pipeline.keys,
    )
    if output.csv is not None:
        write(output.csv, as_csv(board, repeat, output.top))
    if output.html is not None:
        origin = Origin(store.uri, datetime.now(UTC), store.environment)
        write(output.html, html(board, repeat, origin, output.top))
    if output.as_json:
        told = {**environment_document(store), **(beside or {})}
        print_json({**told, **document(board, repeat, output.top)})
    elif "-" not in (output.csv, output.html):
        tell_environment(store)
        _print(board, output.top, output.wide, empty)


def _print(board: Leaderboard, top: int | None, wide: bool, empty: str) -> None:
    if not board.groups:
        say(empty)
    for place, group in enumerate(board.groups):
        if place:
            say()
        say(group.title)
        say(about(group, top))
        columns, rows = table(group, top)
        print_table(columns, rows, wide)
    for note in notes(board):
        say(f"\n{note}")
