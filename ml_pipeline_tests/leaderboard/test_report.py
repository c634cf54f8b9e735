import csv
import io
import json
import re
import shlex
from functools import partial
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
import yaml

from ml_pipeline.dagster.launchpad import launchpad_link
from ml_pipeline.launch.names import names_of
from ml_pipeline.leaderboard.board import Leaderboard, leaderboard
from ml_pipeline.leaderboard.report import (
    CAUTION,
    Repeat,
    about,
    as_csv,
    document,
    markdown,
    notes,
    table,
)
from ml_pipeline.text import from_csv
from ml_pipeline_tests.toys.cells import FORMULA, cell, days, nasty_board, row
from ml_pipeline_tests.toys.sweeps import PIPELINE

NAMES = names_of(PIPELINE)
REPEAT = Repeat(partial(launchpad_link, NAMES, "http://127.0.0.1:3000/", "houses.definitions"))


def test_table_has_what_compares_rows_and_what_varies(board: Leaderboard) -> None:
    columns, rows = table(board.groups[0])
    assert columns == [
        "#",
        "run id",
        "error",
        "vs naive_error",
        "dates",
        "rate",
        "lacks",
        "p",
        "sd",
        "worst",
        "worst date",
        "seconds",
    ]
    first = dict(zip(columns, rows[0], strict=True))
    assert (first["#"], first["rate"], first["dates"], first["seconds"]) == ("1", 0.1, "8 of 8", 8)
    assert first["error"] == pytest.approx(0.135)
    assert first["vs naive_error"] == pytest.approx(-0.365)
    assert first["worst date"] == days(8)[-1]
    last = dict(zip(columns, rows[-1], strict=True))
    assert (last["#"], last["dates"]) == ("-", "5 of 8")
    assert last["lacks"] == "missing 1 of 8 dates; failed at 2 of 8 dates: too few rows"
    assert len(table(board.groups[0], 2)[1]) == 2


def test_table_of_rows_with_more_dates_has_their_own_mean_and_dates() -> None:
    (group,) = leaderboard(row([0.1, 0.2, 0.3, 0.4], rate=1) + row([0.1] * 2, rate=2)).groups
    columns, (first, second) = table(group)
    own = dict(zip(columns, second, strict=True))
    assert (own["run id"], own["dates"]) == ("run-2026-01-06", "2 of 2")
    assert own["error"] == pytest.approx(0.15)
    assert own["own mean"] == pytest.approx(0.25)
    assert own["own dates"] == "4 dates from 2026-01-05 to 2026-01-08"
    assert dict(zip(columns, first, strict=True))["own mean"] == pytest.approx(0.1)


def test_about_tells_dates_counts_and_why_apart(board: Leaderboard) -> None:
    first, second = board.groups
    assert about(first) == (
        "8 dates from 2026-01-05 to 2026-01-12; 3 of 4 rows ranked; naive_error 0.5"
    )
    assert about(first, 2).endswith("; 2 shown; naive_error 0.5")
    assert about(second) == (
        "2 dates from 2026-01-05 to 2026-01-06; 1 of 1 rows ranked; naive_error 0.5. Not ranked"
        " with the above: dataset customers instead of orders"
    )


def test_notes_warn_of_p_only_where_there_is_one(board: Leaderboard) -> None:
    assert notes(board) == [CAUTION]
    few = leaderboard(row([0.1], rate=1) + row([0.1], objective=None, rate=1))
    assert notes(few) == ["1 result set aside: their stage declares no objective: name a metric."]


def test_document_is_json_with_full_precision_and_ways_to_repeat(board: Leaderboard) -> None:
    found: Any = json.loads(json.dumps(document(board, REPEAT), allow_nan=False))
    group = found["groups"][0]
    assert (group["metric"], group["direction"], group["baseline"]) == (
        "error",
        "minimize",
        "naive_error",
    )
    assert group["dates"] == [day.isoformat() for day in days(8)]
    assert (group["varying"], group["constant"]) == (
        ["rate"],
        {"dataset": "orders", "kind": "a b"},
    )
    best, last = group["rows"][0], group["rows"][-1]
    row = board.groups[0].rows[0]
    assert (best["mean"], best["sd"], best["p_value"]) == (row.mean, row.sd, row.p_value)
    assert best["params"] == {"data": {"dataset": "orders"}, "fit": {"rate": 0.1, "kind": "a b"}}
    assert list(best["values"].values()) == [0.1 + n / 100 for n in range(8)]
    assert set(best["run_ids"].values()) == {f"run-{day}" for day in days(8)}
    assert last["failures"] == {"too few rows": ["2026-01-10", "2026-01-11"]}
    assert last["values"]["2026-01-12"] is None
    assert found["groups"][1]["apart"] == "dataset customers instead of orders"
    assert [len(g["rows"]) for g in document(board, REPEAT, 1)["groups"]] == [1, 1]


