"""`ml-pipeline promote`: an environment gets a run."""

from collections.abc import Iterable
from typing import Any, get_args

import click

from ml_pipeline.cli.days import Day
from ml_pipeline.cli.project import project
from ml_pipeline.cli.promoted import print_promoted, promoted_document
from ml_pipeline.cli.show import print_json, telling
from ml_pipeline.cli.tables import print_table, say
from ml_pipeline.errors import QueryError
from ml_pipeline.launch.promotion_request import PromotionPlan, PromotionRequest
from ml_pipeline.params.as_of import AsOf
from ml_pipeline.params.scalar import scalar
from ml_pipeline.runs.gate import Gate
from ml_pipeline.store.ledger import Alias, Flag


@click.command(name="promote")
@click.argument("run_id")
@click.option("--from", "source", metavar="ENVIRONMENT", help="Whose store the run is in.")
@click.option("--to", "target", required=True, metavar="ENVIRONMENT", help="Such as production.")
@click.option(
    "--as-of", type=Day(), metavar="DATE", help="Date of the run, where RUN_ID is parameters."
)
@click.option(
    "--gate",
    "criteria",
    multiple=True,
    metavar="CRITERION",
    help='What its metrics must be beside those of what is there: "mape <= 0.25", "mape within 2%"'
    ' or "mape better by 1%"; repeat for more.',
)
@click.option(
    "--min-dates",
    type=click.IntRange(1),
    metavar="N",
    help="Fewest dates that both must have to be compared.",
)
@click.option(
    "--alias",
    type=click.Choice(get_args(Alias)),
    default="champion",
    show_default=True,
    help="What the environment has it as.",
)
@click.option(
    "--flag",
    "flags",
    multiple=True,
    metavar="NAME=VALUE",
    help="A feature flag for whoever serves it, such as share=0.1; repeat for more.",
)
@click.option("--by", default="", metavar="NAME", help="Who promotes it.")
@click.option("--note", default="", metavar="TEXT", help="What to remember about it.")
@click.option("--force", is_flag=True, help="In spite of what speaks against it; needs --note.")
@click.option("--dry-run", is_flag=True, help="Say what would be done, and do nothing.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
def command(
    run_id: str,
    source: str | None,
    target: str,
    as_of: AsOf | None,
    criteria: tuple[str, ...],
    min_dates: int | None,
    alias: Alias,
    flags: tuple[str, ...],
    by: str,
    note: str,
    force: bool,
    dry_run: bool,
    as_json: bool,
) -> int:
    """Make a run what an environment has; everything it was made from is checked first.

    RUN_ID is the beginning of a run id, @ENVIRONMENT, or parameters such as model_version=v2. Where
    the environment has a store of its own, everything is copied there byte for byte. Wherever a run
    id is asked for, @ENVIRONMENT means what that environment has. `ml-pipeline rollback` goes back.
    """
    served = project()
    request = PromotionRequest(
        run_id,
        target,
        source,
        as_of,
        alias,
        Gate.of(criteria, min_dates or 1) if criteria or min_dates else None,
        _flags(flags),
        note,
        by,
        force,
    )
    plan = request.planned(served.listed, served.settings.environments, served.location.store_in)
    if dry_run:
        return _tell(plan, as_json)
    with telling("promoting") as tell:
        done = plan.carried_out(tell)
    if as_json:
        print_json(promoted_document(done))
    else:
        if plan.outcome is not None:
            say(f"{plan.outcome.sentence}\n")
        print_promoted(done, plan.target.environment)
    return 0


def _flags(given: Iterable[str]) -> dict[str, Flag]:
    problems: list[str] = []
    found: dict[str, Flag] = {}
    for text in given:
        name, equals, written = text.partition("=")
        value = scalar(written)
        if not equals or not isinstance(value, Flag):
            problems.append(f"a feature flag must be NAME=VALUE, but got {text!r}")
        elif name in found:
            problems.append(f"a feature flag must have one value, but '{name}' is given twice")
        else:
            found[name] = value
    if problems:
        raise QueryError(problems)
    return found


def _tell(plan: PromotionPlan, as_json: bool) -> int:
    record = plan.entry.record
    if as_json:
        outcome = plan.outcome.model_dump(mode="json") if plan.outcome is not None else None
        document: dict[str, Any] = {
            "run_id": record.run_id,
            "revision": record.revision,
            "from": plan.source.uri,
            "to": plan.target.uri,
            "gate": outcome,
            "parameters": {name: list(pair) for name, pair in plan.parameters.items()},
            "problems": list(plan.problems),
        }
        print_json(document)
        return 1 if plan.problems else 0
    of = f" of {record.as_of}" if record.as_of else ""
    say(f"Run {record.run_id}{of}, from {plan.source.uri} to {plan.target.uri}.")
    if plan.before is not None:
        say(f"There is {plan.before.run_id}, since {plan.before.at:%Y-%m-%d %H:%M} UTC.")
    if plan.outcome is not None:
        say(f"\n{plan.outcome.sentence}")
    if plan.parameters:
        say()
        rows = [[name, then, now] for name, (then, now) in plan.parameters.items()]
        print_table(["parameter", "there", "now"], rows)
    for problem in plan.problems:
        say(f"\nAgainst it: {problem}.")
    say("\nNothing was promoted: this was a dry run.")
    return 1 if plan.problems else 0
