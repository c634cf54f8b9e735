"""`ml-pipeline params`: what can be set."""

from typing import Any

import click

from ml_pipeline.cli.show import print_json, print_table
from ml_pipeline.defs.assets import PIPELINE


@click.command(name="params")
@click.option("--json", "as_json", is_flag=True, help="Print a JSON Schema.")
def command(as_json: bool) -> None:
    """List every parameter with its type, bounds, default and description."""
    model = PIPELINE.params
    if as_json:
        print_json(_schema())
        return
    rows = [
        [
            p.name,
            p.group,
            p.must_be,
            "required" if p.default is ... else "none" if p.default is None else p.default,
            p.description,
        ]
        for p in model.parameters()
    ]
    print_table(["parameter", "group", "must be", "default", "description"], rows)


def _schema() -> dict[str, Any]:
    groups = PIPELINE.params.groups
    schemas = {group: cls.model_json_schema() for group, cls in groups.items()}
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": PIPELINE.name,
        "type": "object",
        "additionalProperties": False,
        "properties": schemas,
    }
