"""Ages on the command line."""

import re
from datetime import timedelta
from typing import Any, Final

import click

_UNITS: Final = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days", "w": "weeks"}


class Age(click.ParamType[timedelta]):
    """An age such as ``30d``, ``12h`` or ``0d``."""

    name = "age"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> timedelta:
        """Read an age.

        Raises:
            BadParameter: if it is none.
        """
        if isinstance(value, timedelta):
            return value
        match = re.fullmatch(r"(\d+(?:\.\d+)?)([smhdw])", str(value).strip())
        if match is None:
            self.fail(f"an age is a number and one of s, m, h, d, w, like 30d, but got {value!r}")
        return timedelta(**{_UNITS[match.group(2)]: float(match.group(1))})
