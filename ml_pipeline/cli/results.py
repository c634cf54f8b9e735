"""What runs came to, date by date: as tables for people and in the JSON document of a command."""

from collections.abc import Iterable
from typing import Any

import click

from ml_pipeline.cli.show import print_table
from ml_pipeline.params.model import ParamSet
from ml_pipeline.runs.date_result import DateResult


def document(results: Iterable[DateResult], params: ParamSet) -> dict[str, Any]:
    """Return results in JSON form, with the parameters that they have in common."""
    runs, failures = [], []
    for result in results:
        at = {"as_of": result.as_of.isoformat(), "run_id": result.run_id}
        if result.error is not None:
            failures.append({**at, "error": result.error})
            continue
        runs.append(
            {
                **at,
                "dagster_run_id": result.dagster_run_id,
                "params": params.values(),
                "metrics": dict(result.metrics),
                "artifacts": [artifact.document() for artifact in result.artifacts],
            }
        )
    told: dict[str, Any] = {"runs": runs, "origins": dict(params.origins)}
    return told | ({"failures": failures} if failures else {})


def print_results(results: Iterable[DateResult]) -> None:
    """Print the dates that are done: their metrics, then where every artifact is."""
    done = [result for result in results if result.error is None and result.artifacts]
    if not done:
        return
    metrics = list(dict.fromkeys(name for result in done for name in result.metrics))
    print_table(
        ["as_of", "run id", *metrics],
        [
            [result.as_of, result.run_id, *(result.metrics.get(name, "") for name in metrics)]
            for result in done
        ],
    )
    click.echo()
    print_table(
        ["as_of", "asset", "", "run id", "revision", "written to"],
        [
            [
                result.as_of,
                artifact.asset,
                "reused" if artifact.reused else "computed",
                artifact.run_id,
                artifact.revision,
                artifact.uri,
            ]
            for result in done
            for artifact in result.artifacts
        ],
    )
