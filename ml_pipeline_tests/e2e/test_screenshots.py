"""The main pages as they look: taken of a store with a week of results, and worth showing.

`PICTURES=ml_pipeline_tests/pictures .venv/bin/pytest -m long -k screenshots ml_pipeline_tests/e2e`
replaces those of the README and of the pages that it leads to.
"""

import os
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, FloatRect, Page, expect

from ml_pipeline_tests.e2e.server import Server, environment, serving, tool

pytestmark = pytest.mark.long

DAY = "1998-05-31"
WEEK = ("--from", "1998-05-25", "--to", "1998-05-30")
VALUES = ("--param", "learning_rate=0.2", "--param", "model_version=v2")
SWEPT = ("--param", "learning_rate=0.05,0.1,0.2", "--param", "max_depth=2,3,4")

# Where a test has its files is no part of what is shown.
_ELSEWHERE = """([home, shown]) => {
  const texts = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (texts.nextNode()) texts.currentNode.data = texts.currentNode.data.replaceAll(home, shown);
}"""


@pytest.fixture(scope="module")
def shown(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server whose store holds a week of results, a run of the UI's, and a sweep."""
    home = tmp_path_factory.mktemp("forecast")
    with serving([tool("ml-pipeline"), "ui"], home, cwd=home) as running:
        running.command("run", *WEEK, *VALUES)
        running.command("launch", "--url", running.url, "--as-of", DAY, *VALUES)
        running.command("launch", "--url", running.url, *WEEK, "--sweep", *SWEPT)
        yield running


@pytest.fixture(scope="module")
def page(browser: Browser, shown: Server) -> Iterator[Page]:
    """A page in light colors."""
    context = browser.new_context(
        viewport={"width": 1400, "height": 1250}, color_scheme="light", reduced_motion="reduce"
    )
    yield context.new_page()
    context.close()


def taken(page: Page, home: Path, name: str, tmp_path: Path, clip: FloatRect) -> None:
    """Keep what a page shows within a frame."""
    page.evaluate(_ELSEWHERE, [str(home), "/srv/forecast"])
    file = Path(os.environ.get("PICTURES", tmp_path)) / f"{name}.png"
    page.screenshot(path=file, clip=clip, animations="disabled")
    assert file.stat().st_size > 10_000


def beside_menu(top: int, bottom: int) -> FloatRect:
    """Return the frame beside the menu, between two heights."""
    return {"x": 240, "y": top, "width": 1160, "height": bottom - top}


def taken_alone(page: Page, home: Path, name: str, tmp_path: Path, width: int) -> None:
    """Keep the top of a page that has no menu."""
    usual = page.viewport_size
    page.set_viewport_size({"width": width, "height": 1290})
    taken(page, home, name, tmp_path, {"x": 0, "y": 0, "width": width, "height": 1290})
    if usual is not None:
        page.set_viewport_size(usual)


def test_metadata_of_an_evaluation_shows_first_what_matters(
    page: Page, shown: Server, tmp_path: Path
) -> None:
    page.goto(f"{shown.url}/assets/evaluation?view=partitions&partition={DAY}")
    rows = page.get_by_role("row")
    names = ["not_default", "mape", "naive_mape"]
    for place, name in enumerate(names):
        expect(rows.nth(place)).to_contain_text(name)
    expect(rows.first).to_contain_text("learning_rate=0.2, model_version=v2")
    expect(page.get_by_role("link", name="launchpad with these parameters")).to_be_visible()
    taken(page, shown.home, "metadata", tmp_path, beside_menu(0, 1010))
    page.get_by_role("link", name="all pictures").click()
    expect(page.get_by_role("img", name="residuals over time")).to_be_visible()
    assert page.evaluate("origin") == "null"
    page.go_back()
    page.get_by_role("link", name="launchpad with these parameters").click()
    expect(page.locator(".CodeMirror")).to_contain_text("learning_rate: 0.2")


def test_card_of_a_model_is_read_where_the_model_is(
    page: Page, shown: Server, tmp_path: Path
) -> None:
    page.goto(f"{shown.url}/assets/model?view=partitions&partition={DAY}")
    card = page.get_by_role("row").filter(has_text="model card")
    card.get_by_text("Show Markdown").click()
    title = page.get_by_role("heading", name=re.compile("^Model card: model"))
    expect(title).to_be_visible()
    run_id = title.inner_text().split()[3]
    file = tmp_path / "card.html"
    command = ("card", run_id, "--html", "--out", str(file))
    subprocess.run([tool("ml-pipeline"), *command], env=environment(shown.home), check=True)
    page.goto(file.as_uri())
    expect(page.get_by_role("heading", name="Plots")).to_be_visible()
    taken_alone(page, shown.home, "card", tmp_path, width=1000)


def test_report_of_a_sweep_is_a_click_away(page: Page, shown: Server, tmp_path: Path) -> None:
    page.goto(f"{shown.url}/assets/sweep?view=events")
    page.get_by_role("link", name="report", exact=True).click()
    expect(page.get_by_role("heading", name="Leaderboard")).to_be_visible()
    link = page.get_by_role("link", name="launchpad").first
    expect(link).to_have_attribute("href", re.compile(f"^{shown.url}/locations/"))
    taken_alone(page, shown.home, "leaderboard", tmp_path, width=1500)
    link.click()
    expect(page.locator(".CodeMirror")).to_contain_text("max_depth: 4")


def test_graph_of_assets_tells_a_stranger_what_they_are(
    page: Page, shown: Server, tmp_path: Path
) -> None:
    page.goto(f"{shown.url}/locations/ml_pipeline.definitions/asset-groups/ml_pipeline")
    for asset in ("orders", "features", "model", "evaluation", "leaderboard"):
        expect(page.get_by_text(asset, exact=True).first).to_be_visible()
    expect(page.get_by_text(re.compile("Loading"))).to_have_count(0)
    page.wait_for_timeout(2_000)
    taken(page, shown.home, "graph", tmp_path, beside_menu(580, 780))
