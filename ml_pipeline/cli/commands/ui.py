"""`ml-pipeline ui`: the Dagster UI and daemon on the home folder's instance."""

import os
import subprocess
import sys

import click

from ml_pipeline.cli.project import project
from ml_pipeline.dagster.instance import prepare
from ml_pipeline.settings import HOME_VARIABLE


@click.command(name="ui")
@click.option("--host", "-h", default="127.0.0.1", show_default=True)
@click.option("--port", "-p", type=click.IntRange(1, 65535), default=3000, show_default=True)
def command(host: str, port: int) -> int:
    """Start the Dagster UI and its daemon on this home folder."""
    configured = project().settings
    folder = prepare(configured)
    click.echo(f"Dagster UI on http://{host}:{port}, home {configured.home}. Ctrl-C stops it.")
    environment = {**os.environ, "DAGSTER_HOME": str(folder), HOME_VARIABLE: str(configured.home)}
    process = subprocess.Popen(
        [
            sys.executable,
            "-m",
            "dagster",
            "dev",
            "-m",
            project().module,
            "--host",
            host,
            "--port",
            str(port),
        ],
        env=environment,
    )
    try:
        return process.wait()
    except KeyboardInterrupt:
        process.wait()
        return 0
