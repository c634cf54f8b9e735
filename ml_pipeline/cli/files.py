"""Files that commands write for people."""

from pathlib import Path

import click

from ml_pipeline.cli.tables import say


def write(file: str, text: str) -> None:
    """Write a file and say so; ``-`` is standard output.

    Raises:
        click.FileError: if it cannot be written.
    """
    if file == "-":
        click.echo(text, nl=False)
        return
    try:
        Path(file).write_text(text, encoding="utf-8")
    except OSError as error:
        raise click.FileError(file, error.strerror) from error
    say(f"Written: {file}", err=True)
