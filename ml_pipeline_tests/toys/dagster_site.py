"""The toy pipeline as a Dagster code location, with a real instance in a temporary folder."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import dagster as dg
from dagster._core.asset_graph_view.asset_graph_view import AssetGraphView
from dagster._core.definitions.data_version import CachingStaleStatusResolver

from ml_pipeline.dagster.code_location import code_location
from ml_pipeline_tests.toys.bench import Bench

DAILY = dg.DailyPartitionsDefinition("2026-01-01", end_date="2026-02-01")
DAY = "2026-01-05"
QUIET = {"console": {"config": {"log_level": "CRITICAL"}}}


def temporary_instance(folder: Path) -> dg.DagsterInstance:
    """Return an instance that keeps everything but what steps print."""
    folder.mkdir()
    return dg.DagsterInstance.local_temp(
        str(folder),
        overrides={
            "telemetry": {"enabled": False},
            "compute_logs": {
                "module": "dagster._core.storage.noop_compute_log_manager",
                "class": "NoOpComputeLogManager",
            },
        },
    )


@dataclass
class Site:
    """What a test works with.

    Attributes:
        bench: store and stages.
        instance: where runs are kept.
        partitions: of the pipeline.
        others: assets of the user's own.
    """

    bench: Bench
    instance: dg.DagsterInstance
    partitions: dg.PartitionsDefinition[str] | None = DAILY
    others: Sequence[dg.AssetsDefinition] = field(default_factory=list)

    @property
    def defs(self) -> dg.Definitions:
        location = code_location(
            self.bench.pipeline,
            self.partitions,
            lambda: str(self.bench.root),
            Path(__file__).parent,
        )
        return dg.Definitions.merge(location, dg.Definitions(assets=self.others))

    def run(
        self,
        day: str | None = DAY,
        *,
        until: str | None = None,
        config: Mapping[str, Any] | None = None,
        resources: Mapping[str, Any] | None = None,
        selection: Iterable[str] | None = None,
        tags: Mapping[str, str] | None = None,
        checks: Sequence[dg.AssetChecksDefinition] = (),
        ops: Mapping[str, Any] | None = None,
    ) -> dg.ExecuteInProcessResult:
        """Run the implicit asset job.

        Args:
            day: the date.
            until: last date, where several are wanted.
            config: parameters by group.
            resources: run config under ``resources`` instead.
            selection: assets wanted.
            tags: tags of the run.
            checks: asset checks of the user's own.
            ops: run config under ``ops``.
        """
        dates = {
            "dagster/asset_partition_range_start": str(day),
            "dagster/asset_partition_range_end": str(until),
        }
        typed: Mapping[str, Any] = {"params": {"config": config}} if config else {}
        defs = dg.Definitions.merge(self.defs, dg.Definitions(asset_checks=checks))
        return defs.resolve_implicit_global_asset_job_def().execute_in_process(
            run_config={"resources": resources or typed, "ops": ops or {}, "loggers": QUIET},
            instance=self.instance,
            partition_key=None if until else day,
            raise_on_error=False,
            asset_selection=[dg.AssetKey(name) for name in selection] if selection else None,
            tags={**(tags or {}), **(dates if until else {})},
        )

    def stale(self, *assets: str, day: str | None = DAY) -> dict[str, str]:
        """Tell what the web server would say of assets: fresh, stale or missing."""
        graph = self.defs.resolve_asset_graph()
        resolver = CachingStaleStatusResolver(
            self.instance, graph, loading_context=AssetGraphView.for_test(self.defs, self.instance)
        )
        names = assets or tuple(self.bench.pipeline.stages)
        return {name: resolver.get_status(dg.AssetKey(name), day).value.lower() for name in names}


def events(result: dg.ExecuteInProcessResult) -> dict[tuple[str, str | None], Any]:
    """Return the materializations of a run by asset and date; each may appear once."""
    made = [event.materialization for event in result.get_asset_materialization_events()]
    found = {(m.asset_key.to_user_string(), m.partition): m for m in made}
    assert len(found) == len(made), "something was materialized twice"
    return found


def failure(result: dg.ExecuteInProcessResult) -> str:
    """Return what the failed step of a run says."""
    assert not result.success
    for event in result.filter_events(lambda event: event.is_step_failure):
        data = event.step_failure_data
        if data.user_failure_data is not None and data.user_failure_data.description:
            return str(data.user_failure_data.description)
        error = data.error
        while error is not None and error.cause is not None:
            error = error.cause
        return error.message.partition(": ")[2].strip() if error is not None else ""
    raise AssertionError("no step failed")
