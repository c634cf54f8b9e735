"""Sources whose orders are not sorted by time, read once for many spans of days.

Where orders are at least roughly sorted, the statistics of a Parquet file lead whoever reads a span
to the rows that it has. All others would be read whole for each span: they are written aside first,
by spans.
"""

import tempfile
from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import date, datetime, time
from pathlib import Path
from typing import Final

from ml_pipeline.pipeline.order_columns import parsed
from ml_pipeline.pipeline.order_files import OrderFile, collected

_MOST_READS: Final = 3
"""How many times a row may be read before it is written aside."""
_ROWS_A_GROUP: Final = 1 << 18
"""Rows of which Parquet files have statistics, as Polars writes them."""


@contextmanager
def by_spans(
    files: Sequence[OrderFile], spans: Sequence[tuple[date, date]]
) -> Iterator[list[Sequence[OrderFile]]]:
    """Give for each span of days what to read it of.

    Args:
        files: of a source.
        spans: first and last days, ascending.

    Yields:
        Files for each span that have all orders of it, and maybe of other days: the source's own or
        such that are gone afterwards. Those of the first span have all whose day cannot be told.

    Raises:
        SourceError: if a file cannot be read.
    """
    if len(spans) <= _MOST_READS:
        yield [files for _ in spans]
        return
    alike: dict[tuple[str, ...], list[OrderFile]] = {}
    for file in files:
        alike.setdefault(tuple(map(str, file.types.values())), []).append(file)
    held: list[list[OrderFile]] = [[] for _ in spans]
    with tempfile.TemporaryDirectory(prefix="ml_pipeline-") as folder:
        for place, some in enumerate(alike.values()):
            if _are_scattered(some, spans):
                aside = _written_aside(some, spans, Path(folder, str(place)))
            else:
                aside = [some for _ in spans]
            for of_span, found in zip(held, aside, strict=True):
                of_span += found
        yield list(held)


def _are_scattered(files: Sequence[OrderFile], spans: Sequence[tuple[date, date]]) -> bool:
    """Whether reading each span would read most rows many times.

    Args:
        files: whose columns have the same types.
        spans: first and last days, ascending.
    """
    import polars as pl

    if not files[0].types["ordered_at"].is_temporal():
        return True
    groups = collected(
        pl.concat(
            file.raw.select("ordered_at")
            .with_row_index("group")
            .select(
                pl.lit(place).alias("file"),
                pl.col("group") // _ROWS_A_GROUP,
                parsed(file.types)["ordered_at"].dt.date().alias("day"),
            )
            for place, file in enumerate(files)
        )
        .group_by("file", "group")
        .agg(pl.len(), pl.col("day").min().alias("first"), pl.col("day").max().alias("last"))
        .drop_nulls(),
        files,
    )
    firsts, lasts = [first for first, _ in spans], [last for _, last in spans]
    read = sum(
        rows * max(0, bisect_right(firsts, last) - bisect_left(lasts, first))
        for rows, first, last in groups.select("len", "first", "last").iter_rows()
    )
    return bool(read > _MOST_READS * groups["len"].sum())


def _written_aside(
    files: Sequence[OrderFile], spans: Sequence[tuple[date, date]], folder: Path
) -> list[list[OrderFile]]:
    """Write the orders of each span to files of their own, as they are in the source.

    Args:
        files: whose columns have the same types.
        spans: first and last days, ascending.
        folder: where to; it is made.

    Returns:
        What was written of each span.
    """
    import polars as pl

    types = files[0].types
    starts = pl.Series([datetime.combine(first, time.min) for first, _ in spans])
    place = pl.lit(starts.cast(pl.Datetime("us"))).search_sorted(pl.col("at"), side="right")
    told = pl.col("at").is_between(datetime.min, datetime.max).fill_null(value=False)
    rows = (
        pl.concat(file.raw for file in files)
        .with_columns(parsed(types)["ordered_at"].alias("at"))
        .with_columns(span=pl.when(told).then(place).otherwise(1))
        .filter(pl.col("span") > 0)
        .drop("at")
    )
    sorts = pl.PartitionBy(folder, key="span", include_key=False)
    collected(rows.sink_parquet(sorts, compression="lz4", mkdir=True, lazy=True), files)
    written = (sorted(folder.glob(f"span={number}/*")) for number in range(1, len(spans) + 1))
    return [
        [
            OrderFile(str(file), pl.scan_parquet(file, glob=False, hive_partitioning=False), types)
            for file in of_span
        ]
        for of_span in written
    ]
