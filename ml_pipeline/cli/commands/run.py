"""`ml-pipeline run`: runs in process, on the instance that the UI shows."""

from collections.abc import Sequence

import click
import dagster as dg

from ml_pipeline.cli.in_process import in_process
from ml_pipeline.cli.mistakes import Asking
from ml_pipeline.cli.project import Project, project
from ml_pipeline.cli.request import Asked, request_options, validated
from ml_pipeline.cli.results import document, print_results, print_warnings
from ml_pipeline.cli.run_options import run_options
from ml_pipeline.cli.show import print_json, progress_bar
from ml_pipeline.cli.tables import print_table, say, with_paths
from ml_pipeline.dagster.execution import Stopped, pipeline_job
from ml_pipeline.dagster.stages import needs_location
from ml_pipeline.params.as_of import noun_of
from ml_pipeline.runs.range_report import RangeReport
from ml_pipeline.text import counted


@click.command(name="run", cls=Asking)
@request_options
@run_options
@click.option(
    "--dry-run", is_flag=True, help="Tell what would be computed and reused; run nothing."
)
@with_paths
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
def command(
    asked: Asked, selection: Sequence[str], dry_run: bool, wide: bool, paths: bool, as_json: bool
) -> int:
    """Run the pipeline for one date or a range of dates."""
    served = project()
    request = validated(served, asked, selection)
    served.pipeline.refuse_unready(request.params)
    stages = served.pipeline.selected(selection or None)
    if dry_run:
        from ml_pipeline.cli.plan import planned, print_plan, store_for

        steps = planned(request, [stage.name for stage in stages])
        if not as_json:
            request.print_origins()
        print_plan(steps, store_for(request), as_json, with_reasons=False, wide=wide)
        return 0

    total = len(request.dates) * len(stages)
    try:
        with (
            in_process(served, _job(served), request.params.options.environment) as here,
            progress_bar(total, "starting") as advance,
        ):
            results = here.run(
                request.params,
                request.dates,
                selection=[stage.name for stage in stages],
                progress=lambda as_of, asset: advance(f"{as_of} {asset}"),
            )
    except Stopped as stopped:
        dates = counted(len(request.dates), noun_of(request.dates))
        say(
            f"Stopped. {len(stopped.done)} of {dates} are done and stay; the same command goes on"
            " from there.",
            err=True,
        )
        return 130
    report = RangeReport(results)
    if as_json:
        print_json(document(results, request.params) | {"summary": report.document()})
    else:
        request.print_origins()
        print_results(results, wide, paths)
        if len(results) > 1:
            _print_summary(report)
    print_warnings(results)
    for line in report.reasons:
        say(line, err=True)
    failed = dict.fromkeys(one.dagster_run_id for one in results if one.error is not None)
    if failed:
        logs = (str(here.log_of(dagster_run_id)) for dagster_run_id in failed)
        say(f"The whole story: {', '.join(logs)}", err=True)
    return 1 if failed else 0


def _job(served: Project) -> dg.JobDefinition:
    """Return the pipeline's own job: the rest of the code location takes as long as reuse does.

    Where stages take resources or other assets, they are in the rest.
    """
    if needs_location(served.pipeline):
        return served.definitions.resolve_implicit_global_asset_job_def()
    location = served.location
    return pipeline_job(served.pipeline, location.partitions, location.store_in, served.code)


def _print_summary(report: RangeReport) -> None:
    say()
    say(report.sentence)
    columns, rows = report.table()
    if rows:
        print_table(columns, rows)
