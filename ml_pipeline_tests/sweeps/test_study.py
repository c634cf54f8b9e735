"""The study of a sweep: what it keeps, and what becomes of it when it is broken."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import optuna
import pytest
from pydantic import Field

from ml_pipeline.errors import ParamsError, StoreUnreachable
from ml_pipeline.params.group import ParamGroup
from ml_pipeline.params.model import ParamModel
from ml_pipeline.store.owner import token
from ml_pipeline.store.record import Objective
from ml_pipeline.sweeps.request import SweepRequest
from ml_pipeline.sweeps.study import Study
from ml_pipeline.sweeps.study_storage import exists
from ml_pipeline_tests.toys.sweep_bench import Bench, asked, outcome

pytestmark = pytest.mark.long

LOSS = Objective(metric="loss", direction="minimize")
SPACES = {"learning_rate": "log[1e-3..1]", "depth": "[1..9]", "label": '"[a",{b'}


def study_of(storage: object, basis: dict[str, Any] | None = None, **values: Any) -> Study:
    spaces = {"search": {"strategy": "tpe"}, **(values or {**SPACES, "label": '"[a","b"'})}
    return Study(asked(**spaces), LOSS, "mine", str(storage), basis or {"dates": [1]})


def opened(file: Path) -> optuna.Study:
    """Open a study file as Optuna's own tools do."""
    backend = optuna.storages.journal.JournalFileBackend(str(file))
    storage = optuna.storages.JournalStorage(backend)
    (name,) = optuna.study.get_all_study_names(storage)
    return optuna.load_study(study_name=name, storage=storage)


# What a study keeps


def test_study_of_a_search_opens_with_optuna(bench: Bench) -> None:
    swept = bench.run(learning_rate="log[1e-3..1]", depth="[1..9]", search={"n_trials": 6})
    study = opened(bench.study_file(swept))
    assert study.study_name == swept.study
    assert study.direction == optuna.study.StudyDirection.MINIMIZE
    assert [trial.value for trial in study.trials] == [one.value for one in swept.attempts]
    assert [trial.params for trial in study.trials] == [
        dict(one.trial.varied) for one in swept.attempts
    ]
    assert swept.best is not None
    assert study.best_trial.number == swept.best.trial.number


def test_study_of_a_grid_opens_with_optuna_and_takes_each_trial_once(bench: Bench) -> None:
    swept = bench.run(depth="1,2", bias="none,0.5")
    study = opened(bench.study_file(swept))
    assert {trial.value for trial in study.trials} == {one.value for one in swept.attempts}
    again = bench.run(depth="2,1", bias="0.5,none")
    assert again.study == swept.study
    assert len(opened(bench.study_file(again)).trials) == 4
    assert bench.run(depth="1,2,5", bias="none,0.5").study != swept.study


def test_study_of_listed_trials_opens_with_optuna(bench: Bench) -> None:
    rows = [{"depth": 1}, {"learning_rate": 0.2}, {"depth": 2, "weights": [1, 2]}]
    swept = bench.run(search={"trials": rows})
    study = opened(bench.study_file(swept))
    assert [trial.params for trial in study.trials] == [
        {"fit.depth": 1},
        {"fit.learning_rate": 0.2},
        {"fit.depth": 2, "fit.weights": "[1.0, 2.0]"},
    ]


