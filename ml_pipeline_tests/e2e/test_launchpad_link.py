"""The link of a leaderboard's row: it opens the launchpad filled in, and that can be launched."""

import re
from pathlib import Path

import pytest
from playwright.sync_api import expect

from ml_pipeline_tests.e2e.dagster_ui import DagsterUi
from ml_pipeline_tests.e2e.server import ASSETS, Server

pytestmark = pytest.mark.long

DATES = ("--from", "1998-03-30", "--to", "1998-03-31")
PARAMS = (
    "--param",
    "learning_rate=0.15",
    "--param",
    "max_iter=15",
    "--param",
    "model_version=link",
)


@pytest.fixture(scope="module")
def row(server: Server) -> dict[str, str]:
    """A row of the leaderboard of two dates, with its link."""
    server.command("run", *DATES, *PARAMS)
    arguments = ("--where", "model_version=link", "--url", server.url)
    (group,) = server.command("leaderboard", *arguments)["groups"]
    (found,) = group["rows"]
    return {name: found[name] for name in ("launchpad", "command")}


def test_launchpad_link_fills_in_parameters_and_dates_and_launches_them(
    ui: DagsterUi, server: Server, row: dict[str, str]
) -> None:
    ui.page.goto(row["launchpad"])
    editor = ui.page.locator(".CodeMirror")
    for text in ("learning_rate: 0.15", "max_iter: 15", "model_version: link", "dataset: orders"):
        expect(editor).to_contain_text(text)
    expect(ui.page.get_by_text("asset_partition_range_start: 1998-03-30")).to_be_visible()
    expect(ui.page.get_by_text("asset_partition_range_end: 1998-03-31")).to_be_visible()
    expect(ui.page.get_by_text("No errors")).to_be_visible()
    ui.page.get_by_role("button", name="Launch Run").click()
    launched = ui.launched_run()
    assert server.finished_run(launched)["status"] == "SUCCESS"

    made = server.materializations(launched)
    assert {(one.asset, one.partition) for one in made} == {
        (asset, day) for asset in ASSETS for day in ("1998-03-30", "1998-03-31")
    }
    assert {one.metadata["reused"] for one in made} == {True}


def test_launchpad_link_in_the_report_opens_the_launchpad(
    ui: DagsterUi, server: Server, row: dict[str, str], tmp_path: Path
) -> None:
    report = tmp_path / "report.html"
    arguments = ("--where", "model_version=link", "--url", server.url, "--html", str(report))
    server.command("leaderboard", *arguments)
    ui.page.goto(report.as_uri())
    expect(ui.page.get_by_role("link", name="launchpad")).to_have_attribute(
        "href", row["launchpad"]
    )
    picture = ui.page.locator("figure svg").first
    expect(picture).to_be_visible()
    ui.page.get_by_role("link", name="launchpad").click()
    expect(ui.page.locator(".CodeMirror")).to_contain_text("learning_rate: 0.15")
    expect(ui.page).to_have_url(re.compile(f"{re.escape(server.url)}/.*/playground"))


def test_report_tables_sort_by_a_click(ui: DagsterUi, server: Server, tmp_path: Path) -> None:
    for depth in ("2", "10", "4"):
        server.command("run", *DATES, *PARAMS, "--param", f"max_depth={depth}")
    report = tmp_path / "report.html"
    server.command("leaderboard", "--where", "model_version=link", "--html", str(report))
    ui.page.goto(report.as_uri())
    head = ui.page.get_by_role("columnheader", name="max_depth")
    place = head.evaluate("head => head.cellIndex")
    column = ui.page.locator(f"tbody tr td:nth-child({place + 1})")
    head.click()
    expect(column).to_have_text(["2", "3", "4", "10"])
    head.click()
    expect(column).to_have_text(["10", "4", "3", "2"])


def test_run_of_many_dates_shows_its_summary_among_the_events_of_the_asset(
    ui: DagsterUi, server: Server, row: dict[str, str]
) -> None:
    server.command("run", *DATES, *PARAMS)
    ui.go("/assets/evaluation?view=events")
    summary = ui.metadata("summary")
    expect(summary).to_contain_text("2 dates: 2 done (2 reused); mape mean")
