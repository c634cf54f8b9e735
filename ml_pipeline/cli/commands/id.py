"""`ml-pipeline id`: run ids and paths, without running or reading anything."""

from typing import Any

import click

from ml_pipeline.cli.mistakes import Asking
from ml_pipeline.cli.project import project
from ml_pipeline.cli.request import Asked, request_options, validated
from ml_pipeline.cli.show import print_json
from ml_pipeline.cli.tables import print_table
from ml_pipeline.params.as_of import AsOf
from ml_pipeline.params.model import ParamSet


@click.command(name="id", cls=Asking)
@request_options
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
def command(asked: Asked, as_json: bool) -> None:
    """Print run ids and paths without running or reading anything."""
    request = validated(project(), asked)
    documents = [_identified(request.params, day) for day in request.dates]
    if as_json:
        print_json(documents[0] if len(documents) == 1 else {"ids": documents})
        return
    rows = [
        [document["as_of"], document["run_id"], asset["asset"], asset["run_id"], asset["path"]]
        for document in documents
        for asset in document["assets"]
    ]
    print_table(["as_of", "run id", "asset", "asset's run id", "path"], rows)


def _identified(params: ParamSet, day: AsOf | None) -> dict[str, Any]:
    slots = [stage.slot(params, day) for stage in project().pipeline.selected()]
    return {
        "run_id": project().pipeline.run_slot(params, day).run_id,
        "as_of": None if day is None else str(day),
        "params": params.values(),
        "assets": [
            {"asset": slot.asset, "run_id": slot.run_id, "path": slot.path} for slot in slots
        ],
    }
