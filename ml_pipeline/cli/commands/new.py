"""`ml-pipeline new`: a package of one's own."""

from pathlib import Path

import click

from ml_pipeline.cli.new_project import write_project


@click.command(name="new")
@click.argument("name")
def command(name: str) -> None:
    """Write a working package with a pipeline called NAME into this folder.

    It has parameters, three assets, a sensor, schedules and tests of all that.
    """
    write_project(name, Path.cwd())
    click.echo(f"Wrote {name}. Next:\n")
    for line in (f"cd {name}", "pip install -e '.[test]' && pytest", "ml-pipeline ui"):
        click.echo(f"  {line}")