def test_study_in_a_database(bench: Bench, tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/studies.db"
    values = {"depth": "[1..9]", "search": {"n_trials": 4}}
    assert bench.sweep(studies=url, **values).plan().to_run == 4
    swept = bench.sweep(studies=url, **values).run()
    assert exists(swept.study, url)
    assert not exists("another", url)
    bench.calls()
    longer = bench.sweep(studies=url, depth="[1..9]", search={"n_trials": 6}).run()
    assert outcome(longer)[:4] == outcome(swept)
    assert len([call for call in bench.calls() if call.startswith("model")]) == 2
    grid = bench.sweep(studies=url, depth="1,2").run()
    assert exists(grid.study, url)
    assert not bench.studies.exists()


# Proposals


@pytest.mark.parametrize("strategy", ["random", "tpe", "qmc", "nsga2"])
def test_ask_depends_on_seed_and_number_and_not_on_restarts(tmp_path: Path, strategy: str) -> None:
    def proposals(folder: str, seed: int, restart: bool) -> list[Any]:
        values = {
            "learning_rate": "log[1e-3..1]",
            "depth": "[1..9]",
            "fancy": "true,false",
            "search": {"strategy": strategy, "sampler_seed": seed},
        }
        study = study_of(tmp_path / folder, **values)
        found = []
        for place in range(14):
            if restart:
                study = study_of(tmp_path / folder, **values)
            number, varied = study.ask()
            assert number == place
            study.begin(number, str(number))
            study.tell(number, float(varied["fit.learning_rate"]))
            found.append(varied)
        return found

    straight = proposals("a", 1, restart=False)
    assert proposals("b", 1, restart=True) == straight
    assert proposals("c", 2, restart=False) != straight
    assert len({json.dumps(varied) for varied in straight}) > 10


def test_ask_reads_values_back_as_they_were_given(tmp_path: Path) -> None:
    spaces = {
        "label": '"[a","{b","c"',
        "weights": "[],[1],[1,2]",
        "bias": "none,0.5",
        "fancy": "true,false",
    }
    study = study_of(tmp_path, **spaces)
    seen: dict[str, set[str]] = {}
    for _ in range(40):
        number, varied = study.ask()
        study.tell(number, None, "failed")
        for name, value in varied.items():
            seen.setdefault(name, set()).add(json.dumps(value))
    assert seen == {
        "fit.label": {'"[a"', '"{b"', '"c"'},
        "fit.weights": {"[]", "[1.0]", "[1.0, 2.0]"},
        "fit.bias": {"null", "0.5"},
        "fit.fancy": {"true", "false"},
    }


@pytest.mark.parametrize("strategy", ["random", "tpe", "qmc", "nsga2"])
def test_ask_of_an_interval_with_steps_proposes_what_one_types(
    tmp_path: Path, strategy: str
) -> None:
    study = study_of(
        tmp_path,
        learning_rate="[0.1..0.7 step 0.1]",
        depth="[1..9 step 4]",
        search={"strategy": strategy},
    )
    seen = []
    for _ in range(40):
        number, varied = study.ask()
        study.tell(number, float(varied["fit.learning_rate"]))
        seen.append(varied)
    assert {varied["fit.depth"] for varied in seen} == {1, 5, 9}
    assert {varied["fit.learning_rate"] for varied in seen} == {0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7}
    told = [trial.params for trial in opened(tmp_path / "mine.log").trials]
    assert told == seen


def test_study_with_steps_reads_what_floating_point_left_in_it(tmp_path: Path) -> None:
    spaces: dict[str, Any] = {"learning_rate": "[0.1..0.7 step 0.1]", "search": {"n_trials": 9}}
    study_of(tmp_path, **spaces)
    step = optuna.distributions.FloatDistribution(0.1, 0.7, step=0.1)
    opened(tmp_path / "mine.log").add_trial(
        optuna.trial.create_trial(
            params={"fit.learning_rate": 0.1 + 2 * 0.1},
            distributions={"fit.learning_rate": step},
            value=1.0,
        )
    )
    (earlier,) = study_of(tmp_path, **spaces).earlier()
    assert earlier.trial.varied == {"fit.learning_rate": 0.3}


class Mixed(ParamGroup):
    """A parameter that takes truth values, integers and other numbers."""

    gate: bool | int | float = Field(False, description="any of them")


def test_choices_that_are_equal_and_of_other_types_stay_apart(tmp_path: Path) -> None:
    model = ParamModel(mixed=Mixed)
    values = {"mixed": {"gate": [True, 1, 1.0]}}
    grid = SweepRequest.parse(model, values)
    assert [repr(trial.varied["mixed.gate"]) for trial in grid.combinations.trials] == [
        "True",
        "1",
        "1.0",
    ]
    assert grid.combinations.duplicates == 0
    search = SweepRequest.parse(model, {**values, "search": {"strategy": "random"}})
    assert search.size == 3
    study = Study(search, LOSS, "mine", str(tmp_path), {})
    seen = {repr(study.ask()[1]["mixed.gate"]) for _ in range(30)}
    assert seen == {"True", "1", "1.0"}
    study.add(grid.combinations.trials[1], 0.5)
    assert [repr(one.trial.varied["mixed.gate"]) for one in study.earlier()] == ["1"]


# What an earlier sweep left


def test_earlier_tells_states_and_takes_up_what_nobody_works_on(tmp_path: Path) -> None:
    study = study_of(tmp_path)
    numbers = [study.ask()[0] for _ in range(7)]
    for number in numbers:
        study.begin(number, f"key {number}")
    study.tell(0, 1.5)
    study.tell(1, None, "failed")
    study.tell(2, None, "pruned")
    study.tell(3, None, "duplicate")
    study.tell(4, None, "invalid")
    study.leave(5)
    again = study_of(tmp_path)
    assert {one.number: one.state for one in again.earlier()} == {
        0: "complete",
        1: "failed",
        2: "pruned",
        5: "running",
    }
    assert again.tried() == {f"key {number}" for number in (0, 1, 2, 5, 6)}
    assert again.is_over(1)
    assert not again.is_over(6)


def test_earlier_takes_up_what_a_dead_process_left(
    tmp_path: Path, run_python: Callable[..., str]
) -> None:
    code = (
        "import sys\n"
        "from ml_pipeline_tests.sweeps.test_study import study_of\n"
        "study = study_of(sys.argv[1])\n"
        "number, _ = study.ask()\n"
        "study.begin(number, 'key')\n"
    )
    run_python(code, str(tmp_path))
    study = study_of(tmp_path)
    (left,) = study.earlier()
    assert left.state == "running"
    study.begin(left.number, left.trial.key)
    assert list(study_of(tmp_path).earlier()) == [], "now it is ours"
    assert token() in (tmp_path / "mine.log").read_text()


# Studies of something else


def test_study_of_another_sweep_is_refused_with_what_differs(tmp_path: Path) -> None:
    study_of(tmp_path, {"dates": [1], "code": ["a"]}).ask()
    study_of(tmp_path, {"dates": [1], "code": ["a"]})
    for basis, spaces, parts in (
        ({"dates": [2], "code": ["a"]}, {}, "dates"),
        ({"dates": [2], "code": ["b"]}, {}, "dates and code"),
        ({"dates": [1], "code": ["a"]}, {"depth": "[1..9]"}, "parameters"),
        ({"dates": [1], "code": ["a"]}, {**SPACES, "label": '"[a","c"'}, "parameters"),
    ):
        with pytest.raises(ParamsError) as caught:
            study_of(tmp_path, basis, **spaces)
        (problem,) = caught.value.problems
        assert problem == (
            f"search.study must name a study of the same {parts}, since its trials are compared"
            " with each other, but mine is of other ones: choose another name, or leave it out"
        )


def test_study_that_somebody_else_made_is_refused_unless_it_is_empty(tmp_path: Path) -> None:
    backend = optuna.storages.journal.JournalFileBackend(str(tmp_path / "mine.log"))
    storage = optuna.storages.JournalStorage(backend)
    theirs = optuna.create_study(study_name="mine", storage=storage)
    theirs.ask({"x": optuna.distributions.FloatDistribution(0, 1)})
    with pytest.raises(ParamsError, match="is of other ones"):
        study_of(tmp_path)
    optuna.delete_study(study_name="mine", storage=storage)
    optuna.create_study(study_name="mine", storage=storage)
    assert study_of(tmp_path).tried() == set()


# Broken storage


def cut(file: Path) -> None:
    file.write_bytes(file.read_bytes()[:-7])


def cut_and_continued(file: Path) -> None:
    cut(file)
    with file.open("ab") as log:
        log.write(b'{"op_code":1}\n{"op_code":1}\n')


def scribbled(file: Path) -> None:
    lines = file.read_bytes().splitlines(keepends=True)
    lines[3] = b"\xff\x00 no JSON\n"
    file.write_bytes(b"".join(lines))


def other_json(file: Path) -> None:
    lines = file.read_bytes().splitlines(keepends=True)
    lines[2] = b'{"op_code": 4, "worker_id": "x"}\n'
    file.write_bytes(b"".join(lines))


def beheaded(file: Path) -> None:
    file.write_bytes(b"".join(file.read_bytes().splitlines(keepends=True)[4:]))


def noise(file: Path) -> None:
    file.write_bytes(os.urandom(5000) + b"\n")


@pytest.mark.parametrize("damage", [cut, cut_and_continued, scribbled, other_json, noise])
def test_study_file_that_is_damaged_is_put_aside_and_made_again(
    bench: Bench, damage: Callable[[Path], None], caplog: Any
) -> None:
    values: dict[str, Any] = {"learning_rate": "[0.1..1]", "search": {"n_trials": 5}}
    first = bench.run(**values)
    file = bench.study_file(first)
    damage(file)
    broken = file.read_bytes()
    bench.calls()
    second = bench.run(**values)
    assert outcome(second) == outcome(first)
    assert bench.calls() == [], "nothing is computed again"
    (aside,) = bench.studies.glob("*.damaged-*")
    assert aside.read_bytes() == broken
    assert f"was put aside as {aside.name}" in caplog.text
    assert len(opened(file).trials) == 5


def emptied(file: Path) -> None:
    file.write_bytes(b"")


@pytest.mark.parametrize("damage", [emptied, Path.unlink, beheaded])
def test_study_file_without_a_study_gets_it_again(
    bench: Bench, damage: Callable[[Path], None]
) -> None:
    values: dict[str, Any] = {"learning_rate": "[0.1..1]", "search": {"n_trials": 5}}
    first = bench.run(**values)
    damage(bench.study_file(first))
    bench.calls()
    assert outcome(bench.run(**values)) == outcome(first)
    assert bench.calls() == []


def test_study_whose_lock_was_held_by_a_process_that_was_killed_is_used_at_once(
    tmp_path: Path,
) -> None:
    code = (
        "import os, signal, sys\n"
        "from ml_pipeline_tests.sweeps.test_study import study_of\n"
        "study = study_of(sys.argv[1])\n"
        "study._study._storage._backend._lock.acquire()\n"
        "os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    done = subprocess.run([sys.executable, "-c", code, str(tmp_path)], check=False)
    assert done.returncode == -9
    began = time.monotonic()
    study_of(tmp_path).ask()
    assert time.monotonic() - began < 3


def test_studies_that_cannot_be_reached_are_one_error(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    for storage in (
        tmp_path / "file",
        "sqlite:////nowhere/at/all.db",
        "nonsense://x",
        f"sqlite:///{Path(__file__)}",
    ):
        with pytest.raises(StoreUnreachable) as caught:
            study_of(storage)
        assert str(caught.value).startswith(
            f"The studies must be readable and writable in {storage}, but are not: "
        )
        assert str(caught.value).endswith(" studies of the code location, names another place.")


def test_study_warns_of_nothing(tmp_path: Path) -> None:
    code = (
        "import sys, warnings\n"
        "warnings.simplefilter('error')\n"
        "from ml_pipeline_tests.sweeps.test_study import study_of\n"
        "for strategy in ('tpe', 'random', 'qmc', 'nsga2'):\n"
        "    for pruner in ('none', 'median', 'successive_halving', 'hyperband'):\n"
        "        search = {'strategy': strategy, 'pruner': pruner}\n"
        "        study = study_of(f'{sys.argv[1]}/{strategy}-{pruner}', depth='[1..9]',"
        " learning_rate='[0.1..1 step 0.4]', search=search)\n"
        "        number, _ = study.ask()\n"
        "        study.begin(number, 'key').report(0.5, 1)\n"
        "        study.tell(number, 0.5)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path)], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
