"""`ml-pipeline form`: one page to fill in the parameters of a run."""

import click

from ml_pipeline.cli.files import write
from ml_pipeline.cli.project import project
from ml_pipeline.cli.webservers import link_option


@click.command(name="form")
@click.option(
    "--out",
    default="form.html",
    show_default=True,
    metavar="FILE",
    help="Where the page is written; - is standard output.",
)
@link_option("Webserver whose launchpad it opens.")
def command(out: str, url: str) -> None:
    """Write a page that fills in a run: parameters, dates, its id, the command, the launchpad."""
    from ml_pipeline.dagster.form import form_of

    served = project()
    write(out, form_of(served.pipeline, served.calendar, served.module, url))
