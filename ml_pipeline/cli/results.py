"""What runs came to, date by date: as tables for people and in the JSON document of a command."""

from collections.abc import Iterable
from typing import Any

from ml_pipeline.cli.tables import print_table, say
from ml_pipeline.params.model import ParamSet
from ml_pipeline.runs.date_result import ArtifactResult, DateResult


def document(results: Iterable[DateResult], params: ParamSet) -> dict[str, Any]:
    """Return results in JSON form, with the parameters that they have in common."""
    runs, failures = [], []
    for result in results:
        at = {"as_of": None if result.as_of is None else str(result.as_of), "run_id": result.run_id}
        checks = {"checks": [one.document() for one in result.checks]} if result.checks else {}
        if result.error is not None:
            failures.append({**at, "error": result.error, **checks})
            continue
        runs.append(
            {
                **at,
                "dagster_run_id": result.dagster_run_id,
                "params": params.values(),
                "metrics": dict(result.metrics),
                "artifacts": [artifact.document() for artifact in result.artifacts],
                **checks,
            }
        )
    told: dict[str, Any] = {"runs": runs, "origins": dict(params.origins)}
    return told | ({"failures": failures} if failures else {})


def print_results(results: Iterable[DateResult], wide: bool, paths: bool) -> None:
    """Print the dates that are done: their metrics, then every artifact.

    Args:
        results: what runs came to.
        wide: whether all metrics are shown even where there is no room; what results are judged by
            comes first.
        paths: whether to show where the artifacts are.
    """
    done = [result for result in results if result.error is None and result.artifacts]
    if not done:
        return
    judged = [made.objective.metric for one in done for made in one.artifacts if made.objective]
    found = [name for result in done for name in result.metrics]
    metrics = [name for name in dict.fromkeys([*judged, *found]) if name in set(found)]
    print_table(
        ["as_of", "run id", *metrics],
        [
            [result.as_of or "", result.run_id, *(result.metrics.get(name, "") for name in metrics)]
            for result in done
        ],
        wide,
    )
    say()
    print_table(
        ["as_of", "asset", "", "run id", "revision", *(["written to"] if paths else [])],
        [
            [
                result.as_of or "",
                artifact.asset,
                _how(artifact),
                artifact.run_id,
                artifact.revision,
                *([artifact.uri] if paths else []),
            ]
            for result in done
            for artifact in result.artifacts
        ],
    )


def print_warnings(results: Iterable[DateResult]) -> None:
    """Say what artifacts do not pass that nobody has failed for."""
    for line in [warning for one in results for warning in one.warnings]:
        say(f"warning: {line}", err=True)


def _how(artifact: ArtifactResult) -> str:
    if not artifact.reused:
        return "computed"
    return f"reused from {artifact.reused_from}" if artifact.reused_from else "reused"
