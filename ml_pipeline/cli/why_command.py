"""`ml-pipeline why`: what a run would compute or reuse, and the exact reason."""

import click

from ml_pipeline.cli.plan import planned, print_plan
from ml_pipeline.cli.request import Asked, request_options, validated
from ml_pipeline.defs.assets import PIPELINE
from ml_pipeline.settings import settings


@click.command(name="why")
@request_options
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
def command(asked: Asked, as_json: bool) -> None:
    """Tell what a run would compute or reuse, and why."""
    request = validated(PIPELINE, settings(), asked)
    print_plan(planned(request, None), as_json, with_reasons=True)
