"""Plain words as YAML 1.2 reads them: nothing, a truth value, a number, or text.

Typed text, words in a file and text in a launchpad are read by these rules, so that one text is
one value. Where the versions of YAML disagree about a word, it is text here: ``yes``, ``010``,
``1_000``, ``1:40``, dates.
"""

import math
import re
from typing import Any, Final

MOST_DIGITS: Final = 310

NULL: Final = re.compile(r"~|null|Null|NULL|")
TRUTH: Final = re.compile(r"(?P<true>true|True|TRUE)|false|False|FALSE")
INTEGER: Final = re.compile(r"[-+]?(0|[1-9][0-9]*)|0o[0-7]+|0x[0-9a-fA-F]+")
FLOAT: Final = re.compile(r"[-+]?(\.[0-9]+|(0|[1-9][0-9]*)(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
NOT_FINITE: Final = re.compile(r"[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)")


def scalar(word: str) -> Any:
    """Return what a word stands for.

    Args:
        word: without blanks around it.

    Returns:
        None, a truth value, an integer, a finite float, or the word itself where it is none of
        these. A number of more than `MOST_DIGITS` and one too large for a float are text.
    """
    if len(word) > MOST_DIGITS:
        return word
    if NULL.fullmatch(word):
        return None
    if match := TRUTH.fullmatch(word):
        return match["true"] is not None
    if INTEGER.fullmatch(word):
        return int(word, 0) if word[:2] in ("0o", "0x") else int(word)
    if FLOAT.fullmatch(word):
        number = float(word)
        return number if math.isfinite(number) else word
    return word
