"""Sentences for people: in a terminal they fold between words; a command to copy stays whole."""

import os
import re
from typing import IO, Any, Final

_COMMAND: Final = re.compile(r"`[^`\n]*`")
_LEADING: Final = re.compile(r"\s*(?:- )?")
_KEPT: Final = "\x00"
"""Stands for a blank at which nothing folds; no text for a terminal has one."""
_NARROWEST: Final = 20


def folded(text: str, stream: IO[Any]) -> str:
    """Return lines that fit the width of a terminal; what goes elsewhere stays as it is.

    Args:
        text: lines; what stands behind blanks or a dash stays behind as much room.
        stream: where it goes.
    """
    width = _width(stream)
    if width is None or all(len(line) <= width for line in text.splitlines()):
        return text
    import textwrap

    whole = _COMMAND.sub(lambda command: command[0].replace(" ", _KEPT), text)
    lines = []
    for line in whole.split("\n"):
        leading = _LEADING.match(line)
        lines += textwrap.wrap(
            line,
            width,
            subsequent_indent=" " * len(leading[0]) if leading else "",
            break_long_words=False,
            break_on_hyphens=False,
            replace_whitespace=False,
        ) or [line]
    return "\n".join(lines).replace(_KEPT, " ")


def _width(stream: IO[Any]) -> int | None:
    """Return how many columns a terminal has; None for what is none."""
    try:
        found = os.get_terminal_size(stream.fileno()).columns if stream.isatty() else 0
    except (OSError, ValueError):
        return None
    return found if found >= _NARROWEST else None
