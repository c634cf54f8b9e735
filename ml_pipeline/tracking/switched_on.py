"""Which trackers the settings switch on."""

import os
from importlib.util import find_spec
from typing import Final

from ml_pipeline.addresses import is_web, refusal_of
from ml_pipeline.errors import SettingsError
from ml_pipeline.runs.stages import Pipeline
from ml_pipeline.settings import settings
from ml_pipeline.text import quoted
from ml_pipeline.tracking.tracker import Tracker, Trackers

_MLFLOW_VARIABLE: Final = "MLFLOW_TRACKING_URI"
_OPENLINEAGE_VARIABLE: Final = "OPENLINEAGE_URL"
_OPENLINEAGE_OFF: Final = "OPENLINEAGE_DISABLED"


def tracker_of(pipeline: Pipeline, environment: str | None) -> Tracker:
    """Return what keeps track of the results of a pipeline; nothing unless the settings say so.

    Args:
        pipeline: its stages.
        environment: the one that they are in; this deployment's own if None.

    Raises:
        SettingsError: if what is switched on is not installed, or its address cannot be used.
    """
    trackers: list[Tracker] = []
    if (uri := mlflow_uri(environment)) is not None:
        from ml_pipeline.tracking.mlflow.tracker import MlflowTracker

        trackers.append(MlflowTracker.at(uri, pipeline))
    if (url := openlineage_url()) is not None:
        from ml_pipeline.tracking.openlineage.sender import Sender
        from ml_pipeline.tracking.openlineage.tracker import OpenLineageTracker

        given = (os.environ.get(f"OPENLINEAGE_{name}", "") for name in ("API_KEY", "ENDPOINT"))
        namespace = os.environ.get("OPENLINEAGE_NAMESPACE") or "ml_pipeline"
        trackers.append(OpenLineageTracker(pipeline, Sender(url, *given), namespace))
    return Trackers(trackers)


def openlineage_url() -> str | None:
    """Return the address of the OpenLineage server that is told of lineage; None where none is.

    Raises:
        SettingsError: if it cannot be used or carries credentials, or the client is not installed.
    """
    given = settings().openlineage_url
    is_installed = find_spec("openlineage") is not None
    if given is None and is_installed:
        given = os.environ.get(_OPENLINEAGE_VARIABLE, "")
        if (problem := refusal_of("openlineage_url", given)) is not None:
            raise SettingsError(f"{_OPENLINEAGE_VARIABLE} {problem}.")
    if not given or os.environ.get(_OPENLINEAGE_OFF, "").strip().lower() == "true":
        return None
    if not is_installed:
        raise SettingsError(
            "openlineage_url needs OpenLineage's client to be installed, but it is not. Install the"
            ' extra: pip install "ml_pipeline[openlineage]"; or leave the setting out.'
        )
    if not is_web(given):
        raise SettingsError(
            f"{_OPENLINEAGE_VARIABLE} must begin with http:// or https://, but is {quoted(given)}."
        )
    return given


def mlflow_uri(environment: str | None = None) -> str | None:
    """Return the address of the MLflow server that is told of results; None where none is.

    Args:
        environment: the one that they are in; this deployment's own if None.

    Raises:
        KeyError: if none of that name is configured.
        SettingsError: if it carries credentials, or MLflow is not installed.
    """
    given = settings().environments.named(environment).mlflow_tracking_uri
    is_installed = find_spec("mlflow") is not None
    if given is None and is_installed:
        given = os.environ.get(_MLFLOW_VARIABLE, "")
        if (problem := refusal_of("mlflow_tracking_uri", given)) is not None:
            raise SettingsError(f"{_MLFLOW_VARIABLE} {problem}.")
    if not given:
        return None
    if not is_installed:
        raise SettingsError(
            "mlflow_tracking_uri needs MLflow to be installed, but it is not. Install the extra:"
            ' pip install "ml_pipeline[mlflow]"; or leave the setting out.'
        )
    return given
