"""`ml-pipeline leaderboard`: which parameter set is best over the dates that were run."""

from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any, Final, get_args

import click

from ml_pipeline.cells import cells_of
from ml_pipeline.cli.days import Day
from ml_pipeline.cli.show import print_json, print_table
from ml_pipeline.defs.assets import PIPELINE
from ml_pipeline.errors import ParamsError
from ml_pipeline.leaderboard import Direction, Leaderboard, leaderboard
from ml_pipeline.leaderboard_report import Repeat, about, as_csv, document, html, notes, table
from ml_pipeline.settings import settings
from ml_pipeline.store import ArtifactStore

_LOCATION: Final = "ml_pipeline.definitions"
_LABELS: Final = [p.name for p in PIPELINE.params.parameters() if p.is_label]


def _label_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command an option for each parameter that shows in paths."""
    for name in reversed(_LABELS):
        option = f"--{name.replace('_', '-')}"
        text = f'Short for --where "{name}=..."'
        command = click.option(option, name, metavar="VALUE", help=text)(command)
    return command


@click.command(name="leaderboard")
@_label_options
@click.option("--where", metavar="CONDITIONS", help='Like "learning_rate<0.1 and max_depth=3".')
@click.option("--from", "first", type=Day(), metavar="DATE", help="First date to compare.")
@click.option("--to", "last", type=Day(), metavar="DATE", help="Last date to compare.")
@click.option(
    "--metric",
    metavar="NAME[:minimize|:maximize]",
    help="Compare by this metric instead of the one that results declare.",
)
@click.option("--top", type=click.IntRange(1), metavar="N", help="Only the best N of each table.")
@click.option("--csv", "csv_", metavar="FILE", help="Write all rows as CSV; - for the terminal.")
@click.option("--html", "html_", metavar="FILE", help="Write a report with plots.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
@click.option(
    "--url",
    default="http://127.0.0.1:3000",
    show_default=True,
    help="Where the Dagster UI is that launchpad links open.",
)
def command(
    where: str | None,
    first: date | None,
    last: date | None,
    metric: str | None,
    top: int | None,
    csv_: str | None,
    html_: str | None,
    as_json: bool,
    url: str,
    **labels: str | None,
) -> None:
    """Rank parameter sets by their results over dates.

    Only what can be compared is ranked together; the rest stands in tables of its own that say why.
    """
    name, direction = _metric(metric)
    conditions = [f"{label}={value!r}" for label, value in labels.items() if value is not None]
    both = " and ".join([*conditions, *([where] if where else [])])
    store = ArtifactStore(settings().store_root)
    cells = cells_of(store, PIPELINE, both or None, first, last)
    board = leaderboard(cells, name, direction)
    repeat = Repeat(url, _LOCATION)
    for text, file in ((as_csv, csv_), (html, html_)):
        if file == "-":
            click.echo(text(board, repeat, top), nl=False)
        elif file is not None:
            _write(Path(file), text(board, repeat, top))
    if as_json:
        print_json(document(board, repeat, top))
    elif csv_ != "-" and html_ != "-":
        _print(board, top, bool(conditions or where or first or last))


def _print(board: Leaderboard, top: int | None, is_filtered: bool) -> None:
    if not board.groups:
        click.echo(
            "No result fulfils that: `ml-pipeline runs list` shows those there are."
            if is_filtered
            else "No result yet: `ml-pipeline run` makes the first, `ml-pipeline sweep` many."
        )
    for place, group in enumerate(board.groups):
        if place:
            click.echo()
        click.echo(group.title)
        click.echo(about(group, top))
        columns, rows = table(group, top)
        print_table(columns, rows)
    for note in notes(board):
        click.echo(f"\n{note}")


def _metric(text: str | None) -> tuple[str | None, Direction | None]:
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
    raise ParamsError([f"--metric {name} must end in :minimize or :maximize, but got {text!r}"])


def _write(file: Path, text: str) -> None:
    try:
        file.write_text(text, encoding="utf-8")
    except OSError as error:
        raise click.FileError(str(file), error.strerror) from error
    click.echo(f"Written: {file}", err=True)
