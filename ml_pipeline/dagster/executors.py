"""Which of Dagster's executors takes the steps of a code location's runs."""

import importlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any, Final

import dagster as dg

from ml_pipeline.errors import SettingsError, nearest
from ml_pipeline.settings import settings, unusable
from ml_pipeline.text import shortened


@dataclass(frozen=True)
class _Known:
    """An executor that has a short name.

    Attributes:
        place: its module and its name there.
        package: what installs that module.
    """

    place: str
    package: str


_KNOWN: Final = {
    "in_process": _Known("dagster:in_process_executor", "dagster"),
    "multiprocess": _Known("dagster:multiprocess_executor", "dagster"),
    "celery": _Known("ml_pipeline.dagster.celery:celery_executor", "ml_pipeline[celery]"),
    "k8s_job": _Known("dagster_k8s:k8s_job_executor", "dagster-k8s"),
}


def configured_executor() -> dg.ExecutorDefinition:
    """Return the executor that the settings name: the same object for the same settings.

    Definitions that are merged may have one executor only, so what is merged beside
    `code_location` takes this one.

    Raises:
        SettingsError: if there is none of that name, its library is not installed, or it does not
            take its config.
    """
    found = settings()
    return _executor(found.executor, json.dumps(found.executor_config, sort_keys=True))


@cache
def _executor(name: str, config: str) -> dg.ExecutorDefinition:
    executor = _named(name)
    values: Mapping[str, Any] = json.loads(config)
    if not values:
        return executor
    fixed = executor.configured(values, name=executor.name)

    @dg.job(executor_def=fixed)
    def probe() -> None:
        """Has nothing but the executor."""

    try:
        dg.validate_run_config(probe, {})
    except dg.DagsterInvalidConfigError as error:
        said = shortened("; ".join(one.message for one in error.errors), 500)
        raise _refused(
            f"executor_config: it must be config that executor {name} takes, but: {said}"
        ) from error
    return fixed


def _named(name: str) -> dg.ExecutorDefinition:
    known = _KNOWN.get(name)
    module, colon, attribute = (known.place if known is not None else name).partition(":")
    if not colon:
        raise _refused(
            f"executor: it must be one of {', '.join(_KNOWN)}, or package.module:attribute, but is"
            f" '{shortened(name)}'.{nearest(name, _KNOWN)}"
        )
    try:
        found = getattr(importlib.import_module(module), attribute, None)
    except ImportError as error:
        install = f" `pip install '{known.package}'` does it." if known is not None else ""
        raise _refused(
            f"executor: what {name} needs must be installed wherever the code location is loaded,"
            f" but {error}.{install}"
        ) from error
    if not isinstance(found, dg.ExecutorDefinition):
        what = "nothing" if found is None else f"a {type(found).__name__}"
        raise _refused(f"executor: {name} must be an ExecutorDefinition of Dagster, but is {what}")
    return found


def _refused(problem: str) -> SettingsError:
    return unusable([problem])
