"""`ml-pipeline card`: the report of a run, as Markdown or as a page."""

import sys
from datetime import UTC, datetime

import click

from ml_pipeline.cli.environments import environment_option, found_in
from ml_pipeline.cli.files import write
from ml_pipeline.cli.project import Project, project
from ml_pipeline.cli.tables import say
from ml_pipeline.leaderboard.card_page import card_markdown, card_page
from ml_pipeline.leaderboard.model_card import model_card
from ml_pipeline.leaderboard.page import Origin
from ml_pipeline.store.artifacts import ArtifactStore


@click.command(name="card")
@click.argument("run_id")
@click.option("--html", "as_html", is_flag=True, help="A page with plots instead of Markdown.")
@click.option("--out", metavar="FILE", default="-", help="Write it there; - for the terminal.")
@environment_option
def command(run_id: str, as_html: bool, out: str, environment: str | None) -> None:
    """Report on a run: what it is for, how good it is, what it was made from, where it went.

    The beginning of its id is enough; RUN_ID/REVISION is one that is not the newest, @ENVIRONMENT
    what was promoted to one. Results at other dates are those of the same parameters.
    """
    store, entry = found_in(project(), run_id, environment)
    card = model_card(project().listed, store, entry, _ledgers(project(), store))
    if as_html:
        write(out, card_page(card, Origin(store.uri, datetime.now(UTC), store.environment)))
        return
    on_screen = out == "-" and sys.stdout.isatty()
    write(out, card_markdown(card, with_pictures=not on_screen))
    if on_screen and any(section.pictures for section in card.sections):
        say("Plots are left out here: --html --out FILE shows them.", err=True)


def _ledgers(served: Project, store: ArtifactStore) -> dict[str, ArtifactStore]:
    """Return the stores that may know of promotions: the run's own, and every environment's."""
    names = served.settings.environments.configured
    return {"": store} | {name: served.location.store_in(name) for name in names}
