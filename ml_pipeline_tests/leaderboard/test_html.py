"""The page of a leaderboard, as text; `e2e` looks at it in a browser."""

import re
from datetime import UTC, datetime
from functools import partial
from html.parser import HTMLParser
from xml.etree import ElementTree

import pytest

from ml_pipeline.dagster.launchpad import launchpad_link
from ml_pipeline.launch.names import names_of
from ml_pipeline.leaderboard.board import Leaderboard
from ml_pipeline.leaderboard.charts import charts
from ml_pipeline.leaderboard.html import html
from ml_pipeline.leaderboard.page import Origin
from ml_pipeline.leaderboard.report import Repeat
from ml_pipeline_tests.toys.cells import FORMULA, NASTY, nasty_board, wide_board
from ml_pipeline_tests.toys.sweeps import PIPELINE

NAMES = names_of(PIPELINE)
REPEAT = Repeat(partial(launchpad_link, NAMES, "http://127.0.0.1:3000/", "houses.definitions"))
ORIGIN = Origin("s3://bucket/store", datetime(2026, 2, 3, 4, 5, tzinfo=UTC))


class _Page(HTMLParser):
    """What a page holds: its tags, the cells of its rows, and its links."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.text += data

    def of(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.tags if name == tag]


def test_html_stands_alone_and_shows_everything(board: Leaderboard) -> None:
    page = _Page(html(board, REPEAT, ORIGIN))
    names = {tag for tag, _ in page.tags}
    assert not names & {"link", "iframe", "img"}
    assert all("src" not in attributes for attributes in page.of("script"))
    assert len(page.of("table")) == 2
    assert len(page.of("tr")) == 2 + 4 + 1
    links = [attributes["href"] for attributes in page.of("a")]
    assert links == [REPEAT.link(row, group) for group in board.groups for row in group.rows]
    for text in ("too few rows", "customers instead of orders", "not corrected", "ml-pipeline run"):
        assert text in page.text
    assert len(page.of("svg")) >= 2


def test_html_says_when_and_from_which_store_it_was_made(board: Leaderboard) -> None:
    page = _Page(html(board, REPEAT, ORIGIN))
    assert "Made 2026-02-03 04:05 UTC from the results in s3://bucket/store" in page.text


def test_html_tells_for_every_column_how_it_is_sorted(board: Leaderboard) -> None:
    heads = [head for head in _Page(html(board, REPEAT, ORIGIN)).of("th") if "aria-sort" in head]
    assert [head["aria-sort"] for head in heads].count("ascending") == len(board.groups)
    assert {head["scope"] for head in heads} == {"col"}


def test_html_is_text_whatever_results_hold() -> None:
    text = html(nasty_board(), REPEAT, ORIGIN, title=NASTY)
    assert text.count("<script>") == 1
    assert "\x1b" not in text
    page = _Page(text)
    assert len(page.of("script")) == 1
    assert page.text.count('<script>alert("1")</script> | `x` [y](z)') >= 4
    assert FORMULA in page.text
    assert all(str(link["href"]).startswith("http://127.0.0.1:3000/") for link in page.of("a"))


def test_charts_are_xml_whatever_results_hold() -> None:
    for picture in charts(nasty_board().groups[0]):
        root = ElementTree.fromstring(picture)
        assert not [part for part in root.iter() if part.tag.endswith("script")]


def test_over_dates_has_a_true_time_axis() -> None:
    picture = charts(wide_board().groups[0])[0]
    circles = [float(x) for x in re.findall(r'<circle cx="([\d.]+)"', picture)]
    first, *_, last = sorted(set(circles))
    shares = sorted({round((x - first) / (last - first), 2) for x in circles})
    assert shares == pytest.approx([0, 1 / 60, 2 / 60, 30 / 60, 31 / 60, 1], abs=0.01)
