"""Promotion in the browser: filled in, refused with its numbers, carried out, and taken back."""

import json

import pytest
from playwright.sync_api import Locator, expect

from ml_pipeline_tests.cli.conftest import CommandLine
from ml_pipeline_tests.e2e.dagster_ui import DagsterUi
from ml_pipeline_tests.e2e.server import Server

pytestmark = pytest.mark.long

DATES = "--from", "1998-03-04", "--to", "1998-03-05"
WORSE = "model_version=worse,max_iter=3"
BETTER = "model_version=better,max_iter=40"
GATES = ["mape <= 0.4", "mape better by 90%"]


def asked(**values: object) -> str:
    lines = [f"      {name}: {json.dumps(value)}\n" for name, value in values.items()]
    return "".join(["ops:\n  promotion:\n    config:\n", *lines])


def test_promotion_is_refused_with_its_numbers_carried_out_and_taken_back(
    ui: DagsterUi, server: Server
) -> None:
    for one in (WORSE, BETTER):
        typed = [part for value in one.split(",") for part in ("-p", value)]
        server.command("run", *DATES, *typed)
    before = server.command("promote", WORSE, "--to", "production")["now"]["run_id"]

    ui.launch_job("promote", asked(run=BETTER, to="prodction"))
    expect(ui.error).to_contain_text("Did you mean 'production'?")

    ui.launch_job("promote", asked(run=BETTER, to="production", gate=GATES, min_dates=2))
    over(ui, "Failure")
    failed = event(ui, "STEP_FAILURE")
    expect(failed).to_contain_text(f"'production' still has {before}")
    # What the command line says of it, on the same home, is what the page shows.
    gates = [part for gate in GATES for part in ("--gate", gate)]
    command = CommandLine(server.home.parent)
    home = {"ML_PIPELINE_HOME": str(server.home)}
    dry = command(
        "promote", BETTER, "--to", "production", *gates, "--dry-run", "--json", environment=home
    )
    assert dry.code == 1
    figures = dry.document["gate"]["figures"]
    assert [one["verdict"] for one in figures] == ["passed", "failed"]
    for one in figures:
        numbers = [f"{one[name]:.6g}" for name in ("candidate", "champion", "limit")]
        assert row(failed, one["criterion"]) == [one["criterion"], one["verdict"], *numbers, "2"]
    for name, (there, now) in dry.document["parameters"].items():
        assert row(failed, name) == [name, str(there), str(now)]

    ui.launch_job("promote", asked(run=BETTER, to="production", gate=["mape <= 0.4"], by="ann"))
    over(ui, "Success")
    better = server.command("runs", "show", "@production")["run_id"]
    told = row(event(ui, "STEP_OUTPUT"), "promotion")[-1]
    assert told.startswith(f"{better} of 1998-03-05 from ")
    assert told.endswith(" to production")

    ui.launch_job(
        "rollback", "ops:\n  roll_back:\n    config:\n      to: production\n      by: bob\n"
    )
    over(ui, "Success")
    seen = event(ui, "ASSET_OBSERVATION")
    entries = server.command("promotions", "production")["promotions"]
    assert row(seen, "run_id")[-1] == before
    assert row(seen, "goes_back_to_entry")[-1] == str(entries[2]["number"])
    assert [(one["run_id"], one["by"]) for one in entries[:3]] == [
        (before, "bob"),
        (better, "ann"),
        (before, ""),
    ]


def over(ui: DagsterUi, status: str) -> None:
    """Wait for the end of the run that was launched."""
    ui.launched_run()
    expect(ui.run_status).to_have_text(status, timeout=90_000)


def event(ui: DagsterUi, kind: str) -> Locator:
    """Return the event of a kind among those of the run."""
    shown = ui.page.get_by_text(kind, exact=True)
    return shown.locator("xpath=ancestor::*[.//tbody][1]")


def row(event: Locator, label: str) -> list[str]:
    """Return the cells of the innermost row of an event that begins with a label."""
    found = event.get_by_role("row").filter(has=event.page.get_by_text(label, exact=True)).last
    expect(found).to_be_attached()
    return [cell.inner_text() for cell in found.get_by_role("cell").all()]
