"""`ml-pipeline retain`: what the environment's retention lets go."""

import itertools

import click

from ml_pipeline.cli.environments import environment_option
from ml_pipeline.cli.project import project
from ml_pipeline.cli.show import print_json, progress_bar, progress_of
from ml_pipeline.cli.tables import print_table, say
from ml_pipeline.errors import QueryError
from ml_pipeline.retention import Retention
from ml_pipeline.text import counted


@click.command(name="retain")
@environment_option
@click.option("--items", is_flag=True, help="List each thing, not only how many there are.")
@click.option("--delete", is_flag=True, help="Remove what is told; without it nothing is.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
def command(environment: str | None, items: bool, delete: bool, as_json: bool) -> None:
    """Tell what is older than the environment keeps it; with --delete, remove it.

    The table `retention` of the settings, or of the environment, says how long what is kept.
    """
    from ml_pipeline.dagster.instance import open_instance
    from ml_pipeline.dagster.retention import due

    known = project().settings.environments
    refusal = known.unknown(environment) or (known.refusal(environment) if delete else None)
    if refusal is not None:
        raise QueryError([f"--environment {refusal}"])
    here = known.named(environment)
    if Retention.model_validate(here.retention).is_empty:
        table = f"[environments.{here.name}.retention]" if here.name else "[retention]"
        must = f"a table {table} must say what goes after which age, such as logs = '30d'"
        raise QueryError([f"{must}: the settings have no such line"])
    with open_instance(project().settings) as instance:
        with progress_of("looking"):
            policies = list(due(project().location, environment, instance, project().settings))
        found = [(policy.lines, policy.due) for policy in policies]
        if delete:
            total = sum(len(policy.due) for policy in policies)
            found = []
            with progress_bar(total, "removing") as advance:
                for policy in policies:
                    gone = []
                    for one in policy.remove():
                        gone.append(one)
                        advance(one.name)
                    found.append((policy.lines, tuple(gone)))
    every = list(itertools.chain.from_iterable(of for _, of in found))
    size = sum(one.bytes for one in every)
    if as_json:
        told = [
            {"policy": lines, "path": one.name, "why": one.why, "bytes": one.bytes}
            for lines, of in found
            for one in of
        ]
        print_json({"deleted": delete, "bytes": size, "items": told})
        return
    if items and every:
        print_table(["what", "why", "bytes"], [[one.name, one.why, one.bytes] for one in every])
        say()
    print_table(
        ["policy", "count", "bytes"],
        [[lines, len(of), sum(one.bytes for one in of)] for lines, of in found],
    )
    say(f"{counted(len(every), 'item')} {'removed' if delete else 'could go'}, {size:,} bytes.")
    if every and not delete:
        say("Nothing was removed: --delete does that.")
