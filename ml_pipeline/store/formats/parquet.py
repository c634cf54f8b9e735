"""Polars frames as Parquet."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any, BinaryIO, Final

from ml_pipeline.errors import PipelineError
from ml_pipeline.store.formats.format import Format
from ml_pipeline.store.formats.parquet_footer import columns_of
from ml_pipeline.store.formats.sample import MOST_COLUMNS, Sample

# People read Datetime('us') as it is meant.
_UNSAID: Final = re.compile("time_unit=|, time_zone=None")


class ParquetFormat(Format):
    """Polars frames, eager or lazy, as Parquet."""

    name = "parquet"
    filename = "data.parquet"
    types = ("polars:DataFrame", "polars:LazyFrame")

    def accepts(self, value: Any) -> bool:
        """Whether `value` is a Polars frame; a class derived from one would come back as another.

        Args:
            value: anything.
        """
        return self.distance(value) == 0

    def write(self, value: Any, path: Path) -> None:
        """Write a frame; a lazy one is streamed and never held whole."""
        import polars as pl

        try:
            if self.defers(value):
                value.sink_parquet(path)
            else:
                _refuse_objects(value)
                value.write_parquet(path)
        except pl.exceptions.InvalidOperationError as error:
            raise PipelineError(
                f"A frame must have columns that Parquet can hold, but: {error}. Cast or drop them."
            ) from error
        except pl.exceptions.ComputeError as error:
            # Polars does not tell a full disk from a bad query by the class of its errors.
            raise (OSError(str(error)) if "os error" in str(error) else error) from error

    def read(self, path: Path, lazy: bool) -> Any:
        """Read a `DataFrame`, or a `LazyFrame` where `lazy`."""
        import polars as pl

        if lazy:
            return pl.scan_parquet(path, hive_partitioning=False, glob=False)
        return pl.read_parquet(path, hive_partitioning=False, glob=False)

    def prove(self, path: Path) -> None:
        """Nothing to prove: of the columns that Parquet takes, all come back."""

    def defers(self, value: Any) -> bool:
        """Whether a frame is a deferred one."""
        return hasattr(value, "sink_parquet") and not hasattr(value, "height")

    def columns(self, file: BinaryIO, size: int) -> dict[str, str]:
        """Return the types of the columns by name."""
        return columns_of(file, size)

    def describe(self, value: Any) -> dict[str, int]:
        """Return rows and columns; a lazy frame is not counted."""
        return {"rows": value.height, "columns": value.width} if hasattr(value, "height") else {}

    def sample_in(self, path: Path, rows: int) -> Sample:
        """Return columns and first rows; no others are read."""
        frame = self.read(path, lazy=True)
        types = frame.collect_schema().items()
        columns = {name: _UNSAID.sub("", str(dtype)) for name, dtype in types}
        if not rows or not columns:
            return Sample(columns)
        shown = list(columns)[:MOST_COLUMNS]
        return Sample(columns, frame.select(shown).head(rows).collect().rows())

    def copies(self, value: Any, is_fresh: bool) -> Callable[[], Any] | None:
        """Share the columns of a frame that was read; a fresh one may be chunked otherwise."""
        if is_fresh or not hasattr(value, "clone") or not hasattr(value, "height"):
            return None
        kept = value.clone()
        return lambda: kept.clone()


def _refuse_objects(frame: Any) -> None:
    """Refuse columns of Python objects, of which Parquet has none."""
    objects = [name for name, dtype in frame.schema.items() if dtype.is_object()]
    if objects:
        raise PipelineError(
            f"A frame must have columns of Polars' own types, but {', '.join(objects)} hold Python"
            " objects. Cast them to text, numbers, lists or structs."
        )
