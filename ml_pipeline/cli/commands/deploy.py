"""`ml-pipeline deploy`: files that run the code location elsewhere than in a terminal."""

from pathlib import Path

import click

from ml_pipeline.cli.deployment import Kind, write_deployment
from ml_pipeline.cli.project import project
from ml_pipeline.cli.tables import say


@click.group(name="deploy")
def command() -> None:
    """Write files that run this code location on one machine, or for a team."""


@command.command()
@click.argument("folder", type=click.Path(path_type=Path, file_okay=False), metavar="DIR")
@click.option("--one-machine", "kind", flag_value="one_machine", help="systemd units, SQLite.")
@click.option(
    "--team", "kind", flag_value="team", help="A compose file: Postgres and an object store."
)
def init(folder: Path, kind: Kind | None) -> None:
    """Write them into DIR; nothing that is there is written over. No secret is in any."""
    if kind is None:
        raise click.UsageError("One of --one-machine and --team must be given, but neither is.")
    module = project().module
    names = write_deployment(kind, module, folder)
    say(f"Wrote {', '.join(names)} into {folder}. Next: {folder / 'README.md'} says what to do.")
