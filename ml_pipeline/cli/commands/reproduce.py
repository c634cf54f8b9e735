"""`ml-pipeline reproduce`: a run again, from its record alone."""

import tempfile
from dataclasses import asdict

import click

from ml_pipeline.cli.console import look_for_garbage
from ml_pipeline.cli.environments import environment_option, found_in
from ml_pipeline.cli.in_process import computing
from ml_pipeline.cli.project import project
from ml_pipeline.cli.show import print_json
from ml_pipeline.cli.tables import print_table, say
from ml_pipeline.runs.reproduce import reproduce
from ml_pipeline.store.artifacts import ArtifactStore


@click.command(name="reproduce")
@click.argument("run_id")
@environment_option
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
def command(run_id: str, environment: str | None, as_json: bool) -> int:
    """Make a run again in a clean store and tell whether the bytes agree."""
    store, entry = found_in(project(), run_id, environment)
    look_for_garbage()
    with (
        tempfile.TemporaryDirectory(prefix="ml_pipeline-") as folder,
        computing(project()) as host,
    ):
        clean = ArtifactStore(folder)
        compared = list(reproduce(project().pipeline, store, entry, clean, host))
    # What has no original left to compare with says nothing against the rest.
    agrees = all(one.agrees is not False for one in compared)
    if as_json:
        assets = [asdict(one) for one in compared]
        print_json({"run_id": entry.record.run_id, "agrees": agrees, "assets": assets})
        return 0 if agrees else 1
    words = {True: "the same bytes", False: "OTHER BYTES", None: "the original is gone"}
    print_table(
        ["asset", "", "changed since"],
        [[one.asset, words[one.agrees], ", ".join(one.changed) or "nothing"] for one in compared],
    )
    gone = ", ".join(one.asset for one in compared if one.agrees is None)
    if not agrees:
        say(f"Run {entry.record.run_id} is not reproduced.", err=True)
    elif gone:
        say(
            f"Run {entry.record.run_id} is reproduced, byte for byte, in all that can be compared:"
            f" the original of {gone} is gone."
        )
    else:
        say(f"Run {entry.record.run_id} is reproduced, byte for byte.")
    return 0 if agrees else 1
