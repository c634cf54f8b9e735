"""Dates on the command line."""

from datetime import date
from typing import Any

import click

from ml_pipeline.launch.dates import read_day


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
            return read_day(param.opts[0] if param is not None else "a day", value)
        except ValueError as error:
            self.fail(str(error))
