"""Who knows another command line is told what to type on this one."""

from pathlib import Path

import click
import pytest

from ml_pipeline.cli.main import commands
from ml_pipeline.cli.project import project
from ml_pipeline.cli.request import Asked
from ml_pipeline.cli.search import Searched, asked_sweep
from ml_pipeline.errors import ParamsError
from ml_pipeline.settings import settings

SWEEP = "; several values are for `ml-pipeline sweep`"


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ML_PIPELINE_HOME", str(tmp_path))
    settings.cache_clear()
    project.cache_clear()


@pytest.mark.parametrize(
    ("command", "got", "name"),
    [
        (("run", "learning_rate=0.123"), "learning_rate", "learning_rate"),
        (("run", "--learning_rate", "0.123"), "--learning_rate", "learning_rate"),
        (("run", "-p", "max_depth=2", "--learning-rate=0.123"), "--learning-rate", "learning_rate"),
        (("sweep", "-p", "max_depth=2", "seed=0.123"), "seed", "seed"),
        (("launch", "--training.seed", "0.123"), "--training.seed", "training.seed"),
    ],
)
def test_parameter_typed_as_elsewhere_is_told_how_it_is_set_and_its_value_never_repeated(
    command: tuple[str, ...], got: str, name: str
) -> None:
    with pytest.raises(click.UsageError) as caught:
        commands.main(list(command), standalone_mode=False)
    message = caught.value.format_message()
    assert message == (
        f"A parameter is set with --param, but got '{got}': type --param {name}=VALUE."
    )


@pytest.mark.parametrize(
    ("command", "said"),
    [
        (
            ("run", "--asof", "1998-05-31"),
            "No such option '--asof'. (Did you mean one of: '--as-of'",
        ),
        (("why", "learning_rat=3"), "Got unexpected extra argument (learning_rat=3)"),
        (("run", "--max-age", "7"), "an age is a number and one of s, m, h, d, w"),
    ],
)
def test_other_mistake_is_told_as_it_is(command: tuple[str, ...], said: str) -> None:
    with pytest.raises(click.UsageError) as caught:
        commands.main(list(command), standalone_mode=False)
    assert said in caught.value.format_message()


@pytest.mark.parametrize(
    ("value", "remedy"),
    [
        ("0.1,0.2", SWEEP),
        ("log[0.1..1]", SWEEP),
        ("linspace(0.1,1,3)", SWEEP),
        ("7", ""),
        ("1 2", ""),
    ],
)
def test_several_values_for_one_run_are_told_what_takes_them(value: str, remedy: str) -> None:
    with pytest.raises(ParamsError) as caught:
        commands.main(
            ["id", "-p", f"learning_rate={value}", "-p", "seed=-1"], standalone_mode=False
        )
    assert caught.value.problems == (
        f"training.learning_rate must be number > 0 and <= 1, but got '{value}'{remedy}",
        "training.seed must be integer >= 0 and <= 4294967295, but got '-1'",
    )


def test_sweep_takes_the_direction_behind_the_metric_as_leaderboards_do() -> None:
    searched = Searched({"metric": "mae:minimize"}, None)
    run, request = asked_sweep(Asked(as_of=("1998-05-31",)), searched)
    apart = asked_sweep(
        Asked(as_of=("1998-05-31",)), Searched({"metric": "mae", "direction": "minimize"}, None)
    )
    assert (request.options.metric, request.options.direction) == ("mae", "minimize")
    assert (run, request) == apart
    with pytest.raises(ParamsError, match="given once, but is maximize by --direction and min"):
        asked_sweep(Asked(), Searched({**searched.options, "direction": "maximize"}, None))
