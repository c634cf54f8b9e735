"""What makes runs go on: Dagster's instance, its daemon and queue, executors and schedulers."""

import os
import socket
from collections.abc import Iterator, Mapping
from typing import Any, Final
from urllib.parse import urlsplit

import dagster as dg

from ml_pipeline.addresses import masked
from ml_pipeline.cli.health.finding import Finding
from ml_pipeline.dagster.instance import open_instance
from ml_pipeline.invocation import typed
from ml_pipeline.settings import Settings
from ml_pipeline.text import counted

_CONNECTING_S: Final = 4.0
_PORTS: Final = {"amqp": 5672, "pyamqp": 5672, "amqps": 5671, "redis": 6379, "rediss": 6379}
_BROKER: Final = "pyamqp://guest@localhost//"
"""What dagster-celery takes where nothing is set."""


def instance(settings: Settings) -> Iterator[Finding]:
    """Look whether the instance opens, its tables are current, and somebody empties its queue."""
    is_new = not settings.instance_directory.exists()
    with open_instance(settings) as opened:
        where = settings.instance_directory
        yield Finding("instance", "ok", f"{where} opens{', and is new' if is_new else ''}")
        yield from _schema(opened)
        yield from _queue(opened)


def _schema(opened: dg.DagsterInstance) -> Iterator[Finding]:
    storages = opened.run_storage, opened.event_log_storage, opened.schedule_storage
    versions = [storage.alembic_version() for storage in storages if storage is not None]
    old = [found for found in versions if found is not None and found[0] != found[1]]
    if old:
        said = f"tables are of revision {old[0][0]}, and this Dagster has {old[0][1]}"
        yield Finding("instance schema", "problem", said, "`dagster instance migrate`.")
    else:
        yield Finding("instance schema", "ok", f"tables are those of Dagster {dg.__version__}")


def _queue(opened: dg.DagsterInstance) -> Iterator[Finding]:
    def count(*statuses: dg.DagsterRunStatus) -> int:
        return opened.get_runs_count(dg.RunsFilter(statuses=list(statuses)))

    waiting = count(dg.DagsterRunStatus.QUEUED)
    going_on = count(dg.DagsterRunStatus.STARTED, dg.DagsterRunStatus.STARTING)
    statuses = [one for one in opened.get_daemon_statuses().values() if one.required]
    ill = sorted(one.daemon_type for one in statuses if not one.healthy)
    beats = [one.last_heartbeat for one in statuses if one.last_heartbeat is not None]
    start = f"Start it: `{typed('ui')}`, or `dagster-daemon run` on this instance."
    if not ill:
        yield Finding("daemon", "ok", "all its parts give signs of life")
    elif not beats:
        said = "none ever ran: schedules, sensors and backfills do nothing, queued runs wait"
        yield Finding("daemon", "problem" if waiting else "warning", said, start)
    else:
        said = f"no sign of life lately of {', '.join(ill)}"
        yield Finding("daemon", "problem" if waiting else "warning", said, start)
    yield Finding("queue", "ok", f"{counted(waiting, 'run')} waiting, {going_on} going on")


def executor(settings: Settings) -> Iterator[Finding]:
    """Look whether the executor can be had and, where it has a broker, that and its workers."""
    from ml_pipeline.dagster.executors import configured_executor

    name = configured_executor().name
    yield Finding("executor", "ok", f"{name}{'' if name != 'celery' else ', with a broker'}")
    if settings.executor != "celery":
        return
    broker = _text(settings.executor_config.get("broker")) or _BROKER
    parts = urlsplit(broker)
    place = parts.hostname or "localhost", parts.port or _PORTS.get(parts.scheme, 5672)
    try:
        socket.create_connection(place, _CONNECTING_S).close()
    except OSError as error:
        said = f"{masked(broker)} cannot be reached: {error}"
        yield Finding("broker", "problem", said, "Start it, or correct `executor_config`.")
        return
    yield Finding("broker", "ok", f"something answers at {place[0]}:{place[1]}")
    from kombu.exceptions import OperationalError

    from ml_pipeline.dagster.celery import START_A_WORKER, workers_at

    try:
        count = workers_at(broker)
    except OperationalError as error:
        said = f"{masked(broker)} does not let in, or is none: {error}"
        yield Finding("workers", "problem", said, "Correct `executor_config`.")
        return
    if count:
        yield Finding("workers", "ok", f"{counted(count, 'Celery worker')} there")
    else:
        said = "no Celery worker answers: runs wait until there is one"
        yield Finding("workers", "warning", said, f"{START_A_WORKER}.")


def _text(value: Any) -> str:
    """Return a value of config, which may be that of a variable."""
    if isinstance(value, Mapping):
        return os.environ.get(str(value.get("env")), "")
    return "" if value is None else str(value)


def scheduler(settings: Settings) -> Iterator[Finding]:
    """Look whether the Dask scheduler that sweeps are computed by answers, and has workers."""
    if not settings.scheduler:
        yield Finding("scheduler", "ok", "sweeps are computed on this machine")
        return
    from ml_pipeline.sweeps.dask_workers import DaskCluster

    cluster = DaskCluster(settings.scheduler)
    client = cluster.connected()
    try:
        count = len(client.scheduler_info(n_workers=-1)["workers"])
    finally:
        client.close(timeout=1)
    if count:
        yield Finding("scheduler", "ok", f"{settings.scheduler} has {counted(count, 'worker')}")
    else:
        said = f"{settings.scheduler} has no workers: sweeps wait for one, and give up"
        yield Finding("scheduler", "warning", said, f"{cluster.start}.")
