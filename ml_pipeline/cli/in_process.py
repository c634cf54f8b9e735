"""Runs of this process, on the instance that the UI shows."""

import contextlib
from collections.abc import Iterator

from ml_pipeline.defs.assets import PIPELINE
from ml_pipeline.launch import InProcess
from ml_pipeline.settings import Settings


@contextlib.contextmanager
def in_process(configured: Settings) -> Iterator[InProcess]:
    """Open what runs the pipeline in this process.

    Raises:
        SettingsError: if the home folder cannot be written.
    """
    from ml_pipeline.definitions import defs
    from ml_pipeline.instance import open_instance
    from ml_pipeline.store import ArtifactStore

    with open_instance(configured) as instance:
        yield InProcess(
            job=defs.resolve_implicit_global_asset_job_def(),
            pipeline=PIPELINE,
            store=ArtifactStore(configured.store_root),
            instance=instance,
            logs=configured.logs_directory,
            dates_per_run=configured.dates_per_run,
        )
