"""`ml-pipeline index`: what lists and leaderboards are answered from, looked at and made anew."""

import dataclasses
import time

import click

from ml_pipeline.cli.environments import environment_document, environment_option, store_of
from ml_pipeline.cli.project import project
from ml_pipeline.cli.show import print_json, progress_of
from ml_pipeline.cli.tables import print_table, say
from ml_pipeline.invocation import typed


@click.group(name="index")
def command() -> None:
    """Look at the index of runs, or make it anew; the records in the store stay the truth."""


@command.command()
@environment_option
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
def status(environment: str | None, as_json: bool) -> None:
    """Compare the index with the store, by names; nothing is changed."""
    from ml_pipeline.index.upkeep import place_of, standing

    store = store_of(project(), environment)
    found = standing(store, _assets())
    if as_json:
        told = {"index": place_of(store), "store": store.uri}
        assets = [dataclasses.asdict(one) for one in found]
        print_json(environment_document(store) | told | {"assets": assets})
        return
    say(f"The index {place_of(store)} of {store.uri}:")
    print_table(
        ["asset", "records", "unreadable", "not read yet", "gone since"],
        [[one.asset, one.read, one.unreadable, one.lacking, one.gone] for one in found],
    )
    if any(one.lacking or one.gone for one in found):
        say(
            "Whatever asks the index next lets it catch up; what was changed by hand within the"
            f" folder of a run, `{typed('index rebuild')}` reads at once."
        )


@command.command()
@environment_option
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
def rebuild(environment: str | None, as_json: bool) -> None:
    """Read every record of the store again."""
    from ml_pipeline.index.upkeep import place_of
    from ml_pipeline.index.upkeep import rebuild as read_again

    store = store_of(project(), environment)
    began = time.perf_counter()
    with progress_of("reading records") as bar:
        count = read_again(
            store, _assets(), lambda done, total: bar.show(done, total, "reading records")
        )
    seconds = time.perf_counter() - began
    if as_json:
        told = {"index": place_of(store), "store": store.uri, "records": count}
        print_json(environment_document(store) | told | {"seconds": seconds})
        return
    took = f"read in {seconds:.1f} s"
    say(f"{count} records of {store.uri} are in the index {place_of(store)}, {took}.")
    if not count:
        say(f"`{typed('verify')}` says whether the store has any.")


def _assets() -> list[str]:
    listed = project().listed
    return listed.kept_names(listed.stages)
