"""The webserver that links of what is written lead to, as it is typed."""

from collections.abc import Callable
from typing import Any, TypeVar

import click

from ml_pipeline.addresses import is_web, refusal
from ml_pipeline.dagster.launchpad import WEBSERVER
from ml_pipeline.errors import ParamsError

_Command = TypeVar("_Command", bound=Callable[..., Any])


def link_option(about: str) -> Callable[[_Command], _Command]:
    """Return what gives a command the option `--url`, as the argument `url`.

    An address that carries credentials is refused: every link that is written would have them.

    Args:
        about: its help.
    """
    return click.option(
        "--url", default=WEBSERVER, show_default=True, help=about, callback=_checked
    )


def _checked(_context: click.Context, _option: click.Parameter, url: str) -> str:
    if (problem := refusal(url, "Type it without")) is not None:
        raise ParamsError([f"--url {problem}"])
    if not is_web(url):
        raise ParamsError([f"--url must begin with http:// or https://, but is '{url}'"])
    return url
