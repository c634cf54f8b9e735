"""`sweep`: what it prints, what it refuses, and what its exit code says."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from ml_pipeline_tests.cli.conftest import CommandLine
from ml_pipeline_tests.toys.sweep_bench import group_of, until

pytestmark = pytest.mark.long

DAY = ("--as-of", "1998-05-31")
QUICK = ("-p", "estimator=linear")
GRID = (*QUICK, "-p", "regularization=0.1,1,10")


def values(document: Any, name: str) -> list[Any]:
    return [trial["varied"][name] for trial in document["trials"]]


def test_sweep_json_is_the_only_output_and_run_finds_what_it_made(used: CommandLine) -> None:
    done = used("sweep", *GRID, "--from", "1998-05-30", "--to", "1998-05-31", "--json")
    assert done.code == 0, done.err
    document = done.document
    assert document["plan"]["sentence"].startswith("3 combinations x 2 dates: 0 reused, 6 to run")
    assert f"{document['plan']['sentence']}." in done.err
    assert document["dates"] == ["1998-05-30", "1998-05-31"]
    assert document["stopped"] is None
    assert values(document, "training.regularization") == [0.1, 1.0, 10.0]
    for trial in document["trials"]:
        cells = trial["cells"]
        assert [cell["as_of"] for cell in cells] == document["dates"]
        assert all(cell["error"] is None and not cell["reused"] for cell in cells)
        mape = [cell["metrics"]["mape"] for cell in cells]
        assert trial["value"] == pytest.approx(sum(mape) / 2, rel=1e-12)
    run = used("run", *DAY, *QUICK, "-p", "regularization=10", "--json").document["runs"][0]
    assert [made["reused"] for made in run["artifacts"]] == [True] * 4
    assert run["artifacts"][-1]["run_id"] == document["trials"][2]["cells"][1]["run_id"]

    again = used("sweep", *GRID, "--from", "1998-05-30", "--to", "1998-05-31", "--json")
    assert again.code == 0, again.err
    assert again.document["plan"]["sentence"] == ("3 combinations x 2 dates: 6 reused, 0 to run")
    same = [trial["value"] for trial in document["trials"]]
    assert [trial["value"] for trial in again.document["trials"]] == same


def test_sweep_table_ranks_what_was_tried(used: CommandLine) -> None:
    done = used("sweep", *DAY, *QUICK, "-p", "regularization=0.5,1e6")
    assert done.code == 0, done.err
    assert done.out.index("0.5") < done.out.index("1e+06")
    assert "2 combinations x 1 date" in done.err
    assert "mape" in done.out


def test_sweep_of_trials_in_a_file(used: CommandLine) -> None:
    (used.folder / "trials.csv").write_text("regularization,lookback_days\n2,14\n2.0,1.4e1\n3,\n")
    done = used("sweep", *DAY, *QUICK, "--trials", "trials.csv", "--json")
    assert done.code == 0, done.err
    assert done.document["plan"]["duplicates"] == 1
    assert [trial["varied"] for trial in done.document["trials"]] == [
        {"training.regularization": 2.0, "features.lookback_days": 14},
        {"training.regularization": 3.0},
    ]


def test_sweep_takes_the_file_that_a_leaderboard_wrote(used: CommandLine) -> None:
    done = used("sweep", *DAY, *QUICK, "-p", "regularization=3,4,5")
    assert done.code == 0, done.err
    board = used("leaderboard", "--dataset", "orders", "--csv", "board.csv")
    assert board.code == 0, board.err
    again = used("sweep", "--plan", *DAY, "--trials", "board.csv", "--json")
    assert again.code == 0, again.err
    plan = again.document
    assert plan["combinations"] >= 3
    assert (plan["reused"], plan["to_run"]) == (plan["combinations"] - plan["duplicates"], 0)


def test_sweep_by_interval_with_steps_finds_the_runs_of_typed_values(used: CommandLine) -> None:
    steps = ("-p", "regularization=[0.1..0.4 step 0.1]", "--strategy", "random", "--n-trials", "4")
    done = used("sweep", *DAY, *QUICK, *steps, "--json")
    assert done.code == 0, done.err
    assert sorted(values(done.document, "training.regularization")) == [0.1, 0.2, 0.3, 0.4]
    typed = used("sweep", "--plan", *DAY, *QUICK, "-p", "regularization=range(0.1,0.5,0.1)")
    assert "4 combinations x 1 date: 4 reused, 0 to run" in typed.out


def test_sweep_by_search_goes_on_where_it_was(used: CommandLine) -> None:
    space = (*DAY, *QUICK, "-p", "regularization=log[1e-2..1e3]", "--json", "--n-trials")
    first = used("sweep", *space, "3")
    assert first.code == 0, first.err
    longer = used("sweep", *space, "5")
    assert longer.code == 0, longer.err
    assert longer.document["plan"]["sentence"].startswith(
        "5 trials by tpe x 1 date: 3 reused, at most 2 to run"
    )
    name = "training.regularization"
    assert values(longer.document, name)[:3] == values(first.document, name)
    study = used.folder / ".ml_pipeline" / "studies" / f"{longer.document['study']}.log"
    assert study.is_file()


def test_sweep_with_a_failing_trial_lists_it_and_exits_1(used: CommandLine) -> None:
    done = used("sweep", *DAY, *QUICK, "-p", "holdout_days=56,3000", "--json")
    assert done.code == 1
    first, second = done.document["trials"]
    assert (first["state"], second["state"]) == ("complete", "failed")
    (cell,) = second["cells"]
    assert f"trial 1 at 1998-05-31 failed: {cell['error']}" in done.err
    assert "Traceback" not in done.err


def test_sweep_whose_trials_all_fail_says_why(used: CommandLine) -> None:
    done = used("sweep", *DAY, *QUICK, "-p", "holdout_days=2900,3000", "--json")
    assert done.code == 1
    assert "Traceback" not in done.err
    assert "days" in done.err


def test_sweep_plan_runs_and_writes_nothing(cli: CommandLine) -> None:
    typed = ("-p", "max_depth=0,1,2,3", "-p", "learning_rate=0.3,0.30", *DAY, "--skip-invalid")
    done = cli("sweep", *typed, "--plan")
    assert done.code == 0, done.err
    assert done.out.startswith(
        "8 combinations x 1 date: 0 reused, 3 duplicates dropped, 2 invalid (training.max_depth"
        " must be integer >= 1 and <= 32, but got '0'), 3 to run, no earlier run to estimate the"
    )
    home = cli.folder / ".ml_pipeline"
    assert not [file for file in home.rglob("*") if file.is_file() and "cache" not in file.parts]
    document = cli("sweep", *typed, "--plan", "--json").document
    assert (document["to_run"], document["invalid"], document["duplicates"]) == (3, 2, 3)


REFUSED = """\
Error: 5 problems with the parameters:
  - as_of must be a day from 1997-01-01 to 1998-06-30, but got 2031-01-01; \
