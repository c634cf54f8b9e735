"""Values and texts as people read them, made safe for the place where they are written.

Names of data sets, parameter values, notes and failures come from outside. Where they are written
into a terminal, into Markdown or into a table for spreadsheets, nothing in them may act;
`html.escape` does the same for HTML and SVG. Credentials in an address are not shown at all.
"""

import json
import re
from collections.abc import Iterable
from datetime import date, time
from typing import Any, Final

from ml_pipeline.addresses import masked, without_credentials

MOST_SHOWN: Final = 60
"""How many characters of a value are shown in a sentence."""

_MOST_BITS: Final = 4096
_DIGITS: Final = (4, 6, 9, 17)

# Control characters but for tabs and line feeds, line separators, what turns the direction of
# writing or is invisible, and lone surrogates, which no terminal can encode.
_ACTING: Final = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\xad\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff"
    "\ufff9-\ufffb\ud800-\udfff\U000e0000-\U000e007f]"
)
_MARKDOWN: Final = re.compile(r"[\\`*_\[\]<>|#~!&]|\A[-+=](?=\s|[-+=])|(?<=\A\d)[.)](?=\s)")
_NUMBER: Final = re.compile(r"[-+]?(\d+(\.\d*)?|\.\d+)([eE][-+]?\d+)?")
_FORMULA: Final = re.compile("'*[\\s\0]*[=+\\-@\uff1d\uff0b\uff0d\uff20].|'*[\t\r\n]", re.DOTALL)


def written(value: Any) -> str:
    """Write a value for people: text bare where it can be, and everything else as JSON has it."""
    if value is None:
        return "none"
    if isinstance(value, str):
        value = masked(value)
        return value if value.isprintable() else json.dumps(value)
    if isinstance(value, date | time):
        return value.isoformat()
    if _is_huge(value):
        return f"an integer of {value.bit_length():,} bits"
    return json.dumps(without_credentials(value), default=str)


def in_full(value: Any) -> str:
    """Write a value in full, text as it is."""
    return value if isinstance(value, str) else written(value)


def shown(value: Any) -> str:
    """Write a value for people: numbers in six digits."""
    return f"{value:.6g}" if isinstance(value, float) else in_full(value)


def shortened(value: Any, most: int = MOST_SHOWN) -> str:
    """Write a value for people in few words.

    Args:
        value: text, or what JSON can hold.
        most: how many characters are kept of what is longer.
    """
    text = written(value)
    return text if len(text) <= most else f"{text[:most]}..."


def quoted(value: Any, most: int = MOST_SHOWN) -> str:
    """Write what was found where something else must be, text in quotes, for a refusal.

    Args:
        value: anything.
        most: how many characters there are at most; what is longer tells its length.
    """
    if _is_huge(value):
        return f"an integer of {value.bit_length():,} bits"
    value = without_credentials(value)
    text = repr(value)
    if len(text) <= most:
        return text
    count = len(value) if isinstance(value, str) else len(text)
    return f"{text[: most - 20]}... ({count} characters)"


def counted(count: int, noun: str) -> str:
    """Write ``1 date`` or ``2 dates``."""
    return f"{count} {noun}{'' if count == 1 else 's'}"


def apart(*values: float) -> list[str]:
    """Write numbers in as few digits as tell those apart that differ."""
    texts: list[str] = []
    for digits in _DIGITS:
        # Negative zero is zero.
        texts = [f"{value + 0.0:.{digits}g}" for value in values]
        if len(set(texts)) == len(set(values)):
            break
    return texts


def for_terminal(text: str) -> str:
    r"""Return text with what a terminal would act upon made visible: ``\x1b``, ``\u202e``.

    Lines and tabs stay.
    """
    return _ACTING.sub(lambda match: _escaped(match[0]), text)


def for_markdown(text: str) -> str:
    """Return text as one line that stands for itself in Markdown, table cells included."""
    line = for_terminal(" ".join(text.split()))
    return _MARKDOWN.sub(lambda match: f"\\{match[0]}", line)


def markdown_table(columns: Iterable[Any], rows: Iterable[Iterable[Any]]) -> str:
    """Return a table of Markdown in which every value stands for itself, a line for each row."""
    head = [for_markdown(shown(name)) for name in columns]
    body = [[for_markdown(shown(value)) for value in row] for row in rows]
    lines = [head, ["---"] * len(head), *body]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def for_csv(value: Any) -> Any:
    """Return a cell of a table that no spreadsheet takes for a formula.

    Numbers stay numbers, as text as well. Other text that begins as formulas do gets an apostrophe
    in front, which spreadsheets read as: this is text. `from_csv` takes it away again.
    """
    is_formula = isinstance(value, str) and not _NUMBER.fullmatch(value) and _FORMULA.match(value)
    return f"'{value}" if is_formula else value


def from_csv(text: str) -> str:
    """Return the text that `for_csv` made a cell of."""
    return text[1:] if text.startswith("'") and _FORMULA.match(text) else text


def _is_huge(value: Any) -> bool:
    """Whether Python refuses to write an integer, for the time that it would take."""
    return isinstance(value, int) and value.bit_length() > _MOST_BITS


def _escaped(character: str) -> str:
    code = ord(character)
    if code < 0x100:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"
