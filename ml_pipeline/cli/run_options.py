"""The options that say how to run, where that does not change what comes of it."""

import functools
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import click

from ml_pipeline.cli.ages import Age
from ml_pipeline.cli.request import Asked


def force_option(command: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command that takes what was asked for the option `--force`."""

    @functools.wraps(command)
    def with_force(asked: Asked, *others: Any, force: bool, **named: Any) -> Any:
        return command(asked.with_params("run.force=true") if force else asked, *others, **named)

    return click.option(
        "--force", is_flag=True, help="Compute even what is published, compare the bytes."
    )(with_force)


def run_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command that takes what was asked for the options of a run, `selection` among them."""

    @functools.wraps(command)
    def with_age(asked: Asked, *others: Any, max_age: timedelta | None, **named: Any) -> Any:
        if max_age is not None:
            asked = asked.with_params(f"run.max_age_days={max_age / timedelta(days=1)}")
        return command(asked, *others, **named)

    given: Callable[..., Any] = with_age
    for option in (
        click.option(
            "--max-age", type=Age(), metavar="AGE", help="Reuse nothing older, such as 7d or 12h."
        ),
        force_option,
        click.option(
            "--select",
            "selection",
            multiple=True,
            metavar="ASSET",
            help="Make only this asset; repeat for more. What it needs must be published already.",
        ),
    ):
        given = option(given)
    return given
