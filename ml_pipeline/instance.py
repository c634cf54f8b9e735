"""The Dagster instance under the home folder: the UI shows it, the command line uses it."""

from pathlib import Path
from typing import Final

import dagster as dg

from ml_pipeline.errors import SettingsError
from ml_pipeline.settings import Settings

_CONFIGURATION: Final = """\
# Written by ml_pipeline when it first needed an instance; edit it as you like.
# https://docs.dagster.io/deployment/oss/dagster-yaml
telemetry:
  enabled: false
nux:
  enabled: false
concurrency:
  runs:
    max_concurrent_runs: 4
run_monitoring:
  enabled: true
"""


def prepare(settings: Settings) -> Path:
    """Return the instance's folder, made and configured if it is new.

    Raises:
        SettingsError: if the folder cannot be written.
    """
    folder = settings.instance_directory
    try:
        folder.mkdir(parents=True, exist_ok=True)
        configuration = folder / "dagster.yaml"
        if not configuration.exists():
            configuration.write_text(_CONFIGURATION)
    except OSError as error:
        raise SettingsError(
            f"The home folder must be writable, but {folder} is not: {error.strerror}."
            " Set ML_PIPELINE_HOME to a folder that is."
        ) from error
    return folder


def open_instance(settings: Settings) -> dg.DagsterInstance:
    """Open the instance for runs in this process.

    Raises:
        SettingsError: if the folder cannot be written.
    """
    from dagster._core.instance.ref import InstanceRef

    folder = prepare(settings)
    # Capturing the output of a step starts two processes for each; in this process, output is
    # redirected to a log file already.
    without_capture = {
        "compute_logs": {
            "module": "dagster._core.storage.noop_compute_log_manager",
            "class": "NoOpComputeLogManager",
        }
    }
    return dg.DagsterInstance.from_ref(InstanceRef.from_dir(str(folder), overrides=without_capture))
