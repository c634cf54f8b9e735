"""The ends of a range of results on the command line."""

from typing import Any

import click

from ml_pipeline.cli.project import project
from ml_pipeline.params.as_of import AsOf


class Day(click.ParamType[AsOf]):
    """A key such as ``1998-05-31``, of partitions that need not be there any more."""

    name = "date"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> AsOf:
        """Read a key.

        Raises:
            BadParameter: if it is none.
        """
        try:
            return project().calendar.bound(
                param.opts[0] if param is not None else "a date", str(value)
            )
        except ValueError as error:
            self.fail(str(error))
