"""`ml-pipeline why`: what a run would compute or reuse, and the exact reason."""

from collections.abc import Sequence

import click

from ml_pipeline.cli.mistakes import Asking
from ml_pipeline.cli.plan import planned, print_plan, store_for
from ml_pipeline.cli.project import project
from ml_pipeline.cli.request import Asked, request_options, validated
from ml_pipeline.cli.run_options import run_options


@click.command(name="why", cls=Asking)
@request_options
@run_options
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
def command(asked: Asked, selection: Sequence[str], as_json: bool) -> None:
    """Tell what a run would compute or reuse, and why."""
    request = validated(project(), asked, selection)
    steps = planned(request, selection or None)
    print_plan(steps, store_for(request), as_json, with_reasons=True)