ML_PIPELINE_START_DATE and ML_PIPELINE_END_DATE set the calendar
  - search.workers must be integer >= 1 and <= 1024 or none, but got 0
  - training.learning_rate=log[0..1]: a logarithmic scale starts above 0, but got low=0
  - training.max_depth=rnge(2,7): 'rnge' is no way to give values. Did you mean 'range'? There are \
choice, range, linspace, log; text with brackets that is meant as it stands goes in quotes: \
"rnge(2,7)"
  - features.lookback_days must be integer >= 7 and <= 365, but got '3'
Nothing was launched. `ml-pipeline params` lists every parameter with its type and bounds.
"""


def test_sweep_that_is_refused_says_all_that_is_wrong_and_exits_2(cli: CommandLine) -> None:
    typed = (
        *("--as-of", "2031-01-01", "--workers", "0", "-p", "lookback_days=3"),
        *("-p", "learning_rate=log[0..1]", "-p", "max_depth=rnge(2,7)"),
    )
    done = cli("sweep", *typed)
    assert (done.code, done.out) == (2, "")
    assert done.err == REFUSED
    assert not (cli.folder / ".ml_pipeline").exists()


@pytest.mark.parametrize(
    ("typed", "told"),
    [
        (
            ("-p", "max_depth=range(1,33)", "-p", "seed=range(0,99)"),
            (
                "a sweep may have at most 1000 combinations, but this one has 3168"
                " (training.max_depth 32 x training.seed 99)"
            ),
        ),
        (("-p", "dataset=orders,customers", "--strategy", "tpe"), "a search needs one objective"),
        (("--trials", "none.csv"), "none.csv cannot be read"),
        (("-p", "learning_rate=range(-1e308,1e308)"), "must have at most 100,000 values"),
        (("-p", "learning_rate=range(0,1e12)"), "must have at most 100,000 values"),
        (("-p", "learning_rate=linspace(0,1,1e9)"), "the number of values must be an integer"),
        (("-p", f"learning_rate=[{'1' * 65_000}"), "] is missing at the end"),
        (("-p", "max_depth=linspace(2,5,3)"), "the values must be integers, as the parameter is"),
        (("-p", "max_depth=2,3", "--n-trials", "20"), "search.n_trials has no effect where"),
        (("-p", "max_depth=2,3", "--study", "mine"), "search.study has no effect where every"),
        (("-p", "max_depth=2,3", "--direction", "minimize"), "direction has no effect without"),
        (("-p", "max_depth=[2..9]", "--max-trials", "9"), "max_trials has no effect on a search"),
        (("-p", "max_depth=[2..9]", "--pruner", "median"), "has no effect on one date"),
        (("--timeout", "soon"), "an age is a number and one of s, m, h, d, w"),
    ],
)
def test_sweep_that_cannot_be_run_is_refused(
    cli: CommandLine, typed: tuple[str, ...], told: str
) -> None:
    done = cli("sweep", *DAY, *typed)
    assert (done.code, done.out) == (2, "")
    assert told in done.err
    assert "Traceback" not in done.err
    assert not (cli.folder / ".ml_pipeline").exists()


def test_sweep_stopped_by_ctrl_c_leaves_nobody_and_goes_on(cli: CommandLine) -> None:
    typed = ["sweep", "-p", "max_depth=1,2", "-p", "seed=range(0,20)", "-p", "max_iter=60", *DAY]
    inherited = {k: v for k, v in os.environ.items() if not k.startswith("ML_PIPELINE_")}
    with subprocess.Popen(
        [str(Path(sys.executable).parent / "ml-pipeline"), *typed],
        cwd=cli.folder,
        env=inherited,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    ) as process:
        records = "evaluation/**/record.json"
        until(lambda: len(list(cli.artifacts.glob(records))) >= 3, "some results", 120)
        # As a terminal does: everybody gets it.
        os.killpg(process.pid, signal.SIGINT)
        began = time.monotonic()
        out, err = process.communicate(timeout=60)
        assert process.returncode == 130, err
        assert time.monotonic() - began < 20
        assert out == ""
        assert "results are done and stay; the same command goes on from there." in err
        assert "Traceback" not in err
        assert group_of(process.pid) == []
    done = len(list(cli.artifacts.glob(records)))
    assert 3 <= done < 40
    began = time.monotonic()
    again = cli(*typed, "--json")
    assert again.code == 0, again.err
    assert again.document["plan"]["reused"] == done
    assert len(again.document["trials"]) == 40
    assert len(list(cli.artifacts.glob(records))) == 40
