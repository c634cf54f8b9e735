"""Pages of results in a browser: narrow and wide, by keyboard, in light and in dark."""

from datetime import UTC, date, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect

from ml_pipeline.dagster.launchpad import launchpad_link
from ml_pipeline.launch.names import names_of
from ml_pipeline.leaderboard.card_page import card_page
from ml_pipeline.leaderboard.comparison import compare
from ml_pipeline.leaderboard.comparison_page import comparison_page
from ml_pipeline.leaderboard.html import html
from ml_pipeline.leaderboard.model_card import model_card
from ml_pipeline.leaderboard.page import Origin
from ml_pipeline.leaderboard.report import Repeat
from ml_pipeline.runs.catalog import Entry
from ml_pipeline.runs.materializer import Materializer
from ml_pipeline.runs.promotion import Terms, promote
from ml_pipeline.store.artifacts import ArtifactStore
from ml_pipeline_tests.toys.cells import row, side, wide_board
from ml_pipeline_tests.toys.sweeps import PIPELINE

pytestmark = pytest.mark.long

# Every text with its color and the ground that it stands on, as the browser has computed them.
_TEXTS = """() => {
  const parts = color => color.match(/[\\d.]+/g).map(Number);
  const ground = element => {
    for (let at = element; at; at = at.parentElement) {
      const color = parts(getComputedStyle(at).backgroundColor);
      if (color.length < 4 || color[3] === 1) return color.slice(0, 3);
    }
    return [255, 255, 255];
  };
  return [...document.querySelectorAll("h1, h2, p, th, td, a, button, summary, code")]
    .map(it => [it.tagName, parts(getComputedStyle(it).color).slice(0, 3), ground(it)]);
}"""

NAMES = names_of(PIPELINE)


@pytest.fixture
def board_file(tmp_path: Path) -> Path:
    repeat = Repeat(partial(launchpad_link, NAMES, "http://127.0.0.1:3000", "houses.definitions"))
    file = tmp_path / "board.html"
    origin = Origin(str(tmp_path), datetime(2026, 2, 3, tzinfo=UTC))
    file.write_text(html(wide_board(), repeat, origin), encoding="utf-8")
    return file


@pytest.fixture
def comparison_file(tmp_path: Path) -> Path:
    found = compare(
        side("learning_rate=0.1,max_depth=3", row([0.3] * 8, rate=0.1)),
        side("learning_rate=0.2,max_depth=3", row([0.2] * 9, rate=0.2)),
    )
    file = tmp_path / "comparison.html"
    file.write_text(comparison_page(found, Origin(str(tmp_path), datetime(2026, 2, 3, tzinfo=UTC))))
    return file


@pytest.fixture
def card_file(tmp_path: Path) -> Path:
    store, day = ArtifactStore(str(tmp_path / "store")), date(2026, 1, 5)
    params = PIPELINE.params.parse({"learning_rate": 0.2})
    for place in range(12):
        made = list(Materializer(PIPELINE, store).run(params, day + timedelta(days=place)))[-1]
    entry = Entry(made.slot.revision(made.record.revision), made.record)
    promote(store, entry, "staging", Terms(note="a long note " * 20))
    file = tmp_path / "card.html"
    origin = Origin(str(tmp_path), datetime(2026, 2, 3, tzinfo=UTC))
    file.write_text(card_page(model_card(PIPELINE, store, entry), origin), encoding="utf-8")
    return file


@pytest.mark.parametrize(("width", "scheme"), [(400, "dark"), (1200, "light")])
def test_card_is_legible_however_narrow_and_sorts_by_keyboard(
    browser: Browser, card_file: Path, width: int, scheme: str
) -> None:
    page = opened(browser, card_file, width, color_scheme=scheme)
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    found = page.evaluate(_TEXTS)
    assert len(found) > 100
    assert not [(tag, ink, on) for tag, ink, on in found if contrast(ink, on) < 4.5]
    dates = page.get_by_role("region", name="Metrics by date")
    head = dates.get_by_role("columnheader", name="loss")
    head.get_by_role("button").focus()
    page.keyboard.press("Enter")
    page.keyboard.press("Enter")
    expect(head).to_have_attribute("aria-sort", "descending")
    expect(dates.locator("tbody th").first).to_have_text("2026-01-16")
    page.screenshot(path=card_file.with_suffix(".png"), full_page=True)
    page.emulate_media(media="print")
    ground = page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert ground == "rgb(255, 255, 255)"
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    page.close()


