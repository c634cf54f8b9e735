"""Parameterized ML runs on Dagster: what a pipeline of one's own needs, by one name.

Everything here is imported when it is first used, so `import ml_pipeline` costs milliseconds.
"""

from pkgutil import resolve_name
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from ml_pipeline.current import current_environment
    from ml_pipeline.dagster.code_location import code_location, defs_folder
    from ml_pipeline.dagster.executors import configured_executor
    from ml_pipeline.dagster.new_data_sensor import new_data_sensor
    from ml_pipeline.dagster.requests_sensor import requests_sensor
    from ml_pipeline.dagster.retention_schedule import retention_schedule
    from ml_pipeline.dagster.reusing import reusing
    from ml_pipeline.dagster.schedules import sweep_schedule, window_schedule
    from ml_pipeline.dagster.stages import Pipeline
    from ml_pipeline.dagster.validated import validated
    from ml_pipeline.dagster.webserver import Webserver
    from ml_pipeline.errors import (
        CheckFailed,
        MlPipelineError,
        NotEnoughDataError,
        ParamsError,
        PipelineError,
        SecretError,
        ServingRefused,
        SettingsError,
        SourceError,
        StoreError,
    )
    from ml_pipeline.launch.run_request import requested_run
    from ml_pipeline.params.documents import read_document
    from ml_pipeline.params.group import ParamGroup, Thresholds
    from ml_pipeline.params.identity import run_id
    from ml_pipeline.params.layers import Layer, gathered
    from ml_pipeline.params.marks import (
        NOT_IDENTITY,
        PATH_LABEL,
        added_later,
        filled_in,
        renamed_from,
    )
    from ml_pipeline.params.model import ParamModel, ParamSet
    from ml_pipeline.params.secret import SecretRef, SecretScheme, register_secrets
    from ml_pipeline.params.template import template
    from ml_pipeline.runs.card import Card
    from ml_pipeline.runs.check_result import CheckResult
    from ml_pipeline.runs.column import Column
    from ml_pipeline.runs.earlier import Earlier
    from ml_pipeline.runs.gate import Gate
    from ml_pipeline.runs.served import PromotedRuns, Served, ServedRun, scorers
    from ml_pipeline.runs.serving_params import ServingParams
    from ml_pipeline.runs.shares import share_of
    from ml_pipeline.runs.stage import Result
    from ml_pipeline.store import formats
    from ml_pipeline.store.formats import Format, Picture, SharedParts
    from ml_pipeline.store.record import Objective
    from ml_pipeline.sweeps.request import SweepRequest

__all__ = [
    "NOT_IDENTITY",
    "PATH_LABEL",
    "Card",
    "CheckFailed",
    "CheckResult",
    "Column",
    "Earlier",
    "Format",
    "Gate",
    "Layer",
    "MlPipelineError",
    "NotEnoughDataError",
    "Objective",
    "ParamGroup",
    "ParamModel",
    "ParamSet",
    "ParamsError",
    "Picture",
    "Pipeline",
    "PipelineError",
    "PromotedRuns",
    "Result",
    "SecretError",
    "SecretRef",
    "SecretScheme",
    "Served",
    "ServedRun",
    "ServingParams",
    "ServingRefused",
    "SettingsError",
    "SharedParts",
    "SourceError",
    "StoreError",
    "SweepRequest",
    "Thresholds",
    "Webserver",
    "added_later",
    "code_location",
    "configured_executor",
    "current_environment",
    "defs_folder",
    "filled_in",
    "formats",
    "gathered",
    "new_data_sensor",
    "read_document",
    "register_secrets",
    "renamed_from",
    "requested_run",
    "requests_sensor",
    "retention_schedule",
    "reusing",
    "run_id",
    "scorers",
    "share_of",
    "sweep_schedule",
    "template",
    "validated",
    "window_schedule",
]

_ROOMS: Final = {
    "dagster.code_location": ("code_location", "defs_folder"),
    "dagster.executors": ("configured_executor",),
    "dagster.new_data_sensor": ("new_data_sensor",),
    "dagster.requests_sensor": ("requests_sensor",),
    "dagster.retention_schedule": ("retention_schedule",),
    "dagster.schedules": ("sweep_schedule", "window_schedule"),
    "current": ("current_environment",),
    "errors": (
        "CheckFailed",
        "MlPipelineError",
        "ParamsError",
        "NotEnoughDataError",
        "PipelineError",
        "SecretError",
        "ServingRefused",
        "SettingsError",
        "SourceError",
        "StoreError",
    ),
    "launch.run_request": ("requested_run",),
    "dagster.reusing": ("reusing",),
    "dagster.validated": ("validated",),
    "dagster.stages": ("Pipeline",),
    "dagster.webserver": ("Webserver",),
    "params.documents": ("read_document",),
    "params.group": ("ParamGroup", "Thresholds"),
    "params.identity": ("run_id",),
    "params.layers": ("Layer", "gathered"),
    "params.model": ("ParamModel", "ParamSet"),
    "params.marks": (
        "NOT_IDENTITY",
        "PATH_LABEL",
        "added_later",
        "filled_in",
        "renamed_from",
    ),
    "params.secret": ("SecretRef", "SecretScheme", "register_secrets"),
    "params.template": ("template",),
    "runs.card": ("Card",),
    "runs.column": ("Column",),
    "runs.check_result": ("CheckResult",),
    "runs.earlier": ("Earlier",),
    "runs.gate": ("Gate",),
    "runs.served": ("PromotedRuns", "Served", "ServedRun", "scorers"),
    "runs.serving_params": ("ServingParams",),
    "runs.shares": ("share_of",),
    "runs.stage": ("Result",),
    "store": ("formats",),
    "store.formats": ("Format", "Picture", "SharedParts"),
    "store.record": ("Objective",),
    "sweeps.request": ("SweepRequest",),
}
_ROOM_OF: Final = {name: room for room, names in _ROOMS.items() for name in names}


def __getattr__(name: str) -> Any:
    if name not in _ROOM_OF:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = resolve_name(f"{__name__}.{_ROOM_OF[name]}.{name}")
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
