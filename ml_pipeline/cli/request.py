"""What a user asks for on the command line: dates and parameters, validated together."""

import functools
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

import click

from ml_pipeline.cli.project import Project
from ml_pipeline.cli.tables import say
from ml_pipeline.errors import ArtifactMissing, ParamsError, nearest
from ml_pipeline.invocation import typed
from ml_pipeline.launch.standing import environment_of, standing_layers
from ml_pipeline.params.as_of import AsOf
from ml_pipeline.params.documents import as_mapping, read_file
from ml_pipeline.params.layers import SEARCH, Given, Layer, gathered, like
from ml_pipeline.params.model import ParamModel, ParamSet
from ml_pipeline.runs.stages import Pipeline
from ml_pipeline.store.record import Record
from ml_pipeline.text import shortened

ORIGIN = "command line"

_SECTIONS: Final = {
    "as_of": "is no parameter: give the date with --as-of",
    SEARCH: f"belongs to a sweep: use `{typed('sweep')}`",
}


@dataclass(frozen=True)
class Asked:
    """The options that name dates and parameters, as they were typed.

    Attributes:
        typed: texts ``NAME=VALUE``.
        files: parameter files; later ones win.
        like: the beginning of an earlier run's id.
    """

    as_of: tuple[str, ...] = ()
    from_: str | None = None
    to: str | None = None
    typed: tuple[str, ...] = ()
    files: tuple[Path, ...] = ()
    like: str | None = None

    def with_params(self, *typed: str) -> "Asked":
        """Return these options with more parameters typed."""
        return replace(self, typed=(*self.typed, *typed))


@dataclass(frozen=True)
class Draft:
    """A request before its values are validated.

    Attributes:
        given: raw values, their origins, and every problem that was found so far.
        dates: in order; none if there is a problem with them.
    """

    given: Given
    dates: Sequence[AsOf | None]


@dataclass(frozen=True)
class Request:
    """A validated request.

    Attributes:
        params: values of all parameters.
        dates: in order, at least one; None alone for a pipeline without partitions.
    """

    params: ParamSet
    dates: Sequence[AsOf | None]

    def print_origins(self) -> None:
        """Print a line for each value that was given, unless it is the default all the same."""
        values = self.params.flat(self.params.model.groups)
        lines = []
        for parameter in self.params.model.parameters():
            value = values[parameter.dotted]
            origin = self.params.origins.get(parameter.dotted)
            if origin is not None and (value != parameter.default or "overrides" in origin):
                lines.append(f"{parameter.told} = {shortened(value)} ({origin})")
        if lines:
            say("\n".join([*lines, ""]))


