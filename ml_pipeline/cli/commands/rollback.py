"""`ml-pipeline rollback`: an environment gets back what it had before."""

from typing import get_args

import click

from ml_pipeline.cli.environments import known_environment
from ml_pipeline.cli.project import project
from ml_pipeline.cli.promoted import print_promoted, promoted_document
from ml_pipeline.cli.show import print_json, telling
from ml_pipeline.launch.rollback_request import RollbackRequest
from ml_pipeline.store.ledger import Alias


@click.command(name="rollback")
@click.option("--to", "environment", required=True, metavar="ENVIRONMENT", help="Which one.")
@click.option(
    "--alias",
    type=click.Choice(get_args(Alias)),
    default="champion",
    show_default=True,
    help="Which of what the environment has.",
)
@click.option("--by", default="", metavar="NAME", help="Who goes back.")
@click.option("--note", default="", metavar="TEXT", help="What to remember about it.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
def command(environment: str, alias: Alias, by: str, note: str, as_json: bool) -> None:
    """Let an environment have again what it had before; everything of it is checked first.

    Doing so twice goes back further. What was there stays in the ledger and in the store.
    """
    served = project()
    known = served.settings.environments
    known_environment(environment, known)
    request = RollbackRequest(environment, alias, note, by)
    with telling("checking") as tell:
        done = request.carried_out(served.pipeline, known, served.location.store_in, tell)
    if as_json:
        print_json(promoted_document(done))
    else:
        print_promoted(done, environment if environment in known.configured else None)
