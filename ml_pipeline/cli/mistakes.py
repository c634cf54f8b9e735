"""What somebody types who knows another command line, and what to type here instead."""

from collections.abc import Mapping, Sequence

import click

from ml_pipeline.cli.project import project
from ml_pipeline.errors import MlPipelineError, ParamsError
from ml_pipeline.invocation import typed
from ml_pipeline.params.model import ParamModel

_SETTING = ("-p", "--param")


class Asking(click.Command):
    """A command with `--param`, which knows a parameter that was typed without it."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Read what was typed.

        Raises:
            click.UsageError: if it cannot be read. It repeats no value: one may be a secret.
        """
        given = list(args)
        try:
            return super().parse_args(ctx, args)
        except click.UsageError as error:
            found = _bare_parameter(error, given)
            if found is None:
                raise
            text, name = found
            raise click.UsageError(
                f"A parameter is set with --param, but got '{text}': type --param {name}=VALUE.",
                ctx,
            ) from error


def _bare_parameter(error: click.UsageError, given: Sequence[str]) -> tuple[str, str] | None:
    """Return what was typed, without its value, and the parameter that it names; None if none."""
    if isinstance(error, click.NoSuchOption):
        candidates = [error.option_name]
    elif type(error) is click.UsageError:
        pairs = zip(["", *given], given, strict=False)
        candidates = [text for before, text in pairs if "=" in text and before not in _SETTING]
    else:
        return None
    try:
        model = project().pipeline.params
    except MlPipelineError:
        return None
    for candidate in candidates:
        text = candidate.partition("=")[0]
        name = text.lstrip("-").replace("-", "_")
        try:
            model.find(name)
        except ParamsError:
            continue
        return text, name
    return None


def with_remedies(
    model: ParamModel, given: Mapping[str, str], problems: Sequence[str]
) -> list[str]:
    """Return problems, those with several values for one parameter with what takes them.

    Args:
        model: the parameters.
        given: texts that were typed, by name.
        problems: what is wrong; one with a value begins with the parameter's dotted name.
    """
    several = {dotted for name, text in given.items() if (dotted := _several(model, name, text))}
    remedy = f"; several values are for `{typed('sweep')}`"
    return [
        f"{problem}{remedy}" if problem.partition(" ")[0] in several else problem
        for problem in problems
    ]


def _several(model: ParamModel, name: str, text: str) -> str | None:
    """Return the dotted name of the parameter that a text gives several values of, if it does."""
    from ml_pipeline.sweeps.space import dimension

    try:
        parameter = model.find(name)
        return parameter.dotted if dimension(parameter, text) is not None else None
    except ParamsError:
        return None