def request_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command the options that name dates and parameters, as its first argument."""

    @functools.wraps(command)
    def with_asked(
        as_of: tuple[str, ...],
        from_: str | None,
        to: str | None,
        typed: tuple[str, ...],
        files: tuple[Path, ...],
        like: str | None,
        environment: str | None,
        **others: Any,
    ) -> Any:
        asked = Asked(as_of, from_, to, typed, files, like)
        if environment is not None:
            asked = asked.with_params(f"run.environment={environment}")
        return command(asked, **others)

    for option in (
        click.option(
            "--environment",
            metavar="NAME",
            help="Where the run reads and writes; this deployment's own if not given.",
        ),
        click.option(
            "--like",
            metavar="RUN_ID",
            help="Start from the parameters of an earlier run, and its date if none is given.",
        ),
        click.option(
            "--params-file",
            "files",
            multiple=True,
            type=click.Path(path_type=Path),
            help="Take parameters from a YAML, TOML or JSON file; repeat for more, later ones win."
            f" `{typed('params --template')}` writes one.",
        ),
        click.option(
            "--param",
            "-p",
            "typed",
            multiple=True,
            metavar="NAME=VALUE",
            help=f"Set a parameter; repeat for more. `{typed('params')}` lists them.",
        ),
        click.option("--to", "to", metavar="DATE", help="Last date of a range."),
        click.option("--from", "from_", metavar="DATE", help="First date of a range."),
        click.option(
            "--as-of",
            multiple=True,
            metavar="DATE",
            help="The date, or another partition's key; the last of the calendar if none is given."
            " Repeat for more.",
        ),
    ):
        with_asked = option(with_asked)
    return with_asked


def validated(
    served: Project, asked: Asked, selection: Sequence[str] = (), in_one_run: bool = False
) -> Request:
    """Turn options into a request.

    Args:
        served: what is asked about.
        asked: the options.
        selection: names of the assets wanted.
        in_one_run: whether all dates have to be covered by one Dagster run.

    Raises:
        ParamsError: naming every problem with dates, assets and parameters.
    """
    pipeline = served.pipeline
    draft = drafted(served, asked, in_one_run=in_one_run)
    draft.given.problems[:0] = [
        f"'{name}' is no asset.{_made_elsewhere(pipeline, name) or nearest(name, pipeline.stages)}"
        for name in selection
        if name not in pipeline.stages
    ]
    try:
        return Request(draft.given.validated(pipeline.params), draft.dates)
    except ParamsError as error:
        from ml_pipeline.cli.mistakes import with_remedies

        given = typed_params(pipeline.params, asked.typed, [])
        told = with_remedies(pipeline.params, given, error.problems)
        if told == [*error.problems]:
            raise
        raise ParamsError(told) from error


def _made_elsewhere(pipeline: Pipeline, name: str) -> str:
    """Say what makes an asset that a pipeline beside makes, if one does."""
    for maker in pipeline.served_by:
        if name in maker.stages:
            command = maker.typed(f"run --select {name}")
            return f" Pipeline '{maker.name}' makes it: `{command}`."
    return ""


def drafted(
    served: Project, asked: Asked, with_search: bool = False, in_one_run: bool = False
) -> Draft:
    """Gather what was asked for, leaving it to the caller to validate the values.

    Nothing is raised for what a user got wrong: it is all in the problems of what was given.

    Args:
        served: what is asked about.
        asked: the options.
        with_search: whether files may say how to sweep.
        in_one_run: whether all dates have to be covered by one Dagster run.
    """
    pipeline = served.pipeline
    problems: list[str] = []
    layers = []
    as_of = asked.as_of
    if asked.like is not None and (earlier := _earlier(served, asked, problems)):
        layers.append(like(pipeline.params, earlier.identity, f"like {earlier.run_id}"))
        if not as_of and asked.from_ is asked.to is None and earlier.as_of is not None:
            as_of = (str(earlier.as_of),)
    days = _dates(served, as_of, asked.from_, asked.to, problems)
    if in_one_run and len(served.calendar.in_runs(days, len(days))) > 1:
        problems.append(
            "the dates of one Dagster run must follow each other, but --as-of names some with"
            " others between: give them to several commands, or a range with --from and --to"
        )
    for path in asked.files:
        try:
            layers.append(Layer(shortened(path.name), as_mapping(read_file(path), str(path))))
        except ParamsError as error:
            problems += error.problems
    layers.append(
        Layer(ORIGIN, typed_params(pipeline.params, asked.typed, problems), is_typed=True)
    )
    sections = {**_SECTIONS, SEARCH: None} if with_search else _SECTIONS
    standing = standing_layers(pipeline.params, layers)
    given = gathered(pipeline.params, [*standing, *layers], sections)
    given.problems[:0] = problems
    return Draft(given, days)


def _earlier(served: Project, asked: Asked, problems: list[str]) -> Record | None:
    """Return the record of the run that this one is to be like, found in the same environment."""
    from ml_pipeline.cli.environments import found_in

    layer = Layer(ORIGIN, typed_params(served.pipeline.params, asked.typed, []), is_typed=True)
    environment = environment_of(served.pipeline.params, [layer])
    if environment not in served.settings.environments.configured:
        environment = None  # which is refused elsewhere
    try:
        return found_in(served, str(asked.like), environment)[1].record
    except ParamsError as error:
        problems += [f"--like: {problem}" for problem in error.problems]
    except ArtifactMissing as error:
        problems.append(f"--like: {error}")
    return None


def typed_params(model: ParamModel, typed: Sequence[str], problems: list[str]) -> dict[str, str]:
    """Return parameters that were typed as ``NAME=VALUE``, by name.

    Args:
        model: the parameters.
        typed: the texts.
        problems: what is wrong is added here.
    """
    values: dict[str, str] = {}
    for text in typed:
        name, equals, value = text.partition("=")
        name = name.strip()
        if not name:
            problems.append(
                f"'--param {shortened(text)}' names no parameter: type --param NAME=VALUE"
            )
        elif not equals:
            problems.append(_without_value(model, name))
        elif name in values:
            problems.append(f"'--param {name}' is given twice: give it one value")
        else:
            values[name] = value
    return values


def _without_value(model: ParamModel, name: str) -> str:
    try:
        parameter = model.find(name)
    except ParamsError as error:
        return error.problems[0]
    example = "VALUE" if parameter.default in (..., None) else parameter.default
    return f"'--param {name}' has no value: type --param {name}={example}"


def _dates(
    served: Project,
    as_of: Sequence[str],
    from_: str | None,
    to: str | None,
    problems: list[str],
) -> Sequence[AsOf | None]:
    if as_of and (from_ is not None or to is not None):
        problems.append("--as-of is one date and --from with --to a range: type one or the other")
        return []
    if (from_ is None) != (to is None):
        typed, lacking = ("--from", "--to") if to is None else ("--to", "--from")
        problems.append(f"{typed} needs {lacking}: type both, or --as-of for one date")
        return []
    asked: dict[str, Any] = {}
    if from_ is not None:
        asked = {"--from": from_, "--to": to}
    elif as_of:
        asked = {"--as-of": as_of if len(as_of) > 1 else as_of[0]}
    return served.calendar.read(asked, problems)
