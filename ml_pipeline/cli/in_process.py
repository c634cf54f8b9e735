"""Runs of this process, on the instance that the UI shows."""

import contextlib
from collections.abc import Iterator

import dagster as dg

from ml_pipeline.cli.console import look_for_garbage
from ml_pipeline.cli.project import Project
from ml_pipeline.dagster.execution import InProcess


@contextlib.contextmanager
def in_process(
    served: Project, job: dg.JobDefinition, environment: str | None
) -> Iterator[InProcess]:
    """Open what runs a pipeline in this process.

    Args:
        served: the pipeline, and where things are.
        job: what has the assets to be made.
        environment: whose artifacts; this deployment's own if None.

    Raises:
        SettingsError: if the instance cannot be used.
    """
    from ml_pipeline.dagster.instance import open_instance

    with open_instance(served.settings) as instance:
        look_for_garbage()
        yield InProcess(
            job=job,
            pipeline=served.pipeline,
            store=served.location.store_in(environment),
            instance=instance,
            logs=served.settings.logs_directory,
            dates_per_run=served.location.dates_per_run,
        )
