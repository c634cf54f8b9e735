"""Ages on the command line."""

import re
from datetime import timedelta
from typing import Any, Final

import click

_UNITS: Final = {
    "s": timedelta(seconds=1),
    "m": timedelta(minutes=1),
    "h": timedelta(hours=1),
    "d": timedelta(days=1),
    "w": timedelta(weeks=1),
}
_MOST_DAYS: Final = 36_500


class Age(click.ParamType[timedelta]):
    """An age such as ``30d``, ``12h`` or ``0d``."""

    name = "age"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> timedelta:
        """Read an age.

        Raises:
            BadParameter: if it is none, or longer than 100 years.
        """
        if isinstance(value, timedelta):
            return value
        match = re.fullmatch(r"(\d+(?:\.\d+)?)([smhdw])", str(value).strip())
        if match is None:
            self.fail(f"an age is a number and one of s, m, h, d, w, like 30d, but got {value!r}")
        number, unit = float(match.group(1)), _UNITS[match.group(2)]
        if number > timedelta(days=_MOST_DAYS) / unit:
            self.fail(f"an age is at most 100 years ({_MOST_DAYS}d), but got {value!r}")
        return number * unit
