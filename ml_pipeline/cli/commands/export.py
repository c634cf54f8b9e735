"""`ml-pipeline export`: what all records say, as one Parquet file."""

import dataclasses

import click

from ml_pipeline.cli.environments import environment_document, environment_option, store_of
from ml_pipeline.cli.project import project
from ml_pipeline.cli.show import print_json, progress_bar
from ml_pipeline.cli.tables import say
from ml_pipeline.invocation import typed
from ml_pipeline.runs.export import export
from ml_pipeline.store.exports import Exports
from ml_pipeline.text import counted


@click.command(name="export")
@click.argument("destination")
@click.option("--where", metavar="CONDITIONS", help='Like "asset=NAME and OTHER<0.1".')
@environment_option
@click.option("--force", is_flag=True, help="Overwrite what is there, whatever it is.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
def command(
    destination: str, where: str | None, environment: str | None, force: bool, as_json: bool
) -> None:
    """Write what the records of all artifacts say into DESTINATION, a row for each.

    That is a file ending in .parquet, or a directory that gets records.parquet; a path or a URI
    such as s3://bucket/folder. An earlier export there is replaced in one step.
    """
    store = store_of(project(), environment)
    with progress_bar(None, "reading") as advance:
        done = export(store, project().listed, Exports(destination), where, force, advance)
    if as_json:
        print_json(environment_document(store) | dataclasses.asdict(done))
        return
    say(
        f"Written: {done.address}: {counted(done.artifacts, 'artifact')},"
        f" {counted(done.columns, 'column')}."
    )
    if done.as_json:
        say(f"As JSON, since their values have no type in common: {', '.join(done.as_json)}.")
    if done.missed:
        say(f"{done.missed} cannot be read: `{typed('verify')}` says why.", err=True)
