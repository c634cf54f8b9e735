"""Runs of this process, on the instance that the UI shows."""

import contextlib
from collections.abc import Iterator

import dagster as dg

from ml_pipeline.cli.console import look_for_garbage
from ml_pipeline.cli.project import Project
from ml_pipeline.dagster.execution import InProcess
from ml_pipeline.runs.host import Host


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
    from ml_pipeline.dagster.launchpad import in_location

    with open_instance(served.settings) as instance, in_location(served.module):
        look_for_garbage()
        yield InProcess(
            job=job,
            pipeline=served.pipeline,
            store=served.location.store_in(environment),
            instance=instance,
            logs=served.settings.logs_directory,
            dates_per_run=served.location.dates_per_run,
            calendar=served.calendar,
        )


@contextlib.contextmanager
def deciding(served: Project) -> Iterator[Host]:
    """Open what knows of assets that are no stages, where stages read any.

    Args:
        served: the pipeline, and where things are.

    Raises:
        SettingsError: if the instance cannot be used.
    """
    from ml_pipeline.dagster.arguments import resources_to_decide
    from ml_pipeline.dagster.hosts import WithInstance
    from ml_pipeline.dagster.instance import open_instance

    if resources_to_decide(served.pipeline):
        with computing(served) as host:
            yield host
        return
    if not served.pipeline.reads_others:
        yield Host()
        return
    with open_instance(served.settings) as instance:
        yield WithInstance(instance)


@contextlib.contextmanager
def computing(served: Project) -> Iterator[Host]:
    """Open what provides stages with what the code location has, outside a run.

    Args:
        served: the pipeline, and where things are.

    Raises:
        SettingsError: if the instance cannot be used.
    """
    from ml_pipeline.dagster.instance import open_instance
    from ml_pipeline.dagster.location_host import WithLocation
    from ml_pipeline.dagster.stages import asks_dagster

    if not asks_dagster(served.pipeline):
        yield Host()
        return
    with (
        open_instance(served.settings) as instance,
        WithLocation(instance, served.definitions, served.location.partitions) as host,
    ):
        yield host
