"""A comparison as tables, JSON, Markdown and a page."""

import json
from datetime import UTC, datetime
from xml.etree import ElementTree

import pytest

from ml_pipeline.leaderboard.comparison import Comparison, compare
from ml_pipeline.leaderboard.comparison_page import comparison_page
from ml_pipeline.leaderboard.comparison_report import (
    by_date,
    differences,
    document,
    markdown,
    notes,
    pictures,
    summary,
)
from ml_pipeline.leaderboard.page import Origin
from ml_pipeline_tests.toys.cells import FORMULA, NASTY, cell, days, row, side

ORIGIN = Origin("here and there", datetime(2026, 2, 3, 4, 5, tzinfo=UTC))


@pytest.fixture
def comparison() -> Comparison:
    left = side("blue", row([0.3, 0.2, 0.4, 0.3, 0.3, 0.3], rate=1))
    right = side("green", row([0.2] * 7, rate=2, codes={"model": "2", "score": "1"}), "there")
    return compare(left, right)


@pytest.fixture
def nasty() -> Comparison:
    left = side(NASTY, row([0.3] * 3, kind=FORMULA, dataset=NASTY, rate=1))
    return compare(left, side(f"{NASTY} 2", row([0.2] * 4, kind=NASTY, dataset=NASTY, rate=1)))


def test_tables_show_metrics_dates_and_what_differs(comparison: Comparison) -> None:
    columns, rows = summary(comparison)
    assert columns[:4] == ["metric", "blue", "green", "difference"]
    told = dict(zip(columns, rows[0], strict=True))
    assert (told["metric"], told["better"], told["better at"], told["worse at"]) == (
        "error",
        "green",
        5,
        0,
    )
    assert (told["blue"], told["green"]) == (pytest.approx(0.3), pytest.approx(0.2))
    assert (rows[1][0], rows[1][4]) == ("naive_error", "")
    columns, rows = by_date(comparison)
    assert columns == ["as_of", "blue", "green", "difference", "better", "naive_error"]
    assert [line[0] for line in rows] == [str(day) for day in days(6)]
    assert [line[4] for line in rows] == ["green", "", "green", "green", "green", "green"]
    assert {line[5] for line in rows} == {0.5}
    assert differences(comparison)[1] == [["parameter", "rate", 1, 2], ["code", "model", "1", "2"]]


def test_notes_say_what_was_left_out_and_what_makes_it(comparison: Comparison) -> None:
    left_out, making, caution = notes(comparison)
    assert left_out == "Left out: blue has no result at 2026-01-11."
    assert making == (
        "`ml-pipeline run --as-of 2026-01-11 --param dataset=orders --param rate=1` makes what"
        " blue lacks."
    )
    assert "not corrected for the number of metrics" in caution


def test_document_holds_everything_as_json(comparison: Comparison) -> None:
    found = json.loads(json.dumps(document(comparison), allow_nan=False))
    assert found["verdict"] == comparison.verdict
    assert (found["metric"], found["direction"], found["baseline"]) == (
        "error",
        "minimize",
        "naive_error",
    )
    assert (found["better"], found["p_value"]) == ("right", comparison.primary.p_value)
    assert found["dates"] == [str(day) for day in days(6)]
    assert found["values"][0] == {
        "as_of": "2026-01-05",
        "left": 0.3,
        "right": 0.2,
        "difference": pytest.approx(-0.1),
        "better": "right",
        "baseline": 0.5,
    }
    assert found["left"]["run_ids"]["2026-01-06"] == "run-2026-01-06"
    assert (found["left"]["side"], found["right"]["store"]) == ("blue", "there")
    assert found["parameters"] == {"rate": [1, 2]}
    assert found["code"] == {"model": ["1", "2"]}
    assert found["left_out"] == {"blue has no result": ["2026-01-11"]}
    (missing,) = found["missing"]
    assert (missing["side"], missing["dates"]) == ("left", ["2026-01-11"])
    first, second = found["metrics"]
    assert (first["right_better_at"], first["left_better_at"], first["dates"]) == (5, 0, 6)
    assert (second["metric"], second["direction"], second["better"]) == ("naive_error", None, None)


def test_page_stands_alone_and_shows_everything(comparison: Comparison) -> None:
    page = comparison_page(comparison, ORIGIN)
    assert page.count("<table>") == 3
    assert page.count("<svg") == 2
    for text in (comparison.verdict, "Left out: blue has no result", "from the results in here"):
        assert text in page
    assert "<code>ml-pipeline run --as-of 2026-01-11" in page
    assert "src=" not in page
    assert page.count('aria-sort="ascending"') == 1


def test_page_markdown_and_pictures_are_text_whatever_results_hold(nasty: Comparison) -> None:
    page = comparison_page(nasty, ORIGIN)
    assert page.count("<script>") == 1
    assert "\x1b" not in page
    told = markdown(nasty)
    assert "<script>" not in told
    assert "\\](javascript" in told
    assert told.count("](javascript") == told.count("\\](javascript")
    assert "\x1b" not in told
    lines = [line for line in told.splitlines() if line.startswith("|")]
    assert {line.replace("\\|", "").count("|") for line in lines} == {10, 7, 5}
    for picture in pictures(nasty):
        root = ElementTree.fromstring(picture)
        assert not [part for part in root.iter() if part.tag.endswith("script")]


def test_sides_of_one_name_stay_apart_in_tables() -> None:
    left = side("same", row([0.3] * 2, rate=1))
    found = compare(left, side("same", row([0.2] * 2, rate=2)))
    assert summary(found)[0][1:3] == ["left: same", "right: same"]


def test_comparison_without_dates_has_no_pictures() -> None:
    found = compare(
        side("blue", [cell(None, 0.2, 0.5, rate=1)]),
        side("green", [cell(None, 0.1, 0.5, rate=2)]),
    )
    assert pictures(found) == []
    assert by_date(found)[1][0][:3] == ["", 0.2, 0.1]
    assert comparison_page(found, ORIGIN).count("<table>") == 3
    assert document(found)["dates"] == [None]
