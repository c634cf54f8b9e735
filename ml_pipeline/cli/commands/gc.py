"""`ml-pipeline gc`: what nobody needs any more."""

from datetime import timedelta

import click

from ml_pipeline.cli.ages import Age
from ml_pipeline.cli.environments import environment_option, store_of
from ml_pipeline.cli.project import project
from ml_pipeline.cli.show import print_json, progress_bar, progress_of
from ml_pipeline.cli.tables import print_table, say
from ml_pipeline.errors import QueryError
from ml_pipeline.index.removal import removable
from ml_pipeline.store.housekeeping import remove


@click.command(name="gc")
@environment_option
@click.option("--older-than", type=Age(), required=True, metavar="AGE", help="Such as 30d or 12h.")
@click.option(
    "--keep-promoted",
    is_flag=True,
    help="Keep what environments had before, too; what they have now always stays.",
)
@click.option("--delete", is_flag=True, help="Remove what is listed; without it nothing is.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
def command(
    environment: str | None,
    older_than: timedelta,
    keep_promoted: bool,
    delete: bool,
    as_json: bool,
) -> None:
    """List orphans and replaced revisions; with --delete, remove them."""
    known = project().settings.environments
    refusal = known.unknown(environment) or (known.refusal(environment) if delete else None)
    if refusal is not None:
        raise QueryError([f"--environment {refusal}"])
    store = store_of(project(), environment)
    codes = {name: stage.code for name, stage in project().listed.stages.items()}
    with progress_of("looking"):
        items = removable(store, older_than, keep_promoted, codes)
    if delete:
        with progress_bar(len(items), "removing") as advance:
            removed = []
            for item in remove(store, items, keep_promoted):
                removed.append(item)
                advance(item.path)
        items = removed
    size = sum(item.bytes for item in items)
    if as_json:
        listed = [{"path": i.path, "why": i.why, "bytes": i.bytes} for i in items]
        print_json({"deleted": delete, "bytes": size, "items": listed})
        return
    if items:
        print_table(["path", "why", "bytes"], [[item.path, item.why, item.bytes] for item in items])
    done = "removed" if delete else "could go"
    say(f"{len(items)} {'item' if len(items) == 1 else 'items'} {done}, {size:,} bytes.")
    if items and not delete:
        say("Nothing was removed: --delete does that.")
