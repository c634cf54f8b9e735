from datetime import timedelta

import click
import pytest

from ml_pipeline.cli.ages import Age
from ml_pipeline_tests.cli.conftest import CommandLine


@pytest.mark.parametrize(
    ("text", "age"),
    [
        ("0s", timedelta(0)),
        ("90m", timedelta(hours=1.5)),
        ("1.5h", timedelta(minutes=90)),
        (" 30d ", timedelta(days=30)),
        ("2w", timedelta(days=14)),
        ("36500d", timedelta(days=36_500)),
        ("876000h", timedelta(days=36_500)),
    ],
)
def test_age_of_a_number_and_a_unit_is_read(text: str, age: timedelta) -> None:
    assert Age().convert(text, None, None) == age


@pytest.mark.parametrize("text", ["36501d", "9999999d", "99999999999d", "6000w", "9" * 400 + "s"])
def test_age_of_more_than_100_years_is_refused(text: str) -> None:
    with pytest.raises(click.BadParameter) as refused:
        Age().convert(text, None, None)
    assert refused.value.message == f"an age is at most 100 years (36500d), but got {text!r}"


@pytest.mark.parametrize("text", ["", "30", "d", "-1d", "1e3d", "1y", "nand"])
def test_age_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(click.BadParameter, match="a number and one of s, m, h, d, w"):
        Age().convert(text, None, None)


@pytest.mark.parametrize(
    "words", [("gc", "--older-than", "9999999d"), ("run", "--max-age", "99999999999d")]
)
def test_an_age_that_no_date_can_hold_is_refused_on_the_command_line(
    cli: CommandLine, words: tuple[str, ...]
) -> None:
    done = cli(*words)
    assert (done.code, done.out) == (2, "")
    assert "an age is at most 100 years (36500d)" in done.err


def test_the_longest_age_is_taken(cli: CommandLine) -> None:
    done = cli("gc", "--older-than", "36500d")
    assert done.code == 0, done.err
