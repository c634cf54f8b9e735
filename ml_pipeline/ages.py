"""Ages: as people write them (``30d``, ``12h``), and from which on a file's times tell all."""

import re
from datetime import timedelta
from typing import Any, Final

_UNITS: Final = {
    "s": timedelta(seconds=1),
    "m": timedelta(minutes=1),
    "h": timedelta(hours=1),
    "d": timedelta(days=1),
    "w": timedelta(weeks=1),
}
_MOST_DAYS: Final = 36_500

SETTLED_S: Final = 2.0
"""What was changed longer ago will show the next change by its times. Clocks of file systems tick
some hundred times a second, and those of network ones may be off: of two changes within a moment
the second may show nothing."""


def read_age(value: Any) -> timedelta:
    """Read an age such as ``30d``, ``12h`` or ``0d``.

    Raises:
        ValueError: if it is none, or longer than 100 years.
    """
    match = re.fullmatch(r"(\d+(?:\.\d+)?)([smhdw])", str(value).strip())
    if match is None:
        raise ValueError(
            f"an age is a number and one of s, m, h, d, w, like 30d, but got {value!r}"
        )
    number, unit = float(match.group(1)), _UNITS[match.group(2)]
    if number > timedelta(days=_MOST_DAYS) / unit:
        raise ValueError(f"an age is at most 100 years ({_MOST_DAYS}d), but got {value!r}")
    return number * unit
