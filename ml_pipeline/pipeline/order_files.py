"""The files of a source as frames that are read when they are asked, needed columns only."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import unquote

from ml_pipeline.addresses import masked
from ml_pipeline.errors import SourceError
from ml_pipeline.pipeline import remote_objects
from ml_pipeline.pipeline.column_names import names_in, needed_columns, refuse_unusable
from ml_pipeline.pipeline.csv_layout import CsvLayout, csv_layout
from ml_pipeline.pipeline.sources import Source

if TYPE_CHECKING:
    import polars as pl

_SAMPLE_HEADER: Final = ["customer_id", "date", "number_of_cds", "dollar_value"]
_SAMPLE_WIDTH: Final = len(_SAMPLE_HEADER)
_HIVE_NULL: Final = "__HIVE_DEFAULT_PARTITION__"
_AT_ONCE: Final = 1 << 24
_LAYOUTS: Final = 1_024
_MOST_REASON: Final = 400


@dataclass(frozen=True)
class OrderFile:
    """One file of a source, not yet read.

    Attributes:
        name: what an error calls it.
        raw: the needed columns under their proper names, in the types that the file has.
        types: these types.
    """

    name: str
    raw: "pl.LazyFrame"
    types: "Mapping[str, pl.DataType]"


def order_files(source: Source, columns: Mapping[str, str]) -> list[OrderFile]:
    """Open every file of a source.

    Args:
        source: the files.
        columns: what they call the needed columns, where it is not their own name.

    Raises:
        SourceError: if one is unreadable, is no regular CSV, or lacks a column.
    """
    import polars as pl

    refuse_unusable(columns, source.root)
    if source.format == "sample":
        (file,) = source.files
        text = pl.String()
        return [
            OrderFile(
                file, _sample(file), {"customer_id": text, "ordered_at": text, "amount": text}
            )
        ]
    # One scan for each file, not one for all: in one scan all would need the same columns, in the
    # same order and of the same types.
    return [_order_file(file, source, columns) for file in source.files]


def collected(query: "pl.LazyFrame", files: Sequence[OrderFile]) -> "pl.DataFrame":
    """Run a query over some files.

    Raises:
        SourceError: naming the file that cannot be read.
    """
    import polars as pl

    try:
        return query.collect(engine="streaming")
    except (pl.exceptions.PolarsError, OSError):
        # The failure of a whole query does not tell the file: ask each.
        for file in files:
            with _readable(file.name):
                file.raw.select(pl.all().null_count()).collect(engine="streaming")
        raise


def _order_file(file: str, source: Source, columns: Mapping[str, str]) -> OrderFile:
    import polars as pl

    layout = None
    with _readable(file):
        if source.format == "parquet":
            scan = pl.scan_parquet(
                file, hive_partitioning=False, glob=False, extra_columns="ignore"
            )
        else:
            layout = _layout(file, source.remote)
            scan = pl.scan_csv(
                file,
                infer_schema=False,
                glob=False,
                quote_char='"' if layout.quotes else None,
                eol_char=layout.line_end,
            )
        schema = scan.collect_schema()
    said = _said_by_folders(file.removeprefix(source.root), schema, names_in(columns))
    if said:
        scan = scan.with_columns(
            pl.lit(value, dtype=pl.String).alias(name) for name, value in said.items()
        )
        schema = scan.collect_schema()
    header = () if layout is None else layout.header
    needed = needed_columns(schema, file, columns, header)
    raw = scan.select(**needed.expressions)
    if layout is not None:
        raw = _counted(raw, layout, file)
    return OrderFile(file, raw, needed.types)


def _counted(raw: "pl.LazyFrame", layout: CsvLayout, file: str) -> "pl.LazyFrame":
    """Check that a CSV file is read record for record, and leave empty lines out.

    Raises:
        SourceError: if the reader finds more or fewer records than there are.
    """
    import polars as pl

    nothing = pl.all_horizontal(pl.all().is_null())
    with _readable(file):
        records, empty = (
            raw.select(pl.len(), nothing.sum().alias("empty")).collect(engine="streaming").row(0)
        )
    if records != layout.records or (layout.empty and empty < layout.empty):
        raise SourceError(
            f"A source must be readable, but {file} is not: it has {layout.records:,} rows, of"
            f" which {records:,} can be read. Write it again with another program, or as Parquet."
        )
    return raw.filter(~nothing) if layout.empty == empty > 0 else raw


def _layout(file: str, remote: bool) -> CsvLayout:
    if remote:
        return csv_layout(file, partial(remote_objects.chunks_of, file))
    status = Path(file).stat()
    return _local_layout(file, (status.st_size, status.st_mtime_ns, status.st_ino))


@lru_cache(maxsize=_LAYOUTS)
def _local_layout(file: str, _stamp: Any) -> CsvLayout:
    """Look through a local file, once for as long as it has the same stamp."""
    return csv_layout(file, partial(_chunks_of, file))


def _chunks_of(file: str) -> Iterator[bytes]:
    with Path(file).open("rb") as content:
        while chunk := content.read(_AT_ONCE):
            yield chunk


def _sample(file: str) -> "pl.LazyFrame":
    import polars as pl

    with _readable(file):
        words = Path(file).read_text(encoding="ascii").split()
    if words[:_SAMPLE_WIDTH] != _SAMPLE_HEADER or len(words) % _SAMPLE_WIDTH:
        raise SourceError(
            f"The sample must have the columns {' '.join(_SAMPLE_HEADER)}, but {file} has not."
            " Reinstall it: `pip install --force-reinstall --no-deps lifetimes==0.11.3`."
        )
    customer, day, _, amount = (words[_SAMPLE_WIDTH + i :: _SAMPLE_WIDTH] for i in range(4))
    return pl.LazyFrame({"customer_id": customer, "ordered_at": day, "amount": amount})


def _said_by_folders(
    file: str, columns: Iterable[str], wanted: Iterable[str]
) -> dict[str, str | None]:
    """Read what Hive-style folders (``name=value``) say that the file itself does not."""
    present = {column.lower() for column in columns}
    said = (folder.split("=", maxsplit=1) for folder in Path(file).parent.parts if "=" in folder)
    return {
        name: None if value == _HIVE_NULL else unquote(value)
        for name, value in said
        if name.lower() in wanted and name.lower() not in present
    }


@contextmanager
def _readable(file: str) -> Iterator[None]:
    import polars as pl

    try:
        yield
    except (pl.exceptions.PolarsError, OSError, UnicodeDecodeError) as error:
        reason = masked(str(error).strip().split("\n", maxsplit=1)[0].rstrip("."))[:_MOST_REASON]
        raise SourceError(
            f"A source must be readable, but {file} is not: {reason}. {_advice(file)}"
        ) from error


def _advice(file: str) -> str:
    if "://" not in file:
        return "Check that it is what its name says, complete, and that this user may read it."
    return (
        "Check the URI, and the credentials in the environment. What has no ending is taken for"
        " Parquet."
    )