def opened(browser: Browser, file: Path, width: int, **options: Any) -> Page:
    page = browser.new_page(viewport={"width": width, "height": 900}, **options)
    page.goto(file.as_uri())
    return page


@pytest.mark.parametrize("width", [400, 1500])
def test_page_with_twenty_parameters_scrolls_its_tables_and_not_itself(
    browser: Browser, board_file: Path, width: int
) -> None:
    page = opened(browser, board_file, width)
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    region = page.get_by_role("region").first
    assert region.evaluate("it => it.scrollWidth > it.clientWidth")
    region.focus()
    page.keyboard.press("End")
    page.keyboard.press("ArrowRight")
    page.wait_for_function("document.querySelector('[role=region]').scrollLeft > 0")
    first = region.locator("tbody th").first
    assert first.evaluate("it => it.getBoundingClientRect().left") >= 0
    page.screenshot(path=board_file.with_suffix(f".{width}.png"), full_page=True)
    page.close()


def test_headers_sort_by_keyboard_and_say_how(browser: Browser, board_file: Path) -> None:
    page = opened(browser, board_file, 1500)
    head = page.get_by_role("columnheader", name="parameter_03").first
    cells = page.locator("table").first.locator("tbody tr")
    place = head.evaluate("it => it.cellIndex")

    def values() -> list[str]:
        return [cells.nth(n).locator("th, td").nth(place).inner_text() for n in range(13)]

    expect(page.get_by_role("columnheader", name="#").first).to_have_attribute(
        "aria-sort", "ascending"
    )
    head.get_by_role("button").focus()
    page.keyboard.press("Enter")
    expect(head).to_have_attribute("aria-sort", "ascending")
    numbers = [float(value) for value in values() if value]
    assert numbers == sorted(numbers)
    assert values()[-1] == ""
    page.keyboard.press("Space")
    expect(head).to_have_attribute("aria-sort", "descending")
    assert [float(value) for value in values() if value] == numbers[::-1]
    assert values()[-1] == ""
    assert page.locator("table").first.locator("th[aria-sort=descending]").count() == 1
    page.close()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_text_stands_out_from_its_ground(
    browser: Browser, board_file: Path, scheme: str
) -> None:
    page = opened(browser, board_file, 1500, color_scheme=scheme)
    found = page.evaluate(_TEXTS)
    assert len(found) > 100
    assert not [(tag, ink, on) for tag, ink, on in found if contrast(ink, on) < 4.5]
    page.close()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_page_of_a_comparison_is_legible_however_narrow(
    browser: Browser, comparison_file: Path, scheme: str
) -> None:
    page = opened(browser, comparison_file, 400, color_scheme=scheme)
    assert page.evaluate("document.documentElement.scrollWidth") <= 400
    found = page.evaluate(_TEXTS)
    assert not [(tag, ink, on) for tag, ink, on in found if contrast(ink, on) < 4.5]
    dates = page.get_by_role("region", name="error by date")
    head = dates.get_by_role("columnheader", name="as_of")
    expect(head).to_have_attribute("aria-sort", "ascending")
    head.get_by_role("button").click()
    expect(dates.locator("tbody th").first).to_have_text("2026-01-12")
    page.screenshot(path=comparison_file.with_suffix(f".{scheme}.png"), full_page=True)
    page.close()


def contrast(one: list[float], other: list[float]) -> float:
    """Return the contrast of two colors as WCAG 2 has it."""

    def light(color: list[float]) -> float:
        shares = [part / 255 for part in color]
        linear = [s / 12.92 if s <= 0.03928 else ((s + 0.055) / 1.055) ** 2.4 for s in shares]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2] + 0.05

    return max(light(one), light(other)) / min(light(one), light(other))
