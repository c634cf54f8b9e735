"""The first rows of a table, to look at: never read back, never part of anything."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

MOST_COLUMNS: Final = 12
"""How many columns have values in a sample; all have their type."""


@dataclass(frozen=True)
class Sample:
    """The columns of a table and its first rows.

    Attributes:
        columns: type of each column by name.
        rows: values of the first columns, as many as each row has.
    """

    columns: Mapping[str, str]
    rows: Sequence[Sequence[Any]] = ()
