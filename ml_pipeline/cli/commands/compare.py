"""`ml-pipeline compare`: two environments, runs or parameter sets, date by date."""

from datetime import UTC, datetime
from typing import Any

import click

from ml_pipeline.cli.days import Day
from ml_pipeline.cli.files import write
from ml_pipeline.cli.project import project
from ml_pipeline.cli.request import ORIGIN, typed_params
from ml_pipeline.cli.show import print_json, progress_bar
from ml_pipeline.cli.tables import print_table, say, wide_option
from ml_pipeline.errors import QueryError
from ml_pipeline.leaderboard.board import named_metric
from ml_pipeline.leaderboard.comparison import Comparison, compare
from ml_pipeline.leaderboard.comparison_report import (
    by_date,
    differences,
    document,
    notes,
    summary,
)
from ml_pipeline.leaderboard.sides import Sides
from ml_pipeline.params.as_of import AsOf
from ml_pipeline.params.layers import Layer
from ml_pipeline.runs.gate import Gate, Outcome


@click.command(name="compare")
@click.argument("left")
@click.argument("right")
@click.option("--from", "first", type=Day(), metavar="DATE", help="First date to compare.")
@click.option("--to", "last", type=Day(), metavar="DATE", help="Last date to compare.")
@click.option(
    "--param",
    "-p",
    "typed",
    multiple=True,
    metavar="NAME=VALUE",
    help="Set a parameter of both sides, unless one sets it itself; repeat for more.",
)
@click.option(
    "--metric",
    metavar="NAME[:minimize|:maximize]",
    help="Compare by this metric instead of the one that results declare.",
)
@click.option(
    "--gate",
    "criteria",
    multiple=True,
    metavar="CRITERION",
    help='Ask of RIGHT what a promotion would, beside LEFT: "mape <= 0.25" or "mape within 2%";'
    " repeat for more. The exit code is 1 where it fails.",
)
@click.option(
    "--min-dates", type=click.IntRange(1), metavar="N", help="Fewest dates that --gate judges over."
)
@click.option("--html", "file", metavar="FILE", help="Write a report with plots.")
@wide_option
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
def command(
    left: str,
    right: str,
    first: AsOf | None,
    last: AsOf | None,
    typed: tuple[str, ...],
    metric: str | None,
    criteria: tuple[str, ...],
    min_dates: int | None,
    file: str | None,
    wide: bool,
    as_json: bool,
) -> int:
    """Compare LEFT and RIGHT by their results at the dates that both have.

    A side is an environment (blue), what was promoted to one (@staging), the beginning of a run id,
    parameters (NAME=0.1,OTHER=3) or a file of them; with @ENVIRONMENT behind, in that
    environment (1a2b3c@blue). It stands for its parameters, at all dates that it was run for.
    Nothing is computed.
    """
    served = project()
    problems: list[str] = []
    common = typed_params(served.pipeline.params, typed, problems)
    if problems:
        raise QueryError(problems)
    gate = Gate.of(criteria, min_dates or 1) if criteria or min_dates else None
    by, direction = named_metric(metric)
    layers = [Layer(ORIGIN, common, is_typed=True)] if common else []
    environments, stores = served.settings.environments, served.location.store_in
    sides = Sides(served.pipeline, environments, stores, layers, first, last)
    here, there = sides.named(left, right)
    with progress_bar(2, f"reading {here.name}") as advance:
        one = sides.opened(here)
        advance(f"reading {there.name}")
        found = compare(one, sides.opened(there), by, direction)
    outcome = found.gated(gate) if gate is not None else None
    if file is not None:
        _write_page(file, found)
    if as_json:
        gated: Any = {"gate": outcome.model_dump(mode="json")} if outcome is not None else {}
        print_json({**document(found), **gated})
    elif file != "-":
        _print(found, outcome, wide)
    return 0 if outcome is None or outcome.passed else 1


def _write_page(file: str, found: Comparison) -> None:
    from ml_pipeline.leaderboard.comparison_page import comparison_page
    from ml_pipeline.leaderboard.page import Origin

    stores = dict.fromkeys([found.left.store, found.right.store])
    write(file, comparison_page(found, Origin(" and ".join(stores), datetime.now(UTC))))


def _print(found: Comparison, outcome: Outcome | None, wide: bool) -> None:
    say(found.verdict)
    if outcome is not None:
        say(outcome.sentence)
    for columns, rows in (summary(found), by_date(found), differences(found)):
        say()
        if rows:
            print_table(columns, rows, wide)
        else:
            say("The two do not differ in parameters or code.")
    for note in notes(found):
        say(f"\n{note}")
