"""The main pages as they look: taken of a store with a month of results, and worth showing.

`PICTURES=ml_pipeline_tests/pictures .venv/bin/pytest -m long -k screenshots ml_pipeline_tests/e2e`
replaces those of the README.
"""

import os
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, FloatRect, Page, expect

from ml_pipeline_tests.e2e.server import Server, serving, tool

pytestmark = pytest.mark.long

DAY = "1998-05-31"
VALUES = ("--param", "learning_rate=0.2", "--param", "model_version=v2")


@pytest.fixture(scope="module")
def shown(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server whose store holds two weeks of results."""
    home = tmp_path_factory.mktemp("forecast")
    with serving([tool("ml-pipeline"), "ui"], home, cwd=home) as running:
        running.command("run", "--from", "1998-05-18", "--to", "1998-05-30", *VALUES)
        running.command("run", "--as-of", DAY, *VALUES)
        yield running


@pytest.fixture(scope="module")
def page(browser: Browser, shown: Server) -> Iterator[Page]:
    """A page in light colors."""
    context = browser.new_context(
        viewport={"width": 1400, "height": 1250}, color_scheme="light", reduced_motion="reduce"
    )
    yield context.new_page()
    context.close()


def taken(page: Page, name: str, tmp_path: Path, top: int, bottom: int) -> None:
    """Keep what a page shows beside its menu, between two heights."""
    file = Path(os.environ.get("PICTURES", tmp_path)) / f"{name}.png"
    clip: FloatRect = {"x": 240, "y": top, "width": 1160, "height": bottom - top}
    page.screenshot(path=file, clip=clip, animations="disabled")
    assert file.stat().st_size > 10_000


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
    taken(page, "metadata", tmp_path, 0, 1010)
    page.get_by_role("link", name="launchpad with these parameters").click()
    expect(page.locator(".CodeMirror")).to_contain_text("learning_rate: 0.2")


def test_graph_of_assets_tells_a_stranger_what_they_are(
    page: Page, shown: Server, tmp_path: Path
) -> None:
    page.goto(f"{shown.url}/locations/ml_pipeline.definitions/asset-groups/ml_pipeline")
    for asset in ("orders", "features", "model", "evaluation", "leaderboard"):
        expect(page.get_by_text(asset, exact=True).first).to_be_visible()
    expect(page.get_by_text(re.compile("Loading"))).to_have_count(0)
    page.wait_for_timeout(2_000)
    taken(page, "graph", tmp_path, 580, 780)
