import csv
import io
import json
from pathlib import Path
from typing import Any, Literal

import pytest
from pydantic import Field

from ml_pipeline.errors import ParamsError
from ml_pipeline.leaderboard.board import Leaderboard
from ml_pipeline.leaderboard.groups import Group
from ml_pipeline.leaderboard.report import OWN_COLUMNS, Repeat, as_csv
from ml_pipeline.leaderboard.rows import Row
from ml_pipeline.params.group import ParamGroup
from ml_pipeline.params.model import ParamModel
from ml_pipeline.store.record import Objective
from ml_pipeline.sweeps.board import board_of
from ml_pipeline.sweeps.request import SweepRequest
from ml_pipeline.sweeps.rows import read_rows
from ml_pipeline_tests.toys.sweep_bench import Bench, asked
from ml_pipeline_tests.toys.sweeps import PARAMS, PIPELINE

ROWS = [{"learning_rate": 0.1, "depth": 2}, {"learning_rate": 0.2, "depth": 3}]

FILES = {
    "trials.csv": "learning_rate,depth\n0.1,2\n0.2,3\n",
    "bom.csv": "\ufefflearning_rate, depth\r\n 0.1 ,2\r\n\r\n0.2,3\r\n",
    "carriage.csv": "learning_rate,depth\r0.1,2\r0.2,3\r",
    "quoted.csv": '"learning_rate","depth"\n"0.1","2"\n"0.2","3"\n',
    "trials.json": json.dumps(ROWS),
    "named.json": json.dumps({"trials": ROWS}),
    "trials.yaml": "- {learning_rate: 1e-1, depth: 2}\n- learning_rate: 0.2\n  depth: 3\n",
    "named.yml": "trials:\n- {learning_rate: 0.1, depth: 2}\n- {learning_rate: 0.2, depth: 3}\n",
    "trials.toml": "[[trials]]\nlearning_rate = 0.1\ndepth = 2\n"
    "[[trials]]\nlearning_rate = 0.2\ndepth = 3\n",
    "grouped.yaml": "- fit: {learning_rate: 0.1, depth: 2}\n- {fit.learning_rate: 0.2, depth: 3}\n",
}


def written(folder: Path, name: str, text: str) -> Path:
    file = folder / name
    file.write_bytes(text.encode())
    return file


@pytest.mark.parametrize("name", list(FILES))
def test_read_rows_of_every_format_gives_the_same_trials(tmp_path: Path, name: str) -> None:
    rows = read_rows(written(tmp_path, name, FILES[name]), PARAMS)
    trials = asked(search={"trials": rows}).combinations.trials
    assert [dict(trial.varied) for trial in trials] == [
        {"fit.learning_rate": 0.1, "fit.depth": 2},
        {"fit.learning_rate": 0.2, "fit.depth": 3},
    ]
    assert [trial.params.origin("fit.depth") for trial in trials] == ["sweep", "sweep"]


def test_read_rows_of_a_csv_file_leaves_empty_cells_at_their_default(tmp_path: Path) -> None:
    text = 'depth,bias,weights,label\n1e1,none,"[1, 2]",\n,0.5,,"a,b"\n'
    trials = asked(
        search={"trials": read_rows(written(tmp_path, "t.csv", text), PARAMS)}
    ).combinations
    assert [trial.params.values(["fit"])["fit"] for trial in trials.trials] == [
        {
            "learning_rate": 0.1,
            "depth": depth,
            "bias": bias,
            "weights": weights,
            "fancy": False,
            "label": label,
            "act": "compute",
        }
        for depth, bias, weights, label in [(10, None, [1, 2], "v1"), (3, 0.5, [1], "a,b")]
    ]


@pytest.mark.parametrize(
    ("name", "text", "told"),
    [
        ("t.csv", "", "must have a line of names and at least one of values"),
        ("t.csv", "depth\n", "must have a line of names and at least one of values"),
        ("t.csv", "depth,depth\n1,2\n", "must name every column, and no two alike"),
        ("t.csv", "depth,\n1,2\n", "must name every column, and no two alike"),
        ("t.csv", "depth,rows\n1\n", "must have 2 values in each row, but row 2 has 1"),
        (
            "t.csv",
            "depth,rows\n1\n1,2\n1,2,3\n",
            "must have 2 values in each row, but row 2 has 1 (and 1 more are wrong)",
        ),
        (
            "t.csv",
            "dept,depth,rank,mean,x1,x2,x3,rows\n1,2,3,4,5,6,7,8\n",
            "has 'dept', 'rank', 'mean', 'x1', 'x2' and 1 more: keep depth, rows. Did you mean 'd",
        ),
        (
            "t.csv",
            "learning_rate;depth\n0,1;2\n",
            "must have 1 values in each row, but row 2 has 2",
        ),
        ("t.csv", "depth;rows\n1;2\n", "has 'depth;rows': keep those that are parameters"),
        ("t.csv", "a,b\n1,2\n", "keep those that are parameters"),
        ("t.csv", 'depth,label\n1,"a\n', "must be CSV with commas, but: unexpected end of data"),
        ("t.csv", f"label\n{'x' * 200_000}\n", "must be CSV with commas, but: field larger than"),
        ("t.csv", "rank,mean,metric,label\n1,2,loss,\n", "'label' is empty in row 2, which is no"),
        ("t.json", "{}", "must be a list of mappings, one for each trial"),
        ("t.json", "[1]", "must be a list of mappings, one for each trial"),
        ("t.json", "[]", "must list at least one trial, but is empty"),
        ("t.json", "[", "t.json"),
        ("t.txt", "depth", "t.txt"),
    ],
)
def test_read_rows_of_a_file_that_is_none_says_why(
    tmp_path: Path, name: str, text: str, told: str
) -> None:
    with pytest.raises(ParamsError) as caught:
        read_rows(written(tmp_path, name, text), PARAMS)
    assert told in str(caught.value)
    assert name in str(caught.value)


