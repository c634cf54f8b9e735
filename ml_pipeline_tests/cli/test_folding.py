"""Sentences in terminals: folded between words, with commands that can be copied."""

import os
import pty
import struct
import sys
from collections.abc import Iterator
from fcntl import ioctl
from pathlib import Path
from termios import TIOCSWINSZ
from typing import IO

import pytest

from ml_pipeline.cli.folding import folded

COMMAND = "`ml-pipeline run --from 1998-05-29 --to 1998-05-30 -p max_iter=100`"
TEXT = f"""\
Error: two problems that are long enough to be folded:
  - 'max_itr' does not exist. Did you mean 'max_iter'?
  1998-05-31  model: computed: since run aaede0298bf0a96f has other parameters
{COMMAND} makes what is lacking.

Nothing was launched."""


@pytest.fixture
def terminal(request: pytest.FixtureRequest) -> Iterator[IO[str]]:
    """A terminal of a width."""
    ours, its = pty.openpty()
    ioctl(its, TIOCSWINSZ, struct.pack("HHHH", 40, request.param, 0, 0))
    with os.fdopen(its, "w") as stream:
        yield stream
    os.close(ours)


@pytest.mark.parametrize("terminal", [40, 60, 80], indirect=True)
def test_lines_fit_the_terminal_and_keep_words_indents_and_commands(terminal: IO[str]) -> None:
    width = os.get_terminal_size(terminal.fileno()).columns
    lines = folded(TEXT, terminal).split("\n")
    assert " ".join(" ".join(lines).split()) == " ".join(TEXT.split())
    assert [line for line in lines if len(line) > width and line != COMMAND] == []
    assert any(line.startswith(COMMAND) for line in lines)
    (begun,) = (place for place, line in enumerate(lines) if line.startswith("  - "))
    if width == 40:
        assert lines[begun + 1].startswith("    ")
        assert any("1998-05-31  model" in line for line in lines)
    assert "" in lines


@pytest.mark.parametrize("terminal", [0, 10, 200], indirect=True)
def test_what_has_no_width_or_fits_stays_as_it_is(terminal: IO[str]) -> None:
    assert folded(TEXT, terminal) == TEXT
    with Path(os.devnull).open("w") as file:
        assert folded(TEXT, file) == TEXT
    assert folded(TEXT, sys.stdin) == TEXT
