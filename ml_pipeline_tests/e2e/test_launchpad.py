"""The launchpad: what is typed there is checked, runs, and is shown with what it made."""

from pathlib import Path

import pytest
from playwright.sync_api import expect

from ml_pipeline_tests.e2e.conftest import LAUNCHED
from ml_pipeline_tests.e2e.dagster_ui import DagsterUi, run_config
from ml_pipeline_tests.e2e.server import ASSETS, Server

pytestmark = pytest.mark.long

ASKED = ("--as-of", LAUNCHED, "--param", "learning_rate=0.2", "--param", "max_iter=20")


def test_launchpad_with_parameters_shows_them_beside_the_artifact(
    ui: DagsterUi, server: Server, launched: str
) -> None:
    identified = {asset["asset"]: asset for asset in server.command("id", *ASKED)["assets"]}

    ui.open_partition("model", LAUNCHED)
    expect(ui.metadata("training.learning_rate")).to_have_text("0.2")
    expect(ui.metadata("training.max_iter")).to_have_text("20")
    expect(ui.metadata("training.max_depth")).to_have_text("3")
    expect(ui.metadata("run_id")).to_have_text(identified["model"]["run_id"])
    expect(ui.metadata("made_by")).to_have_text(launched)
    path = Path(ui.metadata("path").inner_text())
    assert path.is_file()
    assert path.is_relative_to(server.home / "artifacts" / identified["model"]["path"])

    made = {one.asset: one for one in server.materializations(launched)}
    assert set(made) == set(ASSETS)
    for asset, one in made.items():
        assert one.partition == LAUNCHED
        assert one.metadata["run_id"] == identified[asset]["run_id"]
        assert Path(one.metadata["path"]).is_file()


def test_launchpad_run_over_leaves_nothing_unsynced(server: Server, launched: str) -> None:
    assert server.staleness(LAUNCHED) == {asset: ("FRESH", []) for asset in ASSETS}


def test_launchpad_run_evaluated_shows_metrics_and_picture(
    ui: DagsterUi, server: Server, launched: str
) -> None:
    made = {one.asset: one.metadata for one in server.materializations(launched)}
    ui.open_partition("evaluation", LAUNCHED)
    shown = ui.metadata("mape")
    expect(shown).to_be_visible()
    assert float(shown.inner_text()) == made["evaluation"]["mape"]
    ui.metadata("picture").get_by_text("Show Markdown").click()
    picture = ui.page.get_by_role("dialog").locator("img")
    expect(picture).to_be_visible()
    picture.evaluate("image => image.decode()")  # fails if it is no picture
    assert picture.evaluate("image => image.naturalWidth") > 0


def test_launchpad_with_bad_values_tells_all_problems_and_launches_nothing(
    ui: DagsterUi, server: Server
) -> None:
    before = _launched_singly(server)
    ui.launch(LAUNCHED, run_config(training={"learning_rate": 5, "max_dept": 3}))
    expect(ui.error).to_contain_text("training.learning_rate")
    expect(ui.error).to_contain_text("> 0 and <= 1, but got 5")
    expect(ui.error).to_contain_text("'training.max_dept' does not exist")
    expect(ui.error).to_contain_text("Did you mean 'max_depth'?")
    assert _launched_singly(server) == before


def test_launchpad_editor_completes_choices_and_shows_what_may_be_none(ui: DagsterUi) -> None:
    launchpad = ui.open_launchpad(LAUNCHED)
    expect(launchpad.locator(".CodeMirror")).to_contain_text("horizon_days: 'none'")
    ui.type_config(launchpad, run_config(data={"dataset": "order"}))
    expect(launchpad.get_by_text("one of orders, customers got order")).to_be_visible()
    ui.type_config(launchpad, run_config(training={"learning_rate": "1e-3"}))
    expect(launchpad.get_by_text("No errors")).to_be_visible()
    ui.type_config(launchpad, "resources:\n  params:\n    config:\n      data:\n        dataset: ")
    ui.page.keyboard.press("Control+Space")
    expect(ui.page.locator(".CodeMirror-hint", has_text="customers")).to_be_visible()


def test_command_line_after_launchpad_reuses_all_and_is_listed(
    ui: DagsterUi, server: Server, launched: str
) -> None:
    (run,) = server.command("run", *ASKED)["runs"]
    made = {one.asset: one.metadata for one in server.materializations(launched)}
    for artifact in run["artifacts"]:
        assert artifact["reused"], artifact
        assert artifact["run_id"] == made[artifact["asset"]]["run_id"]
        assert artifact["uri"] == made[artifact["asset"]]["path"]
    assert {artifact["asset"] for artifact in run["artifacts"]} == set(ASSETS)

    ui.go("/runs")
    ui.page.get_by_text(run["dagster_run_id"][:8], exact=True).click()
    expect(ui.run_status).to_have_text("Success")
    assert {one.metadata["reused"] for one in server.materializations(run["dagster_run_id"])} == {
        True
    }


def _launched_singly(server: Server) -> set[str]:
    return {run["runId"] for run in server.runs() if "dagster/backfill" not in run["tags"]}
