"""What the author of a stage says of the columns of the table that it makes."""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from types import MappingProxyType
from typing import Final, TypeAlias

from ml_pipeline.errors import PipelineError, nearest


@dataclass(frozen=True)
class Column:
    """What a column is, and which columns of other assets it is made from.

    Attributes:
        about: what it is, in a few words.
        made_from: names of columns by the asset that they are of: a stage before this one, or the
            key of another asset that it depends on.
    """

    about: str = ""
    made_from: Mapping[str, Sequence[str]] = field(default_factory=dict)


Columns: TypeAlias = Mapping[str, Column]
"""Columns by name. A name may stand for many, as ``revenue_*`` does; the first that fits counts,
a whole name before all others."""

NOTHING_SAID: Final[Columns] = MappingProxyType({})

ColumnsOption: TypeAlias = Columns | Callable[..., Columns] | None


def column_in(columns: Columns, name: str) -> Column | None:
    """Return what is said of a column, if anything is."""
    fitting = (one for pattern, one in columns.items() if fnmatchcase(name, pattern))
    return columns[name] if name in columns else next(fitting, None)


def refuse_others(stage: str, columns: Columns, assets: Collection[str]) -> None:
    """Refuse columns that are said to be made from what their stage does not depend on.

    Args:
        stage: its name.
        columns: what is said of its columns.
        assets: what it depends on: names of stages, keys of others.

    Raises:
        PipelineError: naming all of them.
    """
    problems = [
        f"'{name}' is said to be made from '{asset}'.{nearest(asset, assets)}"
        for name, column in columns.items()
        for asset in column.made_from
        if asset not in assets
    ]
    if problems:
        raise PipelineError(
            f"The columns of '{stage}' must be made from what it depends on,"
            f" {', '.join(assets) or 'which is nothing'}, but {' '.join(problems)}"
        )