def test_read_rows_of_a_leaderboard_gives_the_trials_that_it_ranked(
    bench: Bench, tmp_path: Path
) -> None:
    labels = ["a,b", " a ", '"a"', "none", "=1+1", "it's", "[1..2]", "range(1,3)"]
    swept = bench.run(label=labels, bias="none,0.25", weights="[1,2.5]", fancy="true,false")
    board = board_of(swept, PIPELINE)
    text = as_csv(board, Repeat(lambda _params, _dates: "http://localhost"))
    columns = set(next(csv.reader(io.StringIO(text))))
    assert columns - {p.name for p in PARAMS.parameters()} == OWN_COLUMNS
    again = asked(search={"trials": read_rows(written(tmp_path, "board.csv", text), PARAMS)})
    assert again.combinations.duplicates == 0
    assert {trial.key for trial in again.combinations.trials} == {
        attempt.trial.key for attempt in swept.attempts
    }


class Mixed(ParamGroup):
    """Parameters that may be text or something else."""

    size: float | str = Field(1.0, description="a number or a word")
    sign: Literal["=", "-", 1, None] = Field(None, description="a sign")
    note: str | None = Field(None, description="any text")
    several: list[str] = Field([], description="some words")


def test_read_rows_of_a_leaderboard_reads_text_beside_other_kinds_as_it_was(
    tmp_path: Path,
) -> None:
    values: list[dict[str, Any]] = [
        {"size": "=1+1", "sign": "=", "note": "@a", "several": ["=1", "it's"]},
        {"size": "'=1", "sign": "-", "note": '"b"', "several": []},
        {"size": -2.5, "sign": 1, "note": "1,2", "several": ["[1]"]},
        {"size": "a,b", "sign": None, "note": None, "several": ["none"]},
    ]
    model = ParamModel(mixed=Mixed)
    rows = [
        Row("", {"mixed": mixed}, {}, {None: 1.0}, {None: None}, "minimize", flat=mixed)
        for mixed in values
    ]
    group = Group("model", Objective(metric="loss", direction="minimize"), {}, {}, [None], [], rows)
    text = as_csv(Leaderboard([group], {}), Repeat(lambda _params, _dates: ""))
    read = read_rows(written(tmp_path, "board.csv", text), model)
    request = SweepRequest.parse(model, {"search": {"trials": read}})
    trials = request.combinations.trials
    assert [trial.params.values()["mixed"] for trial in trials] == values


@pytest.mark.parametrize("name", ["t.csv", "t.json"])
def test_read_rows_of_a_file_that_is_not_there_says_so(tmp_path: Path, name: str) -> None:
    with pytest.raises(ParamsError, match=name):
        read_rows(tmp_path / name, PARAMS)


def test_read_rows_of_a_csv_file_that_is_no_text_says_so(tmp_path: Path) -> None:
    file = tmp_path / "t.csv"
    file.write_bytes(b"depth\n\xff\n")
    with pytest.raises(ParamsError, match="must be UTF-8 text"):
        read_rows(file, PARAMS)


@pytest.mark.parametrize(
    ("rows", "told"),
    [
        ([{"dept": 1}], "search.trials[0]: 'dept' does not exist. Did you mean 'depth'?"),
        (
            [{"depth": 1, "fit.depth": 2}],
            "search.trials[0]: fit.depth is set twice: give it one value",
        ),
        (
            [{"home": "a"}],
            "around.home cannot be swept: it does not change what is computed",
        ),
        ([3], "search.trials[0] must be a mapping of parameters, but got 3"),
        ([{"depth": 0}], "fit.depth must be integer >= 1 and <= 64, but got 0"),
    ],
)
def test_trials_that_cannot_be_read_are_refused(rows: list[Any], told: str) -> None:
    with pytest.raises(ParamsError) as caught:
        asked(search={"trials": rows})
    assert caught.value.problems == (told,)
