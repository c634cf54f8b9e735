"""Dates on the command line."""

from datetime import date
from typing import Any

import click


class Day(click.ParamType[date]):
    """A date such as ``1998-05-31``."""

    name = "date"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> date:
        """Read a date.

        Raises:
            BadParameter: if it is none.
        """
        if isinstance(value, date):
            return value
        try:
            return date.fromisoformat(str(value))
        except ValueError:
            self.fail(f"must be a date such as 1998-05-31, but got {value!r}")
