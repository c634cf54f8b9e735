from datetime import date, timedelta
from itertools import pairwise
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ml_pipeline import svg

SVG = "{http://www.w3.org/2000/svg}"
FINITE = st.floats(-1e12, 1e12).filter(lambda value: value == 0 or abs(value) > 1e-12)
FRAME = svg.Frame(0.0, 10.0, 4)
DAYS = [date(2026, 1, 1) + timedelta(days=n) for n in range(14)]


@given(FINITE, FINITE)
def test_ticks_enclose_the_range_at_even_distances(one: float, other: float) -> None:
    lowest, highest = min(one, other), max(one, other)
    found = svg.ticks(lowest, highest)
    slack = 1e-9 * max(abs(lowest), abs(highest))
    assert found[0] <= lowest + slack
    assert found[-1] >= highest - slack
    assert 2 <= len(found) <= 12
    steps = {round((b - a) / (found[1] - found[0]), 6) for a, b in pairwise(found)}
    assert steps == {1.0}


@pytest.mark.parametrize(
    ("value", "text"), [(0, "0"), (1234567.0, "1.235M"), (-2e9, "-2G"), (0.12345678, "0.1235")]
)
def test_short_keeps_four_digits(value: float, text: str) -> None:
    assert svg.short(value) == text


def test_polyline_breaks_where_values_are_missing() -> None:
    line = svg.polyline(FRAME, [1, 2, None, 4], svg.BLUE, 2)
    assert line.count("<polyline") == 1
    assert line.count("<circle") == 1
    assert svg.polyline(FRAME, [None, None], svg.BLUE, 2) == ""


def test_page_escapes_every_text() -> None:
    nasty = '<script>"&'
    picture = svg.page(
        FRAME,
        nasty,
        [svg.text(1, 1, nasty), svg.box(0, 0, 1, 1, svg.BLUE, nasty), svg.rule(FRAME, 1, nasty)],
        legend=[(nasty, svg.BLUE)],
        caption=nasty,
    )
    root = ElementTree.fromstring(picture)
    assert root.get("aria-label") == nasty
    assert [text.text for text in root.iter(f"{SVG}text")].count(nasty) == 5
    assert not list(root.iter(f"{SVG}script"))


def test_page_arranges_a_long_legend_in_lines_within_the_picture() -> None:
    legend = [(f"row {n} learning_rate=0.1, max_depth=3", svg.BLUE) for n in range(5)]
    root = ElementTree.fromstring(svg.page(FRAME, "t", [], legend=legend))
    places = [(float(r.get("x", 0)), float(r.get("y", 0))) for r in root.iter(f"{SVG}rect")][1:]
    assert len(set(places)) == 5
    assert all(x < svg.Frame.width / 2 + 60 for x, _ in places)


def test_over_days_draws_what_is_known_and_names_some_days() -> None:
    lines = [
        svg.Line("ours", [0.1 + n / 100 for n in range(14)], svg.BLUE),
        svg.Line("naive", [0.3] * 13 + [None], svg.AMBER, dash="5 4"),
        svg.Line("absent", [None] * 14, svg.GREY),
    ]
    picture = svg.over_days("metric", DAYS, lines)
    assert picture is not None
    root = ElementTree.fromstring(picture)
    texts = [text.text for text in root.iter(f"{SVG}text")]
    assert len(list(root.iter(f"{SVG}polyline"))) == 2
    assert {"metric", "ours", "naive", "1 Jan 2026"} <= set(texts)
    assert "absent" not in texts


def test_over_days_without_values_is_none() -> None:
    assert svg.over_days("metric", DAYS, [svg.Line("ours", [None] * 14, svg.BLUE)]) is None


@given(st.integers(0, 0xFFFFFF))
def test_ink_on_any_color_stands_out(color: int) -> None:
    def light(text: str) -> float:
        shares = [int(text[place : place + 2], 16) / 255 for place in (1, 3, 5)]
        linear = [s / 12.92 if s <= 0.03928 else ((s + 0.055) / 1.055) ** 2.4 for s in shares]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2] + 0.05

    ground = f"#{color:06x}"
    one, other = light(ground), light(svg.ink_on(ground))
    assert max(one, other) / min(one, other) >= 4.5


@pytest.mark.parametrize(
    "along", [["north", "a very long name of a shop"], [date(2026, 1, 9), date(2026, 1, 5)]]
)
def test_over_days_gives_each_a_place_where_they_are_no_calendar(along: list[date | str]) -> None:
    picture = svg.over_days("metric", along, [svg.Line("ours", [1.0, 2.0], svg.BLUE)])
    texts = [element.text for element in ElementTree.fromstring(str(picture)).iter()]
    first, last = (
        ("north", "a very long n...") if "north" in along else ("9 Jan 2026", "5 Jan 2026")
    )
    assert texts.index(first) < texts.index(last)


def test_over_days_puts_days_as_far_apart_as_they_are() -> None:
    along = [DAYS[0], DAYS[1], DAYS[13]]
    picture = svg.over_days("t", along, [svg.Line("a", [1.0, 2.0, 3.0], svg.BLUE)])
    assert picture is not None
    circles = list(ElementTree.fromstring(picture).iter(f"{SVG}circle"))
    first, second, last = (float(circle.get("cx", "0")) for circle in circles)
    assert (second - first) / (last - first) == pytest.approx(1 / 13, abs=0.01)


def test_page_drops_what_would_act_or_is_no_xml() -> None:
    picture = svg.page(FRAME, "\x1b[31m<red>\x00", [svg.text(1, 1, "a\x07b")])
    assert ElementTree.fromstring(picture).get("aria-label") == r"\x1b[31m<red>\x00"
