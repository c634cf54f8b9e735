"""Sweeps in the UI: typed in the launchpad or the backfill dialog, shown as a leaderboard."""

import re

import pytest
import yaml
from playwright.sync_api import Browser, expect

from ml_pipeline_tests.e2e.dagster_ui import DagsterUi, looking_at, run_config
from ml_pipeline_tests.e2e.server import Server

pytestmark = pytest.mark.long

DAY = "1998-04-30"
FIRST, LAST = "1998-04-27", "1998-04-29"
SPACE = {"learning_rate": "0.1, 0.2", "max_depth": [2, 3], "max_iter": 10, "model_version": "swept"}


@pytest.fixture(scope="module")
def swept(server: Server, browser: Browser, tmp_path_factory: pytest.TempPathFactory) -> str:
    """Dagster's id of a sweep that was launched with the launchpad."""
    with looking_at(server, browser, tmp_path_factory.mktemp("pictures")) as ui:
        ui.launch(DAY, run_config("sweep", training=SPACE), asset="sweep")
        launched = ui.launched_run()
        expect(ui.run_status).to_have_text("Success", timeout=120_000)
    return launched


def test_sweep_in_the_launchpad_shows_plan_best_and_leaderboard(ui: DagsterUi, swept: str) -> None:
    ui.open_partition("sweep", DAY)
    expect(ui.metadata("plan")).to_contain_text("4 combinations x 1 date: 0 reused, 4 to run")
    expect(ui.metadata("failed")).to_have_text("0")
    expect(ui.metadata("best")).to_contain_text("learning_rate")
    ui.metadata("plots").get_by_text("Show Markdown").click()
    for picture in ui.page.get_by_role("dialog").locator("img").all():
        picture.evaluate("image => image.decode()")
    ui.page.get_by_role("button", name="Close").click()

    ui.metadata("leaderboard").get_by_text("Show Markdown").click()
    table = ui.page.get_by_role("dialog").get_by_role("table")
    expect(table.get_by_role("row")).to_have_count(5)
    table.get_by_role("link", name="open").first.click()
    editor = ui.page.locator(".CodeMirror")
    expect(editor).to_contain_text("model_version: swept")
    expect(ui.page.get_by_text(f"partition: {DAY}")).to_be_visible()


def test_sweep_in_the_launchpad_makes_what_single_runs_find(server: Server, swept: str) -> None:
    typed = ("learning_rate=0.2", "max_depth=3", "max_iter=10", "model_version=swept")
    params = [part for text in typed for part in ("--param", text)]
    (run,) = server.command("run", "--as-of", DAY, *params)["runs"]
    assert [made["reused"] for made in run["artifacts"]] == [True] * 4


def test_sweep_in_the_backfill_dialog_is_one_run_over_all_dates(
    ui: DagsterUi, server: Server
) -> None:
    backfill = ui.backfill(f"[{FIRST}...{LAST}]", run_config("sweep", training=SPACE), "sweep")
    finished = server.finished_backfill(backfill)
    assert finished["status"] == "COMPLETED_SUCCESS"
    (run,) = finished["runs"]
    made = {one.partition: one.metadata for one in server.materializations(run["id"])}
    assert sorted(made) == [FIRST, "1998-04-28", LAST]
    assert {int(one["trials"]) for one in made.values()} == {4}


def test_sweep_with_bad_values_tells_all_problems_and_launches_nothing(
    ui: DagsterUi, server: Server
) -> None:
    before = len(server.runs())
    bad = {"learning_rate": "0.1, 7", "max_dept": "2,3"}
    ui.launch(DAY, run_config("sweep", training=bad), asset="sweep")
    expect(ui.error).to_contain_text("Did you mean 'max_depth'?")
    expect(ui.error).to_contain_text(re.compile("learning_rate must be number > 0 and <= 1"))
    assert len(server.runs()) == before


def test_leaderboard_asset_ranks_what_is_published(
    ui: DagsterUi, server: Server, swept: str
) -> None:
    ui.go("/assets/leaderboard")
    ui.page.get_by_role("button", name="Materialize").first.click()
    expect(ui.page.get_by_text(re.compile("Launched run"))).to_be_visible()
    ui.page.wait_for_timeout(1000)
    launched = server.runs()[0]["runId"]
    assert server.finished_run(launched)["status"] == "SUCCESS"
    ui.go("/assets/leaderboard?view=events")
    ui.page.get_by_text("Show Markdown").first.click()
    expect(ui.page.get_by_role("dialog")).to_contain_text("rows ranked")


def test_comparison_in_the_launchpad_is_refused_or_shows_its_verdict(
    ui: DagsterUi, server: Server, swept: str
) -> None:
    def asked(left: str, right: str) -> str:
        rest = "max_depth=3,max_iter=10,model_version=swept"
        sides = {"left": f"learning_rate={left},{rest}", "right": f"learning_rate={right},{rest}"}
        text: str = yaml.safe_dump({"ops": {"comparison": {"config": sides}}}, width=1000)
        return text

    # Where no run has made what is compared, the UI asks whether one is sure.
    server.command("run", "--as-of", DAY, "-p", "max_iter=10")
    before = len(server.runs())
    ui.launch(None, asked("high", "7"), asset="comparison")
    expect(ui.error).to_contain_text("2 problems with what is asked")
    expect(ui.error).to_contain_text("left: training.learning_rate must be")
    expect(ui.error).to_contain_text("right: training.learning_rate must be")
    assert len(server.runs()) == before
    ui.launch(None, asked("0.1", "0.2"), asset="comparison")
    ui.launched_run()
    expect(ui.run_status).to_have_text("Success", timeout=60_000)
    ui.go("/assets/comparison?view=events")
    expect(ui.metadata("verdict")).to_contain_text("; too few dates to tell that from chance")
    ui.metadata("comparison").get_by_text("Show Markdown").click()
    expect(ui.page.get_by_role("dialog").get_by_role("table")).to_have_count(3)
    ui.screenshot("comparison")
