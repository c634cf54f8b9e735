"""The Dagster instance under the home folder: the UI shows it, the command line uses it."""

import contextlib
import os
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import dagster as dg
import yaml

from ml_pipeline.cores import cores
from ml_pipeline.dagster import private
from ml_pipeline.dagster.databases import check_databases, make_databases
from ml_pipeline.dagster.owners import end_abandoned
from ml_pipeline.errors import MlPipelineError, SettingsError
from ml_pipeline.settings import Settings
from ml_pipeline.text import quoted, shortened

_CONFIGURATION: Final = """\
# Written by ml_pipeline when it first needed an instance; edit it as you like.
# https://docs.dagster.io/deployment/oss/dagster-yaml
telemetry:
  enabled: false
nux:
  enabled: false
# A run keeps one core busy, so more at once finish no sooner and take 300 MB each. The rest waits
# in the queue in the order in which it came; the tag dagster/priority lets a run go first.
run_queue:
  dequeue_interval_seconds: 2
concurrency:
  runs:
    max_concurrent_runs: {runs}
    # However long a backfill or a pile of requests is, there is room for something else beside it.
    tag_concurrency_limits:
      - key: dagster/backfill
        limit: {share}
      - key: dagster/sensor_name
        limit: {share}
      - key: dagster/schedule_name
        limit: {share}
  # Runs that name a pool, such as sweeps, which use all cores themselves, go one after the other.
  pools:
    granularity: run
    default_limit: 1
run_monitoring:
  enabled: true
  # A run whose process was killed from outside is given up in the end, and its place is free again.
  max_runtime_seconds: 86400
"""

_REFUSALS: Final = (
    *private.REFUSALS,
    yaml.YAMLError,
    ImportError,
    AttributeError,
    TypeError,
    ValueError,
)
_FEWEST_RUNS: Final = 2
"""One more than a pile of requests may take."""
_LIMIT: Final = re.compile(r"max_concurrent_runs: (\d{1,6})$", re.MULTILINE)


def prepare(settings: Settings) -> Path:
    """Return the instance's folder, made and configured if it is new, and looked over if not.

    Limits that nobody has edited are those of the machine that prepares it, not of the first one.

    Raises:
        SettingsError: if the folder or what is in it cannot be used.
    """
    folder = settings.instance_directory
    try:
        folder.mkdir(parents=True, exist_ok=True)
        configuration = folder / "dagster.yaml"
        if not configuration.exists() or _is_of_another_machine(configuration):
            # Two commands may come at the same time: neither should read half of it.
            scratch = folder / f".dagster.yaml.{os.getpid()}"
            scratch.write_text(_configuration(_runs_here()))
            scratch.replace(configuration)
        make_databases(folder, lambda: _read(configuration))
        check_databases(folder)
    except OSError as error:
        raise SettingsError(
            f"The home folder must be writable, but {folder} is not: {error.strerror}."
            " Set ML_PIPELINE_HOME to a folder that is."
        ) from error
    return folder


def _runs_here() -> int:
    return max(_FEWEST_RUNS, cores())


def _configuration(runs: int) -> str:
    return _CONFIGURATION.format(runs=runs, share=runs - 1)


def _is_of_another_machine(configuration: Path) -> bool:
    """Whether a configuration is what is written for other cores, and nobody has edited it."""
    text = configuration.read_text(encoding="utf-8", errors="replace")
    found = _LIMIT.search(text)
    runs = int(found[1]) if found is not None else 0
    return runs != _runs_here() and text == _configuration(runs)


@contextlib.contextmanager
def open_instance(settings: Settings) -> Iterator[dg.DagsterInstance]:
    """Open the instance for runs in this process; runs of processes that are gone are ended.

    Raises:
        SettingsError: if the folder or what is in it cannot be used.
        MlPipelineError: if a database fails while the context lasts.
    """
    with private.engines_kept():
        folder = prepare(settings)
        try:
            with _configured(folder):
                opened = private.open_instance(folder)
            with opened as instance:
                end_abandoned(instance)
                yield instance
        except database_faults() as error:
            check_databases(folder)
            raise database_failure(folder, error) from error


def database_failure(folder: Path | str, error: Exception) -> MlPipelineError:
    """Return the error that says what a database of the instance in a folder has said."""
    return MlPipelineError(
        f"The databases of the Dagster instance in {folder} must work, but one says:"
        f" {_said_by_database(error)}. What was published stays; the same command goes on"
        " from there."
    )


def database_faults() -> tuple[type[Exception], ...]:
    """Return what is raised where a database fails; asked for when something has been."""
    from sqlalchemy.exc import DBAPIError

    postgres = sys.modules.get("dagster_postgres.utils")
    return (DBAPIError, *([postgres.DagsterPostgresException] if postgres is not None else []))


def _said_by_database(error: Exception) -> str:
    """Return what a database said, whoever has tried again before giving up."""
    first = error.__cause__ if error.__cause__ is not None and not hasattr(error, "orig") else error
    return " ".join(str(getattr(first, "orig", first)).split())


def _read(file: Path) -> dict[str, Any]:
    """Read what an instance is configured with.

    Raises:
        SettingsError: if that is no YAML document of names and values.
    """
    try:
        read = yaml.safe_load(file.read_text(encoding="utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise _unusable(file, error) from error
    if not isinstance(read, dict | None):
        raise _unusable(file, ValueError(f"it holds {quoted(read)} and no names and values"))
    return read or {}


@contextlib.contextmanager
def _configured(folder: Path) -> Iterator[None]:
    """Let what Dagster says of a configuration that it does not take be told shortly.

    It names classes, so anything may go wrong while they are found and made.
    """
    try:
        yield
    except _REFUSALS as error:
        raise _unusable(folder / "dagster.yaml", error) from error


def _unusable(file: Path, error: Exception) -> SettingsError:
    said = " ".join(str(error).split())
    return SettingsError(
        f"{file} must be a configuration that Dagster takes, but is not: {shortened(said, 300)}."
        " Correct it, or move it away: a new one is written."
    )
