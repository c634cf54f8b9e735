"""Arrow tables as Parquet, in pieces of one size, so that the same rows are the same bytes."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO, Final

from ml_pipeline.errors import PipelineError
from ml_pipeline.store.formats.format import Format
from ml_pipeline.store.formats.parquet_footer import columns_of
from ml_pipeline.store.formats.sample import MOST_COLUMNS, Sample

_ROWS: Final = 1 << 17
_NO_NAME: Final = "__index_level_"


class ArrowFormat(Format):
    """Arrow tables."""

    name = "arrow"
    filename = "arrow.parquet"
    types = ("pyarrow:Table",)

    def accepts(self, value: Any) -> bool:
        """Whether `value` is a table."""
        return self.distance(value) == 0

    def write(self, value: Any, path: Path) -> None:
        """Write a table piece by piece.

        Raises:
            PipelineError: if Parquet cannot hold it, or turns its columns into others.
        """
        pa = arrow()
        try:
            write_table(value, path)
            schema = read_schema(path)
            others = [] if schema.equals(value.schema, check_metadata=True) else ["the metadata"]
            names = value.schema.names
            others = [
                name
                for name, one in zip(names, value.schema, strict=True)
                if not one.equals(schema.field(names.index(name)), check_metadata=True)
            ] or others
            if others:
                raise ValueError(f"of another type come back {', '.join(others)}")
        except (pa.ArrowException, NotImplementedError, TypeError, ValueError) as error:
            raise PipelineError(
                f"A table must have columns that Parquet can hold, but: {error!s:.300}. Cast or"
                " drop them."
            ) from error

    def read(self, path: Path, lazy: bool) -> Any:
        """Read a table."""
        return read_table(path)

    def prove(self, path: Path) -> None:
        """Nothing to prove: columns that come back with their types come back."""

    def columns(self, file: BinaryIO, size: int) -> dict[str, str]:
        """Return the types of the columns by name."""
        return columns_of(file, size)

    def sample_in(self, path: Path, rows: int) -> Sample:
        """Return columns and first rows; no others are read."""
        return sample_of(path, rows)

    def describe(self, value: Any) -> dict[str, int]:
        """Return rows and columns."""
        return {"rows": value.num_rows, "columns": value.num_columns}


def arrow() -> Any:
    """Return the package that reads and writes Parquet for pandas and Arrow.

    Raises:
        PipelineError: if it is not installed.
    """
    try:
        import pyarrow as pa
    except ImportError as error:
        raise PipelineError(
            "pandas frames are kept with pyarrow, which must be installed, but is not: pip install"
            " pyarrow."
        ) from error
    return pa


def write_table(table: Any, path: Path) -> None:
    """Write a table in row groups of one size, however its columns are chunked."""
    import pyarrow.parquet as pq

    with pq.ParquetWriter(path, table.schema, use_compliant_nested_type=False) as writer:
        for piece in _pieces(table):
            writer.write_table(piece, row_group_size=_ROWS)


def read_table(path: Path) -> Any:
    """Read a table from one file, whatever its folder is named."""
    import pyarrow.parquet as pq

    with pq.ParquetFile(path) as file:
        return file.read()


def read_schema(path: Path) -> Any:
    """Read the columns of a stored table."""
    import pyarrow.parquet as pq

    return pq.read_schema(path)


def sample_of(path: Path, rows: int) -> Sample:
    """Return columns and first rows of a stored table; an index without a name is no column."""
    import pyarrow.parquet as pq

    with pq.ParquetFile(path) as file:
        named = [one for one in file.schema_arrow if not one.name.startswith(_NO_NAME)]
        columns = {one.name: str(one.type) for one in named}
        shown = list(columns)[:MOST_COLUMNS]
        if not rows or not shown:
            return Sample(columns)
        first = next(file.iter_batches(batch_size=rows, columns=shown), None)
        values = [first.column(name).to_pylist() for name in shown] if first is not None else []
        return Sample(columns, list(zip(*values, strict=True)))


def _pieces(table: Any) -> Iterator[Any]:
    for start in range(0, max(table.num_rows, 1), _ROWS):
        yield table.slice(start, _ROWS).combine_chunks()
