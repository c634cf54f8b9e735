"""What a location of the page on adoption is to Dagster, and what runs of it come to, as JSON."""

import json
import sys
import warnings
from typing import Any

warnings.simplefilter("ignore")

import dagster as dg  # noqa: E402
import flats  # type: ignore[import-not-found]  # noqa: E402

THEIRS = ("features", "model", "score")


def shape() -> dict[str, Any]:
    graph, repository = flats.defs.resolve_asset_graph(), flats.defs.get_repository_def()
    nodes = {name: graph.get(dg.AssetKey(name)) for name in THEIRS}
    return {
        "upstream": {n: sorted(str(k) for k in one.parent_keys) for n, one in nodes.items()},
        "partitions": {name: str(one.partitions_def) for name, one in nodes.items()},
        "checks": sorted(map(str, graph.asset_check_keys)),
        "job": sorted(key.to_user_string() for key in job().asset_layer.executable_asset_keys),
        "schedules": [one.name for one in repository.schedule_defs],
    }


def job() -> dg.JobDefinition:
    return flats.defs.resolve_job_def("train")


def run(instance: dg.DagsterInstance, config: dict[str, Any]) -> dict[str, Any]:
    before = instance.get_runs_count()
    try:
        done = job().execute_in_process(
            config,
            instance=instance,
            partition_key="2026-01-05",
            raise_on_error=False,
        )
    except dg.DagsterError as error:
        return {"refused": str(error), "runs": instance.get_runs_count() - before}
    made = [event.materialization for event in done.get_asset_materialization_events()]
    told = {one.asset_key.to_user_string(): one.metadata for one in made}
    return {
        "success": done.success,
        "runs": instance.get_runs_count() - before,
        "checks": [one.passed for one in done.get_asset_check_evaluations()],
        "made": {
            asset: {
                name: metadata[name].value
                for name in ("run_id", "reused", "path", "reason")
                if name in metadata
            }
            for asset, metadata in told.items()
        },
    }


if __name__ == "__main__":
    configs = json.loads(sys.argv[2])
    with dg.DagsterInstance.local_temp(sys.argv[1]) as instance:
        runs = [run(instance, config) for config in configs]
    print("\n" + json.dumps({"shape": shape(), "runs": runs}))
