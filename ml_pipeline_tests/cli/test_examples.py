"""What `--help` shows as an example can be typed."""

import shlex

import click
import pytest

from ml_pipeline.cli.main import commands


def found(words: list[str]) -> tuple[click.Command, list[str]]:
    """Return the command that words name, and its arguments."""
    command: click.Command = commands
    while isinstance(command, click.Group):
        below = command.get_command(click.Context(command), words[0])
        assert below is not None, words
        command, words = below, words[1:]
    return command, words


@pytest.mark.parametrize(
    "name",
    [
        *("run", "sweep", "launch", "id", "why", "params", "form", "leaderboard", "compare"),
        *("card", "export", "reproduce", "promote", "rollback", "promotions", "gc", "retain"),
        *("new", "ui", "env show", "runs list", "runs show", "runs diff", "deploy init"),
    ],
)
def test_examples_of_a_command_fit_the_terminal_and_are_taken_by_it(name: str) -> None:
    command, _ = found(name.split())
    told = command.get_help(click.Context(command, terminal_width=80))
    shown = [line.strip() for line in told.partition("Examples:\n")[2].splitlines()]
    assert shown
    assert all(len(line) <= 80 for line in told.splitlines())
    for example in shown:
        program, *words = shlex.split(example.partition(" > ")[0])
        assert program == "ml-pipeline"
        typed, arguments = found(words)
        assert typed is command
        typed.make_context(name, arguments)


def test_help_tells_how_names_are_completed() -> None:
    told = commands.get_help(click.Context(commands, terminal_width=100))
    assert 'eval "$(_ML_PIPELINE_COMPLETE=bash_source ml-pipeline)"' in told
