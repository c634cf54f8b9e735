"""A run launcher whose runs share worker processes.

A run in a new interpreter costs seconds of importing; a hundred of them would be minutes.
"""

import multiprocessing
from collections.abc import Mapping
from concurrent.futures import ProcessPoolExecutor
from functools import cache
from typing import Any, Self

import dagster as dg
from dagster._core.execution.api import execute_run
from dagster._core.instance.ref import InstanceRef
from dagster._core.launcher import LaunchRunContext, RunLauncher
from dagster._core.origin import JobPythonOrigin
from dagster._serdes import ConfigurableClass, ConfigurableClassData
from dagster._utils.hosted_user_process import recon_job_from_origin

_WORKERS = 2


@cache
def _pool() -> ProcessPoolExecutor:
    return ProcessPoolExecutor(_WORKERS, multiprocessing.get_context("forkserver"))


class WarmLauncher(RunLauncher, ConfigurableClass):
    """Hands runs to processes that have imported everything already."""

    def __init__(self, inst_data: ConfigurableClassData | None = None) -> None:
        super().__init__()
        self._inst_data = inst_data

    @property
    def inst_data(self) -> ConfigurableClassData | None:
        return self._inst_data

    @classmethod
    def config_type(cls) -> dict[str, Any]:
        return {}

    @classmethod
    def from_config_value(
        cls, inst_data: ConfigurableClassData | None, config_value: Mapping[str, Any]
    ) -> Self:
        return cls(inst_data)

    def launch_run(self, context: LaunchRunContext) -> None:
        _pool().submit(_execute, context.dagster_run.run_id, self._instance.get_ref())

    def terminate(self, run_id: str) -> bool:
        return False


def _execute(run_id: str, ref: InstanceRef) -> None:
    with dg.DagsterInstance.from_ref(ref) as instance:
        run = instance.get_run_by_id(run_id)
        assert run is not None
        assert isinstance(run.job_code_origin, JobPythonOrigin)
        execute_run(recon_job_from_origin(run.job_code_origin), run, instance)
