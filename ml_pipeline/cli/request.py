"""What a user asks for on the command line: dates and parameters, validated together."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any, TypeVar

import click

from ml_pipeline.defs.partitions import daily, last_day, problem_with
from ml_pipeline.errors import ParamsError, nearest
from ml_pipeline.params import ParamModel, ParamSet
from ml_pipeline.settings import Settings
from ml_pipeline.stages import Pipeline

ORIGIN = "command line"

F = TypeVar("F", bound=Callable[..., Any])


@dataclass(frozen=True)
class Request:
    """A validated request.

    Attributes:
        params: values of all parameters.
        dates: consecutive days, at least one.
    """

    params: ParamSet
    dates: Sequence[date]


def request_options(command: F) -> F:
    """Give a command the options that name dates and parameters."""
    for option in (
        click.option(
            "--param",
            "-p",
            "typed",
            multiple=True,
            metavar="NAME=VALUE",
            help="Set a parameter; repeat for more. `ml-pipeline params` lists them.",
        ),
        click.option("--to", "to", metavar="DATE", help="Last date of a range."),
        click.option("--from", "from_", metavar="DATE", help="First date of a range."),
        click.option(
            "--as-of",
            metavar="DATE",
            help="The date; the last one of the calendar if no date is given.",
        ),
    ):
        command = option(command)
    return command


def validated(
    pipeline: Pipeline,
    settings: Settings,
    as_of: str | None,
    from_: str | None,
    to: str | None,
    typed: Sequence[str],
    selection: Sequence[str] = (),
) -> Request:
    """Turn options into a request.

    Raises:
        ParamsError: naming every problem with dates, assets and parameters.
    """
    model = pipeline.params
    problems = [
        f"'{name}' is no asset.{nearest(name, pipeline.stages)}"
        for name in selection
        if name not in pipeline.stages
    ]
    dates = _dates(settings, as_of, from_, to, problems)
    values: dict[str, str] = {}
    for text in typed:
        name, equals, value = text.partition("=")
        name = name.strip()
        if not name:
            problems.append(f"'--param {text}' names no parameter: type --param NAME=VALUE")
        elif not equals:
            problems.append(_without_value(model, name))
        elif name in values:
            problems.append(f"'--param {name}' is given twice: give it one value")
        else:
            values[name] = value
    try:
        params = model.parse(values, ORIGIN)
    except ParamsError as error:
        raise ParamsError([*problems, *error.problems]) from None
    if problems:
        raise ParamsError(problems)
    return Request(params, dates)


def _without_value(model: ParamModel, name: str) -> str:
    try:
        parameter = model.find(name)
    except ParamsError as error:
        return error.problems[0]
    example = "VALUE" if parameter.default in (..., None) else parameter.default
    return f"'--param {name}' has no value: type --param {name}={example}"


def _dates(
    settings: Settings, as_of: str | None, from_: str | None, to: str | None, problems: list[str]
) -> list[date]:
    calendar = daily(settings)
    if as_of is not None and (from_ is not None or to is not None):
        problems.append("--as-of is one date and --from with --to a range: type one or the other")
        return []
    if (from_ is None) != (to is None):
        given, lacking = ("--from", "--to") if to is None else ("--to", "--from")
        problems.append(f"{given} needs {lacking}: type both, or --as-of for one date")
        return []
    if from_ is None or to is None:
        day = last_day(calendar) if as_of is None else _day("--as-of", as_of, problems)
        ends = [day, day]
    else:
        ends = [_day("--from", from_, problems), _day("--to", to, problems)]
    known = [day for day in ends if day is not None]
    problems += [text for day in dict.fromkeys(known) if (text := problem_with(day, calendar))]
    if len(known) < 2 or problems:
        return []
    first, last = known
    if last < first:
        problems.append(f"--from must not be after --to, but got {first} and {last}")
    return [first + timedelta(days=count) for count in range((last - first).days + 1)]


def _day(option: str, text: str, problems: list[str]) -> date | None:
    try:
        return date.fromisoformat(text)
    except ValueError:
        problems.append(f"{option} must be a date such as 1998-05-31, but got {text!r}")
        return None
