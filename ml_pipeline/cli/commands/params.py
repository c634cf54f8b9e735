"""`ml-pipeline params`: what can be set."""

from dataclasses import asdict
from typing import TYPE_CHECKING, Any, get_args

import click

from ml_pipeline.cli.project import project
from ml_pipeline.cli.show import print_json
from ml_pipeline.cli.tables import print_table, say
from ml_pipeline.invocation import typed
from ml_pipeline.params.parameter import Parameter
from ml_pipeline.params.template import Language, template

if TYPE_CHECKING:
    from ml_pipeline.runs.id_changes import IdChange


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
@click.option(
    "--check-against",
    "root",
    metavar="STORE",
    help="List every id in a store that would change, and why; exit code 1 if some would.",
)
def command(as_json: bool, language: Language | None, root: str | None) -> int:
    """List every parameter with its type, bounds, default and description."""
    model = project().pipeline.params
    if root is not None:
        if language is not None:
            raise click.UsageError("--template has no effect on --check-against: leave one out.")
        return _check(root, as_json)
    if language is not None:
        click.echo(template(model, language), nl=False)
        return 0
    if as_json:
        print_json(_schema())
        return 0
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
    return 0


def _check(root: str, as_json: bool) -> int:
    from ml_pipeline.runs.id_changes import Checked, id_changes
    from ml_pipeline.store.artifacts import ArtifactStore

    store, checked = ArtifactStore(root, make=False, setting="--check-against"), Checked()
    found = list(id_changes(project().pipeline, store, checked))
    if as_json:
        print_json({**asdict(checked), "changes": [_document(one) for one in found]})
        return 1 if found else 0
    if checked.unknown:
        told = ", ".join(checked.unknown)
        say(f"Not looked at, since no asset is called so now or before: {told}.", err=True)
    if checked.unreadable:
        count = len(checked.unreadable)
        say(f"{count} cannot be read: `{typed('verify')}` says why.", err=True)
    if found:
        rows = [[c.run_id, c.becomes or "none", c.asset, c.as_of, "; ".join(c.why)] for c in found]
        print_table(["run id", "becomes", "asset", "as_of", "why"], rows)
        say("\nIds stay where fields are declared with added_later, renamed_from or retired.")
    say(f"{len(found)} of {checked.count} ids would change.")
    return 1 if found else 0


def _document(change: "IdChange") -> dict[str, Any]:
    as_of = None if change.as_of is None else str(change.as_of)
    return {**asdict(change), "as_of": as_of}


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
