"""Ages on the command line."""

from datetime import timedelta
from typing import Any

import click

from ml_pipeline.ages import read_age


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
        try:
            return read_age(value)
        except ValueError as error:
            self.fail(str(error))
