"""`ml-pipeline verify`: is every artifact what it was?"""

import click

from ml_pipeline.cli.environments import environment_option, store_of
from ml_pipeline.cli.project import project
from ml_pipeline.cli.show import print_json, progress_of
from ml_pipeline.cli.tables import say
from ml_pipeline.store.housekeeping import assets_in, verify


@click.command(name="verify")
@environment_option
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
def command(environment: str | None, as_json: bool) -> int:
    """Check the digest of every artifact."""
    store = store_of(project(), environment)
    count, total, bad = 0, 0, []

    def found(number: int) -> None:
        nonlocal total
        total = number

    with progress_of("looking") as bar:
        for checked in verify(store, assets_in(store), found):
            count += 1
            bar.show(count, total, checked.path)
            if checked.problem is not None:
                bad.append(checked)
    if as_json:
        problems = [{"path": one.path, "problem": one.problem} for one in bad]
        print_json({"checked": count, "damaged": problems})
    else:
        for one in bad:
            say(str(one.problem))
        say(f"{count} artifacts checked, {len(bad)} damaged.")
        if bad:
            say("A damaged artifact is never served: the next run that needs it makes it again.")
    return 1 if bad else 0
