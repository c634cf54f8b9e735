"""`ml-pipeline ui`: the Dagster UI and daemon on the home folder's instance."""

import contextlib
import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import click
import dagster as dg

from ml_pipeline.cli.project import project
from ml_pipeline.dagster.form import form_of
from ml_pipeline.dagster.instance import database_faults, open_instance
from ml_pipeline.dagster.owners import end_abandoned
from ml_pipeline.dagster.pages import form_link, variables_of
from ml_pipeline.dagster.services import check_port, services, stoppable, url_of
from ml_pipeline.launch.inbox import Inbox, inbox_of
from ml_pipeline.settings import HOME_VARIABLE
from ml_pipeline.store.objects import local_directory

_LOOK_S: Final = 0.5
_ABANDONED_S: Final = 10.0


@click.command(name="ui")
@click.option(
    "--host", "-h", default="127.0.0.1", show_default=True, help="Name or address to serve."
)
@click.option(
    "--port",
    "-p",
    type=click.IntRange(1, 65535),
    default=3000,
    show_default=True,
    help="Port to serve.",
)
def command(host: str, port: int) -> int:
    """Start the Dagster UI and its daemon on this home folder."""
    served = project()
    configured = served.settings
    folder = configured.instance_directory
    environment = {**os.environ, "DAGSTER_HOME": str(folder), HOME_VARIABLE: str(configured.home)}
    check_port(host, port)
    url = url_of(host, port)
    forms: dict[str, Path] = {}
    # Somebody may want to drop a request before the sensor has had its first look.
    if served.runs_pipeline:
        Inbox(inbox_of(served.pipeline))
        form = forms[served.pipeline.name] = configured.form(served.pipeline.name)
        page = form_of(served.pipeline, served.calendar, served.module, url)
        form.write_text(page, encoding="utf-8")
    roots = (local_directory(root) for root in served.location.store_roots)
    environment |= variables_of(url, forms, [root for root in roots if root is not None])
    try:
        with (
            stoppable(),
            open_instance(configured) as instance,
            _ending_runs(instance),
            services(served.module, host, port, environment, served.folder) as running,
        ):
            is_told, looked = False, time.monotonic()
            while not running.has_ended:
                if not is_told and running.answers:
                    told = f"Dagster UI on {running.url}, home {configured.home}. Ctrl-C stops it."
                    links = (form_link(name, environment) for name in forms)
                    told += "".join(f"\nA form for runs: {running.url}{link}" for link in links)
                    click.echo(told)
                    is_told = True
                if time.monotonic() - looked > _ABANDONED_S:
                    _end_abandoned(instance)
                    looked = time.monotonic()
                time.sleep(_LOOK_S)
            return running.process.returncode or 1
    except KeyboardInterrupt:
        return 0


@contextlib.contextmanager
def _ending_runs(instance: dg.DagsterInstance) -> Iterator[None]:
    """End the runs whose processes have not outlived the context."""
    try:
        yield
    finally:
        _end_abandoned(instance)


def _end_abandoned(instance: dg.DagsterInstance) -> None:
    # Where the databases are busy, the next look does it.
    with contextlib.suppress(*database_faults()):
        end_abandoned(instance)
