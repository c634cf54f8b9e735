"""What a command shows while it works, and its one JSON document for programs."""

import contextlib
import itertools
import json
import sys
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, Final

import click

from ml_pipeline.text import for_terminal

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID

_BAR: Final = 20
"""Columns of a bar."""


def print_json(document: Any) -> None:
    """Print one document on standard output."""
    click.echo(json.dumps(document, indent=2, allow_nan=False))


@contextlib.contextmanager
def progress_bar(total: int | None, doing: str) -> Iterator[Callable[[str], None]]:
    """Show a bar on standard error; what is yielded takes one step and tells at what.

    Args:
        total: number of steps, or None where that is unknown.
        doing: what to show before the first step.
    """
    steps = itertools.count(1)
    with progress_of(doing, total) as bar:
        yield lambda at: bar.show(next(steps), total, at)


@contextlib.contextmanager
def telling(doing: str) -> Iterator[Callable[[int, int, str], None]]:
    """Show a bar on standard error; what is yielded takes the step that begins, of how many.

    Args:
        doing: what to show before the first step.
    """
    with progress_of(doing) as bar:
        yield lambda place, of, what: bar.show(place - 1, of, what)


class Bar:
    """A bar on standard error, where that is a terminal."""

    def __init__(self, shown: "tuple[Progress, TaskID] | None" = None) -> None:
        """Wrap rich's, or show nothing."""
        self._shown = shown
        self._stderr = sys.stderr

    def show(self, done: int, total: int | None, at: str) -> None:
        """Show how many steps are done, of how many, and at what."""
        if self._shown is not None:
            from rich.markup import escape

            progress, task = self._shown
            progress.update(task, completed=done, total=total, description=escape(for_terminal(at)))

    def say(self, text: str) -> None:
        """Print a line above the bar."""
        if self._shown is not None:
            console = self._shown[0].console
            console.print(for_terminal(text), markup=False, highlight=False, soft_wrap=True)
        else:
            click.echo(for_terminal(text), file=self._stderr)


@contextlib.contextmanager
def progress_of(doing: str, total: int | None = None) -> Iterator[Bar]:
    """Show a bar on standard error, wherever that is redirected meanwhile.

    Args:
        doing: what to show before the first step.
        total: number of steps, or None while that is unknown.
    """
    if not sys.stderr.isatty():
        yield Bar()
        return
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeRemainingColumn,
    )
    from rich.table import Column

    # However long the name of a step is, how far it is and the time that is left are there.
    named = Column(no_wrap=True, overflow="ellipsis", ratio=1)
    progress = Progress(
        BarColumn(bar_width=_BAR),
        MofNCompleteColumn(),
        TimeRemainingColumn(compact=True),
        TextColumn("{task.description}", table_column=named),
        expand=True,
        console=Console(file=sys.stderr),
        transient=True,
        redirect_stdout=False,
        redirect_stderr=False,
    )
    with progress:
        yield Bar((progress, progress.add_task(doing, total=total)))
