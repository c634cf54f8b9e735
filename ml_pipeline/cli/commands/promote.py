"""`ml-pipeline promote`: an environment gets a run."""

import click

from ml_pipeline.cli.environments import found_in, known_environment
from ml_pipeline.cli.project import project
from ml_pipeline.cli.show import print_json
from ml_pipeline.cli.tables import print_table, say
from ml_pipeline.invocation import typed
from ml_pipeline.runs import catalog
from ml_pipeline.runs.promotion import promote
from ml_pipeline.store.artifacts import ArtifactStore


@click.command(name="promote")
@click.argument("run_id")
@click.option("--to", "environment", required=True, metavar="ENVIRONMENT", help="Such as staging.")
@click.option("--note", default="", metavar="TEXT", help="What to remember about it.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
def command(run_id: str, environment: str, note: str, as_json: bool) -> None:
    """Make a run what an environment has; everything it was made from is checked first.

    Going back is promoting the earlier run again: `ml-pipeline promotions` lists them. Wherever a
    run id is asked for, @ENVIRONMENT means what that environment has.
    """
    known_environment(environment, project().settings.environments)
    store, entry = found_in(project(), run_id)
    _refuse_other_store(store, environment)
    listed = project().listed
    last = catalog.last_stages(listed)
    if listed.present_name(entry.record.asset) not in last:
        raise click.UsageError(
            f"What is promoted must be a run of {' or '.join(last)}, with all that it was made"
            f" from, but {run_id} is one of {entry.record.asset}. `{typed('runs list')}` shows"
            " those there are."
        )
    done = promote(store, entry, environment, note)
    now, before = done.now, done.before
    if as_json:
        print_json(
            {
                "is_new": done.is_new,
                "checked": done.checked,
                "now": now.model_dump(mode="json"),
                "before": before.model_dump(mode="json") if before is not None else None,
            }
        )
        return
    if before is None or not done.is_new:
        print_table(["metric", "now"], list(now.metrics.items()))
    else:
        names = dict.fromkeys([*now.metrics, *before.metrics])
        print_table(
            ["metric", f"before: {before.run_id}", f"now: {now.run_id}"],
            [[name, before.metrics.get(name, ""), now.metrics.get(name, "")] for name in names],
        )
    say()
    what = f"run {now.run_id}{f' of {now.as_of}' if now.as_of else ''}"
    if done.is_new:
        say(f"'{environment}' has {what} now; {done.checked} artifacts checked.")
        if before is not None:
            earlier = f"{before.run_id}/{before.revision}"
            say(f"`{typed(f'promote {earlier} --to {environment}')}` goes back.")
    else:
        say(f"'{environment}' has {what} since {now.at:%Y-%m-%d %H:%M} UTC already.")


def _refuse_other_store(store: ArtifactStore, environment: str) -> None:
    """Refuse a ledger that would name what its environment's store has not."""
    known = project().settings.environments
    if environment not in known.configured:
        return
    target = project().location.store_in(environment)
    if target.uri != store.uri:
        raise click.UsageError(
            f"What '{environment}' has must be in its own store, {target.uri}, but the run is in"
            f" {store.uri}. Run it there: `--environment {environment}`."
        )
    if (refusal := known.refusal(environment)) is not None:
        raise click.UsageError(f"What is promoted to {refusal}.")
