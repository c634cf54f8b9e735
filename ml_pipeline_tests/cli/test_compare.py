"""`compare`, between two environments of real runs."""

import math
from pathlib import Path

import pytest

from ml_pipeline_tests.cli.conftest import CommandLine

pytestmark = pytest.mark.long

SETTINGS = """
environment = "blue"
writable = ["blue", "green"]

[environments.blue]
store = "blue"
params = { training = { max_iter = 20 }, data = { history_days = 300 } }

[environments.green]
inherits = "blue"
store = "green"
params = { training = { learning_rate = 0.3 } }
"""
DAYS = [f"1998-05-{day}" for day in range(22, 29)]


@pytest.fixture(scope="module")
def line(tmp_path_factory: pytest.TempPathFactory) -> CommandLine:
    """A home with two environments, each run as it stands over seven dates, six of them shared."""
    folder = tmp_path_factory.mktemp("two")
    (folder / ".ml_pipeline").mkdir()
    (folder / ".ml_pipeline" / "settings.toml").write_text(SETTINGS)
    line = CommandLine(folder)
    for name, first, last in (("blue", 21, 27), ("green", 22, 28)):
        dates = ("--from", f"1998-05-{first}", "--to", f"1998-05-{last}")
        done = line("run", *dates, "--environment", name)
        assert done.code == 0, done.err
    return line


def test_compare_sets_environments_side_by_side_and_computes_nothing(line: CommandLine) -> None:
    before = sorted(map(str, line.folder.rglob("record.json")))
    found = line("compare", "blue", "green", "--json").document
    assert found["dates"] == DAYS[:-1]
    assert found["parameters"] == {"learning_rate": [0.1, 0.3]}
    assert found["code"] == {}
    assert (found["metric"], found["direction"], found["baseline"]) == (
        "mape",
        "minimize",
        "naive_mape",
    )
    for side, rate in (("left", 0.1), ("right", 0.3)):
        assert found[side]["params"]["training"]["learning_rate"] == rate
        run = f"{found[side]['run_ids'][DAYS[2]]}@{found[side]['side']}"
        shown = line("runs", "show", run, "--json").document
        assert shown["metrics"]["mape"] == found["values"][2][side]
    differences = [row["right"] - row["left"] for row in found["values"]]
    assert [row["difference"] for row in found["values"]] == differences
    (first, *_) = found["metrics"]
    assert first["difference"] == pytest.approx(math.fsum(differences) / 6, abs=1e-15)
    assert first["right_better_at"] == sum(one < 0 for one in differences)
    assert found["p_value"] == first["p_value"] is not None
    assert found["left_out"] == {
        "green has no result": ["1998-05-21"],
        "blue has no result": ["1998-05-28"],
    }
    told = line("compare", "blue", "green")
    assert told.code == 0, told.err
    assert told.out.startswith(found["verdict"])
    assert "Left out: blue has no result at 1998-05-28." in told.out
    assert sorted(map(str, line.folder.rglob("record.json"))) == before


def test_compare_names_the_command_that_makes_what_is_missing(line: CommandLine) -> None:
    range_ = ("--from", DAYS[0])
    (missing,) = line("compare", "blue", "green", *range_, "--json").document["missing"]
    assert (missing["side"], missing["dates"]) == ("left", [DAYS[-1]])
    done = line(*missing["command"].split()[1:])
    assert done.code == 0, done.err
    again = line("compare", "blue", "green", *range_, "--json").document
    assert (again["dates"], again["missing"]) == (DAYS, [])


def test_compare_asks_what_a_promotion_would(line: CommandLine) -> None:
    sides = ("compare", "green", "blue", "--to", DAYS[-2])
    passed = line(*sides, "--gate", "mape <= 0.9", "--gate", "mape within 50%", "--min-dates", "6")
    assert passed.code == 0, passed.err
    assert "\nThe candidate passes: mape 0." in passed.out
    failed = line(*sides, "--gate", "mape <= 0.01", "--json")
    assert failed.code == 1
    assert failed.document["gate"]["figures"][0]["verdict"] == "failed"
    refused = line(*sides, "--gate", "mape >= 0.01")
    assert refused.code == 2
    assert "'mape >= 0.01' must not refuse what is better" in refused.err


def test_compare_writes_a_page(line: CommandLine, tmp_path: Path) -> None:
    done = line("compare", "blue", "green", "--html", str(tmp_path / "page.html"))
    assert done.code == 0, done.err
    page = (tmp_path / "page.html").read_text()
    assert page.count("<svg") == 2
    shown = line("compare", "blue", "green", "--html", "-")
    assert shown.out.startswith("<!doctype html>")
    assert shown.out.count("<table>") == page.count("<table>") == 3


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (("blue", "blue"), "the two sides must differ, but both are 'blue'"),
        (("blue", "grean"), "right: a side must be an environment, @ENVIRONMENT, a run id"),
        (("blue", "learning_rate=0.1"), "blue and learning_rate=0.1 are one parameter set in one"),
        (("learning_rate=7", "blue", "-p", "max_depth=0"), "left: training.learning_rate must be"),
        (("blue", "learning_rate=0.7"), "learning_rate=0.7 has no result at"),
        (("blue", "green", "--metric", "mapee:minimize"), "Did you mean 'mape'?"),
        (("blue", "green", "-p", "force=true"), "run.force changes no result: leave it out"),
        (("blue", "@green"), "A run must have been promoted to 'green', but there is none"),
        (("blue", "green", "--from", DAYS[2], "--to", DAYS[1]), "the first date must not be after"),
    ],
)
def test_compare_of_what_cannot_be_compared_is_refused(
    line: CommandLine, arguments: tuple[str, ...], problem: str
) -> None:
    done = line("compare", *arguments)
    assert problem in done.err
    assert (done.code, done.out) == (1 if "promoted" in problem else 2, "")
