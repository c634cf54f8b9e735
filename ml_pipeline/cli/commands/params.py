"""`ml-pipeline params`: what can be set."""

from typing import Any, get_args

import click

from ml_pipeline.cli.project import project
from ml_pipeline.cli.show import print_json
from ml_pipeline.cli.tables import print_table
from ml_pipeline.params.parameter import Parameter
from ml_pipeline.params.template import Language, template


@click.command(name="params")
@click.option("--json", "as_json", is_flag=True, help="Print a JSON Schema.")
@click.option(
    "--template",
    "language",
    type=click.Choice(get_args(Language)),
    is_flag=False,
    flag_value="yaml",
    help="Print a file for --params-file, in YAML if no language is named.",
)
def command(as_json: bool, language: Language | None) -> None:
    """List every parameter with its type, bounds, default and description."""
    model = project().pipeline.params
    if language is not None:
        click.echo(template(model, language), nl=False)
        return
    if as_json:
        print_json(_schema())
        return
    rows = [
        [
            p.told,
            p.group,
            p.must_be,
            _default(p),
            p.description,
        ]
        for p in model.parameters()
        if p.is_offered
    ]
    print_table(["parameter", "group", "must be", "default", "description"], rows)


def _default(parameter: Parameter) -> Any:
    if parameter.is_environment:
        return project().settings.environments.default
    if parameter.default is ...:
        return "required"
    return "none" if parameter.default is None else parameter.default


def _schema() -> dict[str, Any]:
    from pydantic.json_schema import models_json_schema

    pipeline = project().pipeline
    groups = pipeline.params.groups
    # Fields go by their own names: an alias is for typing.
    placed, shared = models_json_schema(
        [(cls, "validation") for cls in groups.values()], by_alias=False
    )
    defined = shared["$defs"]
    names = {
        group: placed[cls, "validation"]["$ref"].rpartition("/")[2] for group, cls in groups.items()
    }
    schemas = {group: defined[name] for group, name in names.items()}
    others = {name: schema for name, schema in defined.items() if name not in names.values()}
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": pipeline.name,
        "type": "object",
        "additionalProperties": False,
        "properties": schemas,
        **({"$defs": others} if others else {}),
    }
