"""Tables in parts, of which artifacts of other dates share those that they have in common."""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, BinaryIO, Final, TypeAlias

from ml_pipeline.errors import PipelineError
from ml_pipeline.store.formats.format import Format
from ml_pipeline.store.formats.parquet import ParquetFormat
from ml_pipeline.store.formats.sample import Sample
from ml_pipeline.text import quoted

if TYPE_CHECKING:
    import polars as pl

    Frame: TypeAlias = pl.DataFrame | pl.LazyFrame

_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,99}\Z")
_MOST_PARTS: Final = 10_000
_TABLE: Final = ParquetFormat()


class SharedParts:
    """A table in parts, of which only those are made that the store has not.

    A part's name must tell all that decides what is in it besides the stage's code and parameters:
    the days that it is of, and a digest of what outside data hold of them. Parts of one name are
    taken to be the same.

    Attributes:
        names: of the parts, in the order of their rows.
        made: yields the parts of some names, in their order; frames, deferred or not, whose columns
            are the same in all parts.
        shape: rows and columns, where they are known.
    """

    def __init__(
        self,
        names: Sequence[str],
        made: "Callable[[Sequence[str]], Iterable[Frame]]",
        shape: Mapping[str, int] = MappingProxyType({}),
    ) -> None:
        """Describe a table.

        Args:
            names: of its parts.
            made: makes parts.
            shape: its rows and columns.

        Raises:
            PipelineError: if names are no plain names, or not of one part each.
        """
        problems = [f"{quoted(str(name))} is none" for name in names if not _NAME.match(str(name))]
        if len(set(names)) < len(names):
            problems.append("some are given twice")
        if not 0 < len(names) <= _MOST_PARTS:
            problems.append(f"there are {len(names)}")
        if problems:
            raise PipelineError(
                f"A table must have 1 to {_MOST_PARTS} parts, each with a name of its own of"
                f" letters, digits and . _ -, but {'; '.join(problems[:3])}."
            )
        self.names = tuple(names)
        self.made = made
        self.shape = dict(shape)

    def parts(self, names: Sequence[str]) -> "Iterable[tuple[str, Frame]]":
        """Yield some parts with their names, made one after the other.

        Raises:
            PipelineError: if more or fewer are made than were asked for.
        """
        made = iter(self.made(names)) if names else iter(())
        for name in names:
            part = next(made, None)
            if part is None:
                raise PipelineError(f"All {len(names)} parts must be made, but not {name}.")
            yield name, part
        if next(made, None) is not None:
            raise PipelineError(f"{len(names)} parts must be made, but there are more.")


class SharedPartsFormat(Format):
    """Tables in parts, a Parquet file each; they are read as one frame."""

    name = "shared_parts"
    filename = "shared_parts"
    is_directory = True
    types = (SharedParts,)
    table = _TABLE

    def columns(self, file: BinaryIO, size: int) -> dict[str, str]:
        """Return the types of the columns of a part by name."""
        return _TABLE.columns(file, size)

    def write(self, value: Any, path: Path) -> None:
        """Write all parts, each by itself.

        Raises:
            PipelineError: if their columns differ.
        """
        columns: dict[str, str] = {}
        for place, (name, part) in enumerate(value.parts(value.names)):
            file = path / f"{place:05}" / f"{name}.parquet"
            file.parent.mkdir()
            _TABLE.keep(part, file)
            columns = same_columns(columns, file)

    def read(self, path: Path, lazy: bool) -> Any:
        """Read a `DataFrame`, or a `LazyFrame` where `lazy`."""
        import polars as pl

        files = sorted(path.rglob("*.parquet"))
        frame = pl.scan_parquet(files, hive_partitioning=False, glob=False)
        return frame if lazy else frame.collect(engine="streaming")

    def prove(self, path: Path) -> None:
        """Nothing to prove: each part has been."""

    def describe(self, value: Any) -> dict[str, int]:
        """Return rows and columns, where they were told."""
        return dict(value.shape)

    def defers(self, value: Any) -> bool:
        """Whether a value reads while it is written: parts do."""
        return True

    def sample_in(self, path: Path, rows: int) -> Sample:
        """Return columns and first rows of the first part."""
        return _TABLE.sample_in(min(path.rglob("*.parquet")), rows)


def same_columns(columns: Mapping[str, str], file: Path) -> dict[str, str]:
    """Return the columns of a part, or refuse it where those of others are not the same.

    Args:
        columns: those of other parts; none if it is the first.
        file: the part.

    Raises:
        PipelineError: if they differ.
    """
    with file.open("rb") as opened:
        found = _TABLE.columns(opened, file.stat().st_size)
    if columns and list(found.items()) != list(columns.items()):
        raise PipelineError(
            f"All parts of a table must have the same columns, but one has {columns} and"
            f" {file.stem} has {found}. Cast them alike, in the same order."
        )
    return found
