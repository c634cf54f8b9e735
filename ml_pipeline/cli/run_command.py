"""`ml-pipeline run`: runs in process, on the instance that the UI shows."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import click

from ml_pipeline.cli.ages import Age
from ml_pipeline.cli.request import Asked, Request, request_options, validated
from ml_pipeline.cli.show import print_json, print_table, progress_bar
from ml_pipeline.defs.assets import PIPELINE
from ml_pipeline.launch import DateRun, InProcess, Stopped
from ml_pipeline.range_report import DateOutcome, RangeReport, date_outcome
from ml_pipeline.settings import settings


@click.command(name="run")
@request_options
@click.option(
    "--select",
    "selection",
    multiple=True,
    metavar="ASSET",
    help="Make only this asset; repeat for more. What it needs must be published already.",
)
@click.option(
    "--dry-run", is_flag=True, help="Tell what would be computed and reused; run nothing."
)
@click.option("--force", is_flag=True, help="Compute even what is published, compare the bytes.")
@click.option(
    "--max-age", type=Age(), metavar="AGE", help="Reuse nothing older, such as 7d or 12h."
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
def command(
    asked: Asked,
    selection: Sequence[str],
    dry_run: bool,
    force: bool,
    max_age: timedelta | None,
    as_json: bool,
) -> int:
    """Run the pipeline for one date or a range of dates."""
    configured = settings()
    options = [f"run.force={force}"] if force else []
    if max_age is not None:
        options.append(f"run.max_age_days={max_age / timedelta(days=1)}")
    request = validated(PIPELINE, configured, asked.with_params(*options), selection)
    stages = PIPELINE.selected(selection or None)
    if dry_run:
        from ml_pipeline.cli.plan import planned, print_plan

        steps = planned(request, [stage.name for stage in stages])
        if not as_json:
            _print_origins(request)
        print_plan(steps, as_json, with_reasons=False)
        return 0

    from ml_pipeline.definitions import defs
    from ml_pipeline.instance import open_instance
    from ml_pipeline.store import ArtifactStore

    total = len(request.dates) * len(stages)
    try:
        with open_instance(configured) as instance, progress_bar(total, "starting") as advance:
            runs = InProcess(
                job=defs.resolve_implicit_global_asset_job_def(),
                pipeline=PIPELINE,
                store=ArtifactStore(configured.store_root),
                instance=instance,
                logs=configured.home / "logs",
                dates_per_run=configured.dates_per_run,
            ).run(
                request.params,
                request.dates,
                selection=[stage.name for stage in stages],
                progress=lambda as_of, asset: advance(f"{as_of} {asset}"),
            )
    except Stopped as stopped:
        click.echo(
            f"Stopped. {len(stopped.done)} of {len(request.dates)} dates are done and stay; the"
            " same command goes on from there.",
            err=True,
        )
        return 130
    report = RangeReport([_outcome(run) for run in runs])
    if as_json:
        print_json(_document(request, runs) | {"summary": report.document()})
    else:
        _print_origins(request)
        _print(runs)
        if len(runs) > 1:
            _print_summary(report)
    for line in report.reasons:
        click.echo(line, err=True)
    failed = [run for run in runs if run.error is not None]
    if failed:
        logs = sorted(
            {str(configured.home / "logs" / f"{run.dagster_run_id}.log") for run in failed}
        )
        click.echo(f"The whole story: {', '.join(logs)}", err=True)
    return 1 if failed else 0


def _outcome(run: DateRun) -> DateOutcome:
    return date_outcome(
        run.as_of, ((made.record, made.reused) for made in run.artifacts), run.error
    )


def _document(request: Request, runs: Sequence[DateRun]) -> dict[str, Any]:
    document: dict[str, Any] = {
        "runs": [
            {
                "as_of": run.as_of.isoformat(),
                "run_id": run.run_id,
                "dagster_run_id": run.dagster_run_id,
                "params": request.params.values(),
                "metrics": run.metrics,
                "artifacts": [
                    {
                        "asset": made.record.asset,
                        "run_id": made.record.run_id,
                        "revision": made.record.revision,
                        "uri": made.uri,
                        "reused": made.reused,
                    }
                    for made in run.artifacts
                ],
            }
            for run in runs
            if run.error is None
        ],
        "origins": dict(request.params.origins),
    }
    failures = [
        {"as_of": run.as_of.isoformat(), "run_id": run.run_id, "error": run.error}
        for run in runs
        if run.error is not None
    ]
    return document | ({"failures": failures} if failures else {})


def _print_origins(request: Request) -> None:
    if lines := request.told_origins():
        click.echo("\n".join([*lines, ""]))


def _print(runs: Sequence[DateRun]) -> None:
    done = [run for run in runs if run.error is None]
    metrics = list(dict.fromkeys(name for run in done for name in run.metrics))
    if done:
        print_table(
            ["as_of", "run id", *metrics],
            [
                [run.as_of, run.run_id, *(run.metrics.get(name, "") for name in metrics)]
                for run in done
            ],
        )
        click.echo()
        print_table(
            ["as_of", "asset", "", "run id", "revision", "written to"],
            [
                [
                    run.as_of,
                    made.record.asset,
                    "reused" if made.reused else "computed",
                    made.record.run_id,
                    made.record.revision,
                    made.uri,
                ]
                for run in done
                for made in run.artifacts
            ],
        )


def _print_summary(report: RangeReport) -> None:
    click.echo()
    click.echo(report.sentence)
    columns, rows = report.table()
    if rows:
        print_table(columns, rows)
