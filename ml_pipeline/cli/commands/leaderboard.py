"""`ml-pipeline leaderboard`: which parameter set is best over the dates that were run."""

from collections.abc import Callable
from typing import Any, Final

import click

from ml_pipeline.cli.board import Output, output_options, show_board
from ml_pipeline.cli.days import Day
from ml_pipeline.cli.environments import environment_option, store_of
from ml_pipeline.cli.project import project
from ml_pipeline.invocation import typed
from ml_pipeline.leaderboard.board import leaderboard, named_metric
from ml_pipeline.leaderboard.cells import cells_of
from ml_pipeline.params.as_of import AsOf
from ml_pipeline.runs.query import both, equal

_NOTHING: Final = f"No result yet: `{typed('run')}` makes the first, `{typed('sweep')}` many."
_NOTHING_SUCH: Final = f"No result fulfils that: `{typed('runs list')}` shows those there are."
_TAKEN: Final = (
    "--where",
    "--from",
    "--to",
    "--metric",
    "--top",
    "--csv",
    "--html",
    "--json",
    "--url",
    "--wide",
    "--help",
    "--environment",
    "environment",
    "where",
    "first",
    "last",
    "metric",
    "output",
)


def _label_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command an option for each parameter that shows in paths, but for names it has."""
    labels = [p.told for p in project().pipeline.params.parameters() if p.is_label]
    for name in reversed(labels):
        option = f"--{_argument(name).replace('_', '-')}"
        if option in _TAKEN or name in _TAKEN:
            continue
        text = f'Short for --where "{name}=..."'
        command = click.option(option, _argument(name), metavar="VALUE", help=text)(command)
    return command


def _argument(name: str) -> str:
    return name.replace(".", "_")


@click.command(name="leaderboard")
@_label_options
@click.option("--where", metavar="CONDITIONS", help='Like "NAME<0.1 and OTHER=text".')
@click.option("--from", "first", type=Day(), metavar="DATE", help="First date to compare.")
@click.option("--to", "last", type=Day(), metavar="DATE", help="Last date to compare.")
@click.option(
    "--metric",
    metavar="NAME[:minimize|:maximize]",
    help="Compare by this metric instead of the one that results declare.",
)
@environment_option
@output_options
def command(
    where: str | None,
    first: AsOf | None,
    last: AsOf | None,
    metric: str | None,
    output: Output,
    environment: str | None,
    **labels: str | None,
) -> None:
    """Rank parameter sets by their results over dates.

    Only what can be compared is ranked together; the rest stands in tables of its own that say why.
    """
    name, direction = named_metric(metric)
    shown = {_argument(p.told): p.told for p in project().pipeline.params.parameters()}
    conditions = [equal(shown[name], value) for name, value in labels.items() if value is not None]
    wanted = both([*conditions, *([where] if where else [])])
    missed: list[str] = []
    store = store_of(project(), environment)
    pipeline = project().pipeline
    cells = cells_of(store, pipeline, wanted, first, last, missed.append)
    board = leaderboard(cells, name, direction, missed=len(missed), in_order=pipeline.keys.order)
    show_board(board, store, output, _NOTHING_SUCH if wanted or first or last else _NOTHING)