def test_command_repeats_a_row(board: Leaderboard) -> None:
    first, second = board.groups
    assert shlex.split(REPEAT.command(first.rows[0], first)) == [
        *("ml-pipeline", "run", "--from", "2026-01-05", "--to", "2026-01-12"),
        *("--param", "dataset=orders", "--param", "rate=0.1", "--param", "kind=a b"),
    ]
    alone = leaderboard([cell(None, 0.1, rate=1)]).groups[0]
    assert REPEAT.command(alone.rows[0], alone).startswith("ml-pipeline run --param dataset")
    assert "--from 2026-01-05 --to 2026-01-06" in REPEAT.command(second.rows[0], second)


def test_link_fills_the_launchpad_in(board: Leaderboard) -> None:
    group = board.groups[0]
    address = urlsplit(REPEAT.link(group.rows[0], group))
    assert address.netloc == "127.0.0.1:3000"
    assert address.path == "/locations/houses.definitions/jobs/run_pipeline/playground/setup"
    asked = parse_qs(address.query)
    assert yaml.safe_load(asked["config"][0]) == {
        "resources": {
            "params": {
                "config": {"data": {"dataset": "orders"}, "fit": {"rate": 0.1, "kind": "a b"}}
            }
        }
    }
    assert asked["tags[0][key]"] == ["dagster/asset_partition_range_start"]
    assert asked["tags[1][value]"] == ["2026-01-12"]


def test_csv_has_a_line_for_each_row_with_all_parameters(board: Leaderboard) -> None:
    lines = list(csv.DictReader(io.StringIO(as_csv(board, REPEAT))))
    assert [(line["group"], line["place"]) for line in lines] == [
        ("1", "1"),
        ("1", "2"),
        ("1", "3"),
        ("1", "-"),
        ("2", "1"),
    ]
    assert float(lines[0]["mean"]) == board.groups[0].rows[0].mean
    assert (lines[0]["rate"], lines[0]["kind"], lines[0]["dataset"]) == ("0.1", "a b", "orders")
    assert lines[0]["command"].startswith("ml-pipeline run --from")
    assert as_csv(leaderboard([]), REPEAT) == "\n"


def test_markdown_has_a_table_for_each_group_with_links(board: Leaderboard) -> None:
    text = markdown(board, REPEAT, most=2)
    assert text.count("### dataset=") == 2
    rows = [line for line in text.splitlines() if line.startswith("| ")]
    assert len(rows) == 2 + 2 + 2 + 1
    assert len({line.count("|") for line in rows[:4]}) == 1
    assert re.search(r"\[open\]\(http://127\.0\.0\.1:3000/locations/[^)\s]+\) \|$", rows[2])
    assert text.endswith(CAUTION)


def test_markdown_is_text_whatever_results_hold() -> None:
    nasty = nasty_board()
    for line in markdown(nasty, REPEAT).splitlines():
        without_links = re.sub(r"\[open\]\([^)]*\)", "", line)
        assert "\x1b" not in line
        assert "<script" not in without_links.replace("\\<", "")
        assert "[y](z)" not in without_links
        assert "[x](javascript" not in without_links
        if line.startswith("|"):
            assert len(re.findall(r"(?<!\\)\|", line)) == len(table(nasty.groups[0])[0]) + 2


def test_csv_holds_no_formulas_and_every_value(board: Leaderboard) -> None:
    lines = list(csv.DictReader(io.StringIO(as_csv(nasty_board(), REPEAT))))
    assert [from_csv(line["kind"]) for line in lines] == [FORMULA, "plain", "b"]
    assert lines[0]["kind"] == f"'{FORMULA}"
    assert [line["rate"] for line in lines] == ["1", "2", "-3"]
    for line in lines:
        assert not [value for value in line.values() if value.startswith(("=", "@", "+"))]
