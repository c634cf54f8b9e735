"""Runs of this process, on the instance that the UI shows."""

import contextlib
from collections.abc import Iterator

import dagster as dg

from ml_pipeline.cli.console import look_for_garbage
from ml_pipeline.defs.assets import PIPELINE
from ml_pipeline.launch.in_process import InProcess
from ml_pipeline.settings import Settings


@contextlib.contextmanager
def in_process(configured: Settings, job: dg.JobDefinition) -> Iterator[InProcess]:
    """Open what runs the pipeline in this process.

    Args:
        configured: where things are.
        job: what has the assets to be made.

    Raises:
        SettingsError: if the home folder cannot be written.
    """
    from ml_pipeline.dagster.instance import open_instance
    from ml_pipeline.store.artifacts import ArtifactStore

    with open_instance(configured) as instance:
        look_for_garbage()
        yield InProcess(
            job=job,
            pipeline=PIPELINE,
            store=ArtifactStore(configured.store_root),
            instance=instance,
            logs=configured.logs_directory,
            dates_per_run=configured.dates_per_run,
        )
