"""What commands look like in terminals of several widths, and in none."""

import json
import re

import pytest

from ml_pipeline_tests.cli.conftest import CommandLine
from ml_pipeline_tests.cli.terminal import seen

pytestmark = pytest.mark.long

WIDTHS = (80, 120, 200)
ID = re.compile(r"\b[0-9a-f]{16}\b")
DAY = "1998-05-31"


@pytest.fixture(scope="module")
def ids(used: CommandLine) -> set[str]:
    """Every id and revision of the run that there is."""
    (run,) = used("run", "--as-of", DAY, "--json").document["runs"]
    return {made[name] for made in run["artifacts"] for name in ("run_id", "revision")}


@pytest.mark.parametrize("width", WIDTHS)
def test_run_breaks_neither_ids_nor_dates_nor_numbers(
    used: CommandLine, ids: set[str], width: int
) -> None:
    (run,) = used("run", "--as-of", DAY, "--json").document["runs"]
    shown = seen(used.folder, width, "run", "--as-of", DAY)
    assert shown.code == 0
    assert set(ID.findall(shown.text)) == ids
    assert f"{run['metrics']['mape']:.4g}" in shown.text
    assert shown.text.count(DAY) >= 5
    assert max(map(len, shown.text.splitlines())) <= width
    assert "artifacts/" not in shown.text


@pytest.mark.parametrize("width", WIDTHS)
def test_run_shows_every_metric_or_names_it(used: CommandLine, width: int) -> None:
    (run,) = used("run", "--as-of", DAY, "--json").document["runs"]
    shown = seen(used.folder, width, "run", "--as-of", DAY).text
    assert all(name in shown for name in run["metrics"])
    assert ("No room for" in shown) == (width < 200)


@pytest.mark.parametrize("width", WIDTHS)
def test_run_shows_all_metrics_and_paths_on_request(used: CommandLine, width: int) -> None:
    (run,) = used("run", "--as-of", DAY, "--json").document["runs"]
    shown = seen(used.folder, width, "run", "--as-of", DAY, "--wide", "--paths").text
    assert all(f"{value:.4g}" in shown for value in run["metrics"].values())
    assert all(made["uri"] in shown for made in run["artifacts"])
    assert "No room for" not in shown


def test_run_shows_first_what_it_is_judged_by(used: CommandLine) -> None:
    header = next(
        line
        for line in seen(used.folder, 80, "run", "--as-of", DAY).text.splitlines()
        if line.startswith("as_of  ")
    )
    assert header.split()[:4] == ["as_of", "run", "id", "mape"]


@pytest.mark.parametrize("width", [20, *WIDTHS])
@pytest.mark.parametrize(
    "command",
    [
        ("runs", "list"),
        ("runs", "list", "--wide"),
        ("runs", "show", "162ad1ceb5bd28a1"),
        ("id", "--as-of", DAY),
        ("run", "--dry-run", "--as-of", DAY),
        ("why", "--as-of", DAY),
        ("params",),
        ("verify",),
        ("env", "check"),
        ("promotions",),
    ],
)
def test_commands_break_no_word_at_any_width(
    used: CommandLine, command: tuple[str, ...], width: int
) -> None:
    piped = used(*command)
    words = set(piped.out.split())
    shown = seen(used.folder, width, *command).text
    left_out = re.search(r"No room for (.*): --wide shows all\.", " ".join(shown.split()))
    if left_out is None:
        assert words <= set(shown.split())
    else:
        assert {word for word in words if ID.fullmatch(word)} <= set(shown.split())


def test_plan_of_many_dates_has_a_line_for_each_step_where_reasons_have_no_room(
    used: CommandLine,
) -> None:
    plan = ("run", "--dry-run", "--from", "1998-05-30", "--to", DAY)
    shown = seen(used.folder, 80, *plan).text
    rows = [line for line in shown.splitlines() if re.match(r"1998-05-3[01]  ", line)]
    assert len(rows) == 8
    assert "No room for because: --wide shows all." in shown
    assert "because  as_of 1998-05-31 -> 1998-05-30" in seen(used.folder, 80, *plan, "--wide").text


def test_output_in_a_pipe_is_plain_and_whole(used: CommandLine) -> None:
    (run,) = used("run", "--as-of", DAY, "--json").document["runs"]
    piped = used("run", "--as-of", DAY).out
    assert "\x1b" not in piped
    assert all(made["uri"] in piped for made in run["artifacts"])
    assert all(name in piped for name in run["metrics"])
    assert all(line == line.rstrip() for line in piped.splitlines())
    rows = [line for line in piped.splitlines() if line.startswith(DAY)]
    assert len(rows) == 1 + len(run["artifacts"])


def test_output_in_a_terminal_has_colours_and_in_a_pipe_none(used: CommandLine) -> None:
    assert "\x1b[2mreused" in seen(used.folder, 120, "run", "--as-of", DAY).raw
    assert "\x1b[31mError" in seen(used.folder, 120, "run", "-p", "max_depth=0").raw
    assert "\x1b" not in used("run", "-p", "max_depth=0").err


@pytest.mark.parametrize(
    "command",
    [
        ("run", "-p", "\x1b[31mred=1"),
        ("run", "-p", "dataset=\x1b]0;title\x07"),
        ("run", "--select", "\x1b[2J"),
        ("run", "--params-file", "\x1b[31m.yaml"),
        ("run", "--as-of", "\x1b[31m"),
        ("run", "--like", "\x1b[31m"),
        ("runs", "show", "\x1b[31m"),
        ("promote", "\x1b[31m", "--to", "\x1b[31m"),
        ("\x1b[31m",),
        ("run", "--\x1b[31m"),
        ("gc", "--older-than", "\x1b[31m"),
    ],
)
def test_text_that_is_refused_does_not_act_upon_the_terminal(
    used: CommandLine, command: tuple[str, ...]
) -> None:
    done = used(*command)
    assert done.code == 2
    assert "\x1b" not in done.err + done.out
    assert "\x07" not in done.err + done.out
    assert "x1b" in done.err + done.out or "u001b" in done.err + done.out


def test_text_that_is_kept_does_not_act_upon_the_terminal(cli: CommandLine) -> None:
    (cli.folder / ".ml_pipeline").mkdir()
    made = cli("run", "--as-of", DAY, "-p", "max_iter=2", "--json")
    run_id = made.document["runs"][0]["run_id"]
    note = "\x1b[31mred\x1b[0m\x1b]0;title\x07\nnext line"
    assert cli("promote", run_id, "--to", "staging", "--note", note).code == 0
    for width in WIDTHS:
        raw = seen(cli.folder, width, "promotions", "--wide").raw
        assert "\x1b[31mred" not in raw
        assert "\x07" not in raw
        assert "next line" in raw
    assert json.loads(cli("promotions", "--json").out)["promotions"][0]["note"] == note


def test_environment_that_is_begun_is_completed(used: CommandLine) -> None:
    done = used("promote", "162ad1ceb5bd28a1", "--to", "prod")
    assert done.code == 2
    assert "Did you mean 'production'?" in done.err
